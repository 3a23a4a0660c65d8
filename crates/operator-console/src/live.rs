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
use http::{HeaderValue, header};
use serde_json::Value;

use crate::{form, frame::Visitor, parts};

/// How often is looked. Whatever happens in between is told together.
const EVERY: Duration = Duration::from_secs(1);

/// A comment after so many looks without news keeps the connection open through what stands between.
const BEAT: u32 = 15;

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
    path: String,
    first: Option<Shown>,
    told: Option<News>,
    quiet: u32,
}

/// `GET /console/live?on=PATH`
pub(crate) async fn stream(visitor: Visitor) -> Response {
    let query = form::fields(visitor.uri.query().unwrap_or_default().as_bytes());
    let path = query.into_iter().find(|(name, _)| name == "on").map(|(_, path)| path).unwrap_or_default();
    let watch = Watch { visitor, path, first: None, told: None, quiet: 0 };
    let events = stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), watch))
    });
    let mut response = Body::from_stream(events).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

impl Watch {
    /// The next thing to say; nothing more once the session or its key is over.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.told.is_some() {
                tokio::time::sleep(EVERY).await;
            }
            let Visitor { console, session, .. } = &self.visitor;
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
        if !self.path.starts_with("/v1/") {
            return 0;
        }
        let now = shown(&self.visitor.look(&self.path).await);
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
