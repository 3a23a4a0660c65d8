//! What moves by itself: one stream for each open page, which tells how many ghosts there are and how much of what the page shows
//! has changed. It never touches what is shown: the operator asks for the new rows.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use askama::Template;
use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::{form, frame::Visitor, parts, session::Leave};

/// How often is looked. Whatever happens in between is told together.
const EVERY: Duration = Duration::from_secs(1);

/// A comment after so many looks without news keeps the connection open through what stands between.
const BEAT: u32 = 15;

/// That the session is over.
const OVER: &str = "event: over\ndata: over\n\n";

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "live.html")]
struct News {
    ghosts: u64,
    changed: usize,
}

/// What a page shows, as far as it can be told whether it still does: versions or states by id.
type Shown = BTreeMap<String, String>;

struct Watch {
    visitor: Visitor,
    /// What is watched, where it is something that pages watch.
    path: Option<String>,
    /// Leave to be here.
    _leave: Leave,
    first: Option<Shown>,
    told: Option<News>,
    quiet: u32,
    over: bool,
}

/// `GET /console/live?on=PATH`. Who is not logged in, or has too many already, is told so in the stream: a browser that is led elsewhere
/// would come again and again.
pub(crate) async fn stream(visitor: Result<Visitor, Response>) -> Response {
    let Ok(visitor) = visitor else { return events(Body::from(OVER)) };
    let Some(leave) = visitor.console.sessions.stream(&visitor.session) else {
        return (StatusCode::TOO_MANY_REQUESTS, "There are too many streams.").into_response();
    };
    let query = form::fields(visitor.uri.query().unwrap_or_default().as_bytes());
    let path = query.into_iter().find(|(name, _)| name == "on").map(|(_, path)| path);
    let path = path.filter(|path| is_watched(path));
    let watch = Watch { visitor, path, _leave: leave, first: None, told: None, quiet: 0, over: false };
    events(Body::from_stream(stream::unfold(watch, |mut watch| async move {
        if watch.over {
            return None;
        }
        let stop = watch.visitor.console.stop.clone();
        let next = tokio::select! {
            next = watch.next() => next,
            () = stop.cancelled() => return None,
        };
        let chunk = next.unwrap_or_else(|| {
            watch.over = true;
            OVER.to_owned()
        });
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), watch))
    })))
}

fn events(body: Body) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// Whether pages watch this: a list of which they show a part, or one closure or batch. Anything else would be asked every second by
/// whoever likes.
fn is_watched(path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let Some(rest) = path.strip_prefix("/v1/") else { return false };
    match rest.split_once('/') {
        Some(("closures", id)) => id.starts_with("cl_") && !id.contains('/'),
        Some(("batches", id)) => id.starts_with("bt_") && !id.contains('/'),
        Some(_) => false,
        None => {
            let limit = form::fields(query.as_bytes()).into_iter().find(|(name, _)| name == "limit");
            let is_small =
                limit.and_then(|(_, limit)| limit.parse::<u32>().ok()).is_some_and(|limit| limit <= 100);
            is_small && matches!(rest, "ghosts" | "closures" | "batches" | "dead-letters")
        }
    }
}

impl Watch {
    /// The next thing to say; nothing more once the session or its key is over.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.told.is_some() {
                tokio::time::sleep(EVERY).await;
            }
            let Visitor { console, session, .. } = &self.visitor;
            if !session.is_alive() {
                return None;
            }
            let summary = console.api.get(&session.key, "/v1/ghosts/summary").await.ok()?;
            let ghosts = summary["total"].as_u64().unwrap_or_default();
            let news = News { ghosts, changed: self.changed().await };
            if self.told.as_ref() != Some(&news) {
                let text = news.render().ok()?;
                self.told = Some(news);
                self.quiet = 0;
                let lines: String = text.lines().map(|line| format!("data: {line}\n")).collect();
                return Some(format!("{lines}\n"));
            }
            self.quiet += 1;
            if self.quiet >= BEAT {
                self.quiet = 0;
                return Some(": still here\n\n".to_owned());
            }
        }
    }

    /// How much of what the page shows is new or otherwise by now.
    async fn changed(&mut self) -> usize {
        let Some(path) = &self.path else { return 0 };
        let now = shown(&self.visitor.look(path).await);
        let first = self.first.get_or_insert_with(|| now.clone());
        now.iter().filter(|(id, state)| first.get(*id) != Some(*state)).count()
            + first.keys().filter(|id| !now.contains_key(*id)).count()
    }
}

fn shown(answer: &Value) -> Shown {
    let one = std::slice::from_ref(answer);
    let items = if answer["items"].is_array() { parts::items(answer) } else { one };
    let entry = |item: &Value| {
        let id = ["id", "name", "adapter"].into_iter().find_map(|name| item[name].as_str())?;
        let state = if item["version"].is_null() { item.to_string() } else { item["version"].to_string() };
        Some((id.to_owned(), state))
    };
    items.iter().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_pages_show_is_watched() {
        for path in [
            "/v1/ghosts?limit=50",
            "/v1/closures?state=ghost&limit=50",
            "/v1/closures/cl_1",
            "/v1/batches/bt_1",
        ] {
            assert!(is_watched(path), "{path}");
        }
        for path in [
            "/v1/ghosts",
            "/v1/ghosts?limit=500",
            "/v1/ghosts/report?limit=50",
            "/v1/closures/cl_1/timeline",
            "/v1/config?limit=1",
            "/metrics?limit=1",
            "",
        ] {
            assert!(!is_watched(path), "{path}");
        }
    }
}
