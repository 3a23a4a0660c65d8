//! Log-in with a key, and log-out.

use std::time::Duration;

use askama::Template;
use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    Console,
    assets::{self, Asset},
    form, frame,
    frame::{Visitor, safe_next},
    origin, parts,
    refusal::Refusal,
    session::{self, Beginning},
    sign_on::Guest,
};

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct Login {
    next: String,
    wrong: Option<String>,
    sign_on: Option<Button>,
    style: &'static Asset,
}

/// Leads to whoever else says who a person is.
#[derive(Debug)]
struct Button {
    says: String,
    address: String,
}

#[derive(Debug, Template)]
#[template(path = "left.html")]
struct Left<'a> {
    address: &'a str,
    style: &'static Asset,
}

/// `GET /console/login`
pub(crate) async fn page(State(console): State<Console>, uri: Uri) -> Response {
    shown(&console, StatusCode::OK, &next_of(&uri), None)
}

/// Where a log-in is to lead: what the query says, if it is an address of ours.
pub(crate) fn next_of(uri: &Uri) -> String {
    let query = form::fields(uri.query().unwrap_or_default().as_bytes());
    let next = query.iter().find(|(name, _)| name == "next").map(|(_, next)| next.as_str());
    safe_next(next).to_owned()
}

pub(crate) fn shown(console: &Console, status: StatusCode, next: &str, wrong: Option<String>) -> Response {
    let button = |sign_on: &dyn crate::SignOn| Button {
        says: sign_on.button().to_owned(),
        address: format!("{}/console/login/oidc?{}", sign_on.home(), parts::query([("next", next)])),
    };
    let sign_on = console.sign_on.as_deref().map(button);
    let login = Login { next: next.to_owned(), wrong, sign_on, style: assets::style() };
    (status, frame::show(&login)).into_response()
}

/// `POST /console/login`
pub(crate) async fn enter(State(console): State<Console>, headers: HeaderMap, body: Bytes) -> Response {
    let fields = form::fields(&body);
    let field =
        |name: &str| fields.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.trim());
    let next = safe_next(Some(field("next"))).to_owned();
    if !origin::is_ours(&headers) {
        let wrong = "This form came from another site.".to_owned();
        return shown(&console, StatusCode::FORBIDDEN, &next, Some(wrong));
    }
    let key = field("key").to_owned().into();
    let beginning = Beginning { longest: session::LONGEST, held: None, leave: None };
    match begin(&console, key, beginning).await {
        Ok(id) => {
            end_those_of_before(&console, &headers);
            with_cookie(Redirect::to(&next).into_response(), &headers, Some(&id))
        }
        Err(Refusal { status: status @ StatusCode::UNAUTHORIZED, .. }) => {
            let wrong = "This key is not known here. It begins with ck_ and stands in no configuration in clear; ask whoever made it.";
            shown(&console, status, &next, Some(wrong.to_owned()))
        }
        Err(refusal) => shown(&console, refusal.status, &next, Some(refusal.detail)),
    }
}

/// Lets somebody in who came by another way than with a key.
pub(crate) async fn welcome(console: &Console, headers: &HeaderMap, guest: Guest) -> Response {
    let Guest { key, held, next, longest, leave } = guest;
    let next = safe_next(Some(&next));
    let longest: Duration = longest.min(session::LONGEST);
    end_those_of_before(console, headers);
    match begin(console, key, Beginning { longest, held: Some(held), leave }).await {
        Ok(id) => with_cookie(Redirect::to(next).into_response(), headers, Some(&id)),
        Err(refusal) => shown(console, refusal.status, next, Some(refusal.detail)),
    }
}

/// Ends what this browser was logged in with before: whoever logs in takes its place.
fn end_those_of_before(console: &Console, headers: &HeaderMap) {
    for id in origin::sessions_of(headers) {
        console.sessions.end(&id);
    }
}

/// Begins a session with a key, if it is one that may look; answers the session's id.
async fn begin(console: &Console, key: SecretString, beginning: Beginning) -> Result<String, Refusal> {
    let known = console.api.get(&key, "/v1/whoami").await?;
    let (name, role) =
        (known["name"].as_str().unwrap_or_default(), known["role"].as_str().unwrap_or_default());
    if role == "submit" {
        let wrong = "This key may only request closures. Log in with one of the role read, operate or admin.";
        return Err(Refusal::of(StatusCode::FORBIDDEN, wrong));
    }
    let organisations = known["organisations"].as_array().into_iter().flatten();
    let organisations = organisations.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    Ok(console.sessions.begin(key, name, role, organisations, beginning))
}

/// `POST /console/logout`
pub(crate) async fn leave(visitor: Visitor, body: Bytes) -> Response {
    let fields = form::fields(&body);
    let csrf = fields.iter().find(|(name, _)| name == "csrf").map_or("", |(_, value)| value);
    if !visitor.session.is_of_its_page(csrf) {
        return Redirect::to("/").into_response();
    }
    visitor.end_session();
    let response = match &visitor.session.leave {
        // A form may lead to no other site, not by a detour either (`form-action`): a page of ours leads there.
        Some(leave) => frame::show(&Left { address: leave.expose_secret(), style: assets::style() }),
        None => Redirect::to("/console/login").into_response(),
    };
    with_cookie(response, &visitor.headers, None)
}

fn with_cookie(mut response: Response, headers: &HeaderMap, id: Option<&str>) -> Response {
    if let Ok(cookie) = HeaderValue::try_from(origin::cookie(headers, id)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
