//! What moves by itself: one stream for each open page, which tells how many ghosts there are and how much of what the page shows
//! has changed. It never touches the rows that are shown: the operator asks for the new ones. How far a batch is it tells as it goes on.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use askama::Template;
use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::{form, frame::Visitor, parts, progress::Progress, session::Leave};

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
    /// How far the batch is that the page shows.
    progress: Option<Progress>,
}

/// What a page shows, as far as it can be told whether it still does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Shown {
    /// Versions or states by id.
    rows: BTreeMap<String, String>,
    /// Whether there are more behind them: then what comes in pushes out what was last, and what leaves lets in what was next.
    has_more: bool,
}

struct Watch {
    visitor: Visitor,
    /// What is watched, where it is something that pages watch.
    path: Option<String>,
    /// The mark of what the page was made of, where it says so.
    since: Option<String>,
    /// Leave to be here.
    _leave: Leave,
    first: Option<Shown>,
    /// Whether something was otherwise already when it was first looked.
    is_late: bool,
    told: Option<News>,
    quiet: u32,
    over: bool,
}

/// The mark of what an answer shows: it is another one when that changes.
pub(crate) fn mark(answer: &Value) -> String {
    Shown::of(answer).mark()
}

/// `GET /console/live?on=PATH&since=MARK`. Who is not logged in, or has too many already, is told so in the stream: a browser that is led elsewhere
/// would come again and again.
pub(crate) async fn stream(visitor: Result<Visitor, Response>) -> Response {
    let Ok(visitor) = visitor else { return events(Body::from(OVER)) };
    let Some(leave) = visitor.console.sessions.stream(&visitor.session) else {
        return (StatusCode::TOO_MANY_REQUESTS, "There are too many streams.").into_response();
    };
    let query = form::fields(visitor.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let field = |wanted| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let (path, since) = (field("on").filter(|path| is_watched(path)), field("since"));
    let watch = Watch {
        visitor,
        path,
        since,
        _leave: leave,
        first: None,
        is_late: false,
        told: None,
        quiet: 0,
        over: false,
    };
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
/// whoever likes; one closure that is asked with a wait would hold the stream for as long.
fn is_watched(path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let Some(rest) = path.strip_prefix("/v1/") else { return false };
    match rest.split_once('/') {
        Some(("closures", id)) => is_id(id, "cl_") && query.is_empty(),
        Some(("batches", id)) => is_id(id, "bt_") && query.is_empty(),
        Some(_) => false,
        None => {
            let Ok(fields) = form::fields(query.as_bytes()) else { return false };
            let limit = fields.iter().find(|(name, _)| name == "limit");
            let is_small =
                limit.and_then(|(_, limit)| limit.parse::<u32>().ok()).is_some_and(|limit| limit <= 100);
            is_small
                && fields.iter().all(|(name, _)| is_of_a_list(name))
                && matches!(rest, "ghosts" | "closures" | "batches" | "dead-letters")
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
            let (changed, progress) = self.looked().await;
            let news = News { ghosts, changed, progress };
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

    /// How much of what the page shows is new or otherwise by now, and how far it is where it is a batch.
    async fn looked(&mut self) -> (usize, Option<Progress>) {
        let Some(path) = &self.path else { return (0, None) };
        let found = self.visitor.look(path).await;
        if found.is_null() {
            return self.told.as_ref().map_or((0, None), |told| (told.changed, told.progress.clone()));
        }
        let now = Shown::of(&found);
        let first = self.first.get_or_insert_with(|| {
            // What happened before the stream began, or while it was cut, is told as well.
            self.is_late = self.since.as_ref().is_some_and(|since| *since != now.mark());
            now.clone()
        });
        (first.changes(&now).max(usize::from(self.is_late)), Progress::of(&found))
    }
}

impl Shown {
    fn of(answer: &Value) -> Self {
        let one = std::slice::from_ref(answer);
        let items = if answer["items"].is_array() { parts::items(answer) } else { one };
        let entry = |item: &Value| {
            let id = ["id", "name", "adapter"].into_iter().find_map(|name| item[name].as_str())?;
            let state =
                if item["version"].is_null() { item.to_string() } else { item["version"].to_string() };
            Some((id.to_owned(), state))
        };
        Self { rows: items.iter().filter_map(entry).collect(), has_more: answer["nextCursor"].is_string() }
    }

    fn mark(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("{:x}", hasher.finish())
    }

    /// How many changes lead from this to what is there now. Of a list with more behind it, one that comes and one that is pushed out are
    /// one change.
    fn changes(&self, now: &Self) -> usize {
        let otherwise = now
            .rows
            .iter()
            .filter(|(id, state)| self.rows.get(*id).is_some_and(|before| before != *state))
            .count();
        let came = now.rows.keys().filter(|id| !self.rows.contains_key(*id)).count();
        let went = self.rows.keys().filter(|id| !now.rows.contains_key(*id)).count();
        otherwise + if self.has_more || now.has_more { came.max(went) } else { came + went }
    }
}

/// Names by which lists are narrowed.
fn is_of_a_list(name: &str) -> bool {
    let known =
        ["limit", "state", "reason", "queueId", "source", "organisation", "q", "since", "until", "sort"];
    known.contains(&name) || name.starts_with("label.")
}

/// Whether a text is an id of ours, and nothing that would lead elsewhere.
fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_pages_show_is_watched() {
        for path in [
            "/v1/ghosts?limit=50",
            "/v1/closures?state=ghost&limit=50",
            "/v1/closures/cl_1",
            "/v1/batches/bt_1",
            "/v1/closures?label.team=a&sort=acceptedAt&limit=50",
            "/v1/dead-letters?state=held&limit=100",
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
            "/v1/closures/cl_1?wait=60s",
            "/v1/closures/cl_1%2Fexplain",
            "/v1/closures/cl_",
            "/v1/batches/bt_1?wait=60s",
            "/v1/closures?limit=50&wait=60s",
            "",
        ] {
            assert!(!is_watched(path), "{path}");
        }
    }

    /// A list of these versions, newest first.
    fn list(versions: &[(u32, u32)], has_more: bool) -> Shown {
        let items: Vec<_> = versions
            .iter()
            .map(|(id, version)| json!({ "id": format!("cl_{id}"), "version": version }))
            .collect();
        Shown::of(&json!({ "items": items, "nextCursor": has_more.then_some("after") }))
    }

    #[test]
    fn a_mark_is_that_of_what_is_shown() {
        let batch = |settled: u32| mark(&json!({ "id": "bt_1", "state": "running", "settled": settled }));
        assert_eq!(batch(3), batch(3));
        assert_ne!(batch(3), batch(4));
        let versions = |of: u32, more: bool| list(&[(1, of)], more).mark();
        assert_eq!(versions(2, false), versions(2, false));
        assert_ne!(versions(2, false), versions(3, false), "another version");
        assert_ne!(versions(2, false), versions(2, true), "more behind it");
    }

    #[test]
    fn one_that_comes_and_one_that_it_pushes_out_are_one_change() {
        let full = list(&[(3, 1), (2, 1)], true);
        for (now, changes) in [
            (list(&[(3, 1), (2, 1)], true), 0),
            (list(&[(4, 1), (3, 1)], true), 1),
            (list(&[(4, 1), (3, 2)], true), 2),
            (list(&[(5, 1), (4, 1)], true), 2),
            // One is gone by its filter, and the next moves up.
            (list(&[(3, 1), (1, 1)], true), 1),
        ] {
            assert_eq!(full.changes(&now), changes, "{now:?}");
        }
        let just_full = list(&[(3, 1), (2, 1)], false);
        assert_eq!(just_full.changes(&list(&[(4, 1), (3, 1)], true)), 1);
        let short = list(&[(3, 1)], false);
        assert_eq!(short.changes(&list(&[(4, 1), (3, 1)], false)), 1);
        assert_eq!(short.changes(&list(&[(4, 1)], false)), 2, "one came, and another one is gone");
    }
}
