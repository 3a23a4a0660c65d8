//! Log-in with a key, and log-out.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    Console,
    assets::{self, Asset},
    form, frame,
    frame::{Over, Visitor, safe_next},
    origin, parts,
    prose::Prose,
    refusal::Refusal,
    session::{self, Beginning, Session},
    sign_on::Guest,
};

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct Login {
    next: String,
    wrong: Option<String>,
    sign_on: Option<Button>,
    look: Option<&'static str>,
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
    look: Option<&'static str>,
    style: &'static Asset,
}

/// `GET /console/login`
pub(crate) async fn page(State(console): State<Console>, uri: Uri, headers: HeaderMap) -> Response {
    let query = form::fields(uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let over =
        |name: &str, given: &str| Over::ALL.into_iter().find(|over| name == "over" && over.name() == given);
    let over = query.iter().find_map(|(name, given)| over(name, given));
    shown(&console, &headers, StatusCode::OK, &next_of(&uri), over.map(|over| over.says().to_owned()))
}

/// Where a log-in is to lead: what the query says, if it is an address of ours.
pub(crate) fn next_of(uri: &Uri) -> String {
    let query = form::fields(uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let next = query.iter().find(|(name, _)| name == "next").map(|(_, next)| next.as_str());
    safe_next(next).to_owned()
}

pub(crate) fn shown(
    console: &Console,
    headers: &HeaderMap,
    status: StatusCode,
    next: &str,
    wrong: Option<String>,
) -> Response {
    let button = |sign_on: &dyn crate::SignOn| Button {
        says: sign_on.button().to_owned(),
        address: format!("{}/console/login/oidc?{}", sign_on.home(), parts::query([("next", next)])),
    };
    let sign_on = console.sign_on.as_deref().map(button);
    let look = origin::look_of(headers);
    let login = Login { next: next.to_owned(), wrong, sign_on, look, style: assets::style() };
    (status, frame::show(&login)).into_response()
}

/// `POST /console/login`
pub(crate) async fn enter(State(console): State<Console>, headers: HeaderMap, body: Bytes) -> Response {
    let fields = match form::fields(&body) {
        Ok(fields) => fields,
        Err(wrong) => {
            let (status, wrong) = (StatusCode::UNPROCESSABLE_ENTITY, Some(wrong.to_string()));
            return shown(&console, &headers, status, "/", wrong);
        }
    };
    let field =
        |name: &str| fields.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.trim());
    let next = safe_next(Some(field("next"))).to_owned();
    if !origin::is_ours(&headers) {
        let wrong = "This form came from another site.".to_owned();
        return shown(&console, &headers, StatusCode::FORBIDDEN, &next, Some(wrong));
    }
    let key: SecretString = field("key").to_owned().into();
    let beginning = Beginning { longest: session::LONGEST, held: None, leave: None };
    match Who::of(&console, &key).await {
        Ok(who) => {
            end_those_of_before(&console, &headers);
            let id = who.begin(&console, key, beginning);
            with_cookie(Redirect::to(&next).into_response(), &headers, Some(&id))
        }
        Err(Refusal { status: status @ StatusCode::UNAUTHORIZED, .. }) => {
            let wrong = "This key is not known here. A key begins with ck_, and only whoever made it has it: the service keeps no more than a digest. Ask them for yours, or for a new one.";
            shown(&console, &headers, status, &next, Some(wrong.to_owned()))
        }
        Err(refusal) => shown(&console, &headers, refusal.status, &next, Some(refusal.detail)),
    }
}

/// Lets somebody in who came by another way than with a key. A link from elsewhere can begin that way, so it takes the place of nobody
/// else who is logged in.
pub(crate) async fn welcome(console: &Console, headers: &HeaderMap, guest: Guest) -> Response {
    let Guest { key, held, next, longest, leave } = guest;
    let next = safe_next(Some(&next));
    let longest: Duration = longest.min(session::LONGEST);
    let who = match Who::of(console, &key).await {
        Ok(who) => who,
        Err(refusal) => return shown(console, headers, refusal.status, next, Some(refusal.detail)),
    };
    if let Some(other) = somebody_else(console, headers, &who.name).await {
        return stays(console, headers, other, &who.name);
    }
    end_those_of_before(console, headers);
    let id = who.begin(console, key, Beginning { longest, held: Some(held), leave });
    with_cookie(Redirect::to(next).into_response(), headers, Some(&id))
}

/// The session of another name that this browser has, where its key is still good.
async fn somebody_else(console: &Console, headers: &HeaderMap, name: &str) -> Option<Arc<Session>> {
    let found = origin::sessions_of(headers).into_iter().filter_map(|id| console.sessions.find(&id));
    for session in found.filter(|session| session.name != name) {
        if console.api.get(&session.key, "/v1/whoami").await.is_ok() {
            return Some(session);
        }
    }
    None
}

/// Says that somebody else is logged in, on a page of theirs, on which they can log out.
fn stays(console: &Console, headers: &HeaderMap, session: Arc<Session>, name: &str) -> Response {
    let detail = format!(
        "This browser is logged in as {}, and the provider says that you are {name}. Nothing was changed.",
        session.name
    );
    let fix = "To go on as somebody else, log out first and log in again.";
    let visitor = Visitor {
        console: console.clone(),
        session,
        method: Method::GET,
        // What the provider gave is on no page.
        uri: Uri::from_static("/"),
        headers: headers.clone(),
    };
    visitor.stumble(Refusal { fix: Some(fix.to_owned()), ..Refusal::of(StatusCode::CONFLICT, &detail) })
}

/// Ends what this browser was logged in with before: whoever logs in takes its place.
fn end_those_of_before(console: &Console, headers: &HeaderMap) {
    for id in origin::sessions_of(headers) {
        console.sessions.end(&id);
    }
}

/// Whose key it is.
struct Who {
    name: String,
    role: String,
    organisations: Vec<String>,
}

impl Who {
    /// Asks the interface, and refuses a key that may not look.
    async fn of(console: &Console, key: &SecretString) -> Result<Self, Refusal> {
        let known = console.api.get(key, "/v1/whoami").await?;
        let text = |name: &str| known[name].as_str().unwrap_or_default().to_owned();
        let (name, role) = (text("name"), text("role"));
        if role == "submit" {
            let wrong =
                "This key may only request closures. Log in with one of the role read, operate or admin.";
            return Err(Refusal::of(StatusCode::FORBIDDEN, wrong));
        }
        let organisations = known["organisations"].as_array().into_iter().flatten();
        let organisations = organisations.filter_map(|name| name.as_str().map(str::to_owned)).collect();
        Ok(Self { name, role, organisations })
    }

    /// Begins a session with the key; answers the session's id.
    fn begin(self, console: &Console, key: SecretString, beginning: Beginning) -> String {
        console.sessions.begin(key, &self.name, &self.role, self.organisations, beginning)
    }
}

/// `POST /console/logout`
pub(crate) async fn leave(visitor: Visitor, body: Bytes) -> Response {
    let fields = form::fields(&body).unwrap_or_default();
    let csrf = fields.iter().find(|(name, _)| name == "csrf").map_or("", |(_, value)| value);
    if !visitor.session.is_of_its_page(csrf) {
        return Redirect::to("/").into_response();
    }
    visitor.end_session();
    let response = match &visitor.session.leave {
        // A form may lead to no other site, not by a detour either (`form-action`): a page of ours leads there.
        Some(leave) => {
            let (address, look) = (leave.expose_secret(), origin::look_of(&visitor.headers));
            frame::show(&Left { address, look, style: assets::style() })
        }
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
