//! What stands around every page, who looks at it, and what is shown where something went wrong.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::FromRequestParts,
    response::{Html, IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use serde_json::Value;

use crate::{
    Console,
    assets::{self, Asset},
    live, origin, parts,
    prose::Prose,
    refusal::Refusal,
    session::{Session, Told},
};

/// The places of the menu: name, address, what they are called.
const PLACES: [(&str, &str, &str); 8] = [
    ("home", "/", "What needs me"),
    ("closures", "/console/closures", "Closures"),
    ("batches", "/console/batches", "Batches"),
    ("sources", "/console/sources", "Sources"),
    ("received", "/console/received", "Received"),
    ("deliveries", "/console/deliveries", "Deliveries"),
    ("audit", "/console/audit", "Audit"),
    ("settings", "/console/settings", "Settings"),
];

/// Said where the pages only look.
const OF_READ_ONLY: &str =
    "This console is in read-only mode (`server.console` is `read_only`): whatever the role, it only looks.";

/// Said of a role that only looks.
const OF_ROLE: &str = "Your role is read: it looks, and does not act.";

/// An operator who looks at a page.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) console: Console,
    pub(crate) session: Arc<Session>,
    /// What was asked for.
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

/// What stands around a page.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) menu: Vec<Place>,
    pub(crate) who: String,
    pub(crate) role: String,
    /// Whether forms are shown.
    pub(crate) acts: bool,
    /// Why they are not.
    pub(crate) only_looks: Option<&'static str>,
    /// Whether nobody may act here, so that every page says it.
    pub(crate) is_read_only: bool,
    pub(crate) csrf: String,
    pub(crate) ghosts: u64,
    pub(crate) told: Option<Told>,
    /// The address of this page, to come back to after an act.
    pub(crate) here: String,
    /// Where its changes are told; empty for a page that does not change by itself.
    pub(crate) live: String,
    /// What is shown, as a script would ask for it.
    pub(crate) data: Vec<String>,
    /// Light or dark, where that is wanted whatever the system has.
    pub(crate) look: Option<&'static str>,
    pub(crate) style: &'static Asset,
    pub(crate) scripts: [&'static Asset; 3],
}

/// A place of the menu.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) address: &'static str,
    pub(crate) name: &'static str,
    pub(crate) is_here: bool,
}

/// A page, or what is shown in its place.
pub(crate) type Page = Result<Response, Response>;

#[derive(Debug, Template)]
#[template(path = "stumble.html")]
struct Stumble {
    frame: Frame,
    detail: String,
    fix: Option<String>,
}

impl Visitor {
    /// Reads what stands at a path of the interface; a refusal is shown in place of the page.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Response> {
        self.ask(path).await.map_err(|refusal| self.stumble(refusal))
    }

    /// The same, for a page that shows a refusal itself.
    pub(crate) async fn ask(&self, path: &str) -> Result<Value, Refusal> {
        self.console.api.get(&self.session.key, path).await
    }

    /// The same; nothing where the key may not see it or the service cannot tell.
    pub(crate) async fn look(&self, path: &str) -> Value {
        self.console.api.get(&self.session.key, path).await.unwrap_or_default()
    }

    /// Why the operator may only look: because of what the pages are for, or of the role; nothing where they may act.
    pub(crate) fn only_looks(&self) -> Option<&'static str> {
        match self.session.role.as_str() {
            _ if self.console.options.read_only => Some(OF_READ_ONLY),
            "operate" | "admin" => None,
            _ => Some(OF_ROLE),
        }
    }

    /// What stands around this page.
    pub(crate) async fn frame(&self, place: &str, title: &str, data: &str) -> Frame {
        let summary = self.look("/v1/ghosts/summary").await;
        let ghosts = summary["total"].as_u64().unwrap_or_default();
        Frame { ghosts, ..self.bare_frame(place, title, data) }
    }

    fn bare_frame(&self, place: &str, title: &str, data: &str) -> Frame {
        let here = self.uri.path_and_query().map_or("/", |path| path.as_str());
        Frame {
            title: title.to_owned(),
            menu: PLACES
                .iter()
                .map(|(name, address, called)| Place { address, name: called, is_here: *name == place })
                .collect(),
            who: self.session.name.clone(),
            role: self.session.role.clone(),
            acts: self.only_looks().is_none(),
            only_looks: self.only_looks(),
            is_read_only: self.console.options.read_only,
            csrf: self.session.csrf.clone(),
            ghosts: 0,
            told: self.session.take_told(),
            here: here.to_owned(),
            live: String::new(),
            data: Some(data).filter(|data| !data.is_empty()).map(str::to_owned).into_iter().collect(),
            look: origin::look_of(&self.headers),
            style: assets::style(),
            scripts: assets::scripts(),
        }
    }

    /// Ends the session, by whatever id of it the request has.
    pub(crate) fn end_session(&self) {
        let sessions = &self.console.sessions;
        for id in origin::sessions_of(&self.headers) {
            if sessions.find(&id).is_some_and(|found| Arc::ptr_eq(&found, &self.session)) {
                sessions.end(&id);
            }
        }
    }

    /// What is shown in place of a page. A key that is not good any more leads to the log-in.
    pub(crate) fn stumble(&self, refusal: Refusal) -> Response {
        if refusal.status == StatusCode::UNAUTHORIZED {
            self.end_session();
            let over = if self.session.is_lent() { Over::Session } else { Over::Key };
            return to_login(&self.method, &self.uri, &self.headers, Some(over));
        }
        let title = if refusal.status == StatusCode::NOT_FOUND { "Not found" } else { "This did not work" };
        let Refusal { status, detail, fix, filter: _ } = refusal;
        (status, show(&Stumble { frame: self.bare_frame("", title, ""), detail, fix })).into_response()
    }
}

impl Frame {
    /// The same page, which is told of what changes on what `path` answers, and has answered so when it was made.
    pub(crate) fn watching(mut self, path: &str, answer: &Value) -> Self {
        let mark = live::mark(answer);
        self.live = format!("/console/live?{}", parts::query([("on", path), ("since", &mark)]));
        self
    }

    /// The same page, which shows what these paths answer too.
    pub(crate) fn showing<const N: usize>(mut self, paths: [&str; N]) -> Self {
        self.data.extend(paths.map(str::to_owned));
        self
    }
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Response> {
        let ids = origin::sessions_of(&parts.headers);
        let found = ids.iter().find_map(|id| console.sessions.find(id));
        match found {
            Some(session) => Ok(Self {
                console: console.clone(),
                session,
                method: parts.method.clone(),
                uri: parts.uri.clone(),
                headers: parts.headers.clone(),
            }),
            None => {
                let over = (!ids.is_empty()).then_some(Over::Session);
                Err(to_login(&parts.method, &parts.uri, &parts.headers, over))
            }
        }
    }
}

/// Why somebody who was logged in is so no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// The key is not good any more.
    Key,
    /// The session has ended, or the service knows none of before.
    Session,
}

impl Over {
    /// Every reason.
    pub(crate) const ALL: [Self; 2] = [Self::Key, Self::Session];

    /// How the address of the log-in page names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Session => "session",
        }
    }

    /// What the log-in page says of it. An address can name it to anybody, so it tells nothing of what keys there are.
    pub(crate) const fn says(self) -> &'static str {
        match self {
            Self::Key => {
                "You are logged out: your key is no longer in `tokens.toml`. Log in with another one, or ask whoever runs the service."
            }
            Self::Session => {
                "Your session is over: it ends after 8 hours without a page, after a day in any case, and when the service starts anew. \
                 Log in again."
            }
        }
    }
}

/// Leads to the log-in, and from there back to what was to be looked at. A cookie that is good no more is taken away; where the
/// browser brought none, it may only have come from elsewhere.
fn to_login(method: &Method, uri: &Uri, headers: &HeaderMap, over: Option<Over>) -> Response {
    let wanted = uri.path_and_query().map_or("/", |path| path.as_str());
    let next = if method == Method::GET { wanted } else { "/" };
    let address =
        format!("/console/login?{}", parts::query([("next", next), ("over", over.map_or("", Over::name))]));
    let mut response = Redirect::to(&address).into_response();
    if !origin::sessions_of(headers).is_empty()
        && let Ok(cookie) = HeaderValue::try_from(origin::cookie(headers, None))
    {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Where a form may lead back to: an address of ours, and nothing else. A browser takes `%2e` for a dot and a backslash for a slash, so
/// neither stands in a path of ours, and nor does a segment of dots or an empty one.
pub(crate) fn safe_next(next: Option<&str>) -> &str {
    let plain = |next: &str| next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let straight = |next: &str| {
        let path = next.split(['?', '#']).next().unwrap_or_default();
        // Below the root, the last segment alone may be empty.
        !path.to_ascii_lowercase().contains("%2e")
            && !path.contains("//")
            && path.split('/').all(|segment| !matches!(segment, "." | ".."))
    };
    let ours = |next: &&str| *next == "/" || next.starts_with("/console/") || next.starts_with("/?");
    next.filter(|next| plain(next) && straight(next)).filter(ours).unwrap_or("/")
}

/// Shown below `/console/` where there is no page.
pub(crate) async fn missing(visitor: Visitor) -> Response {
    visitor.stumble(Refusal::of(StatusCode::NOT_FOUND, "There is no such page."))
}

/// A page as an answer.
pub(crate) fn show(template: &impl Template) -> Response {
    match template.render() {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("The page cannot be shown: {error}")).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_leads_to_no_other_site() {
        for (next, to) in [
            (Some("/console/closures?state=ghost"), "/console/closures?state=ghost"),
            (Some("/"), "/"),
            (Some("//evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("/console/\r\nX-Injected: 1"), "/"),
            (Some("/console/\u{fc}"), "/"),
            (Some("/console/../v1"), "/"),
            (Some("/console/%2e%2e//evil.example/"), "/"),
            (Some("/console/%2E%2e/%2e./v1"), "/"),
            (Some("/console/.%2e//evil.example/"), "/"),
            (Some("/console/./x"), "/"),
            (Some("/console/.."), "/"),
            (Some("/console//evil.example"), "/"),
            (Some("/console/..\\evil.example"), "/"),
            (Some("/console/closures?q=a..b&label.x=%2e"), "/console/closures?q=a..b&label.x=%2e"),
            (Some("/?since=1.5h"), "/?since=1.5h"),
            (None, "/"),
        ] {
            assert_eq!(safe_next(next), to, "{next:?}");
        }
    }
}
