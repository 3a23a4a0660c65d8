//! Log-in with a key, and log-out.

use askama::Template;
use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use crate::{
    Console,
    assets::{self, Asset},
    form, frame,
    frame::{Visitor, safe_next},
    origin,
};

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct Login {
    next: String,
    wrong: Option<String>,
    style: &'static Asset,
}

/// `GET /console/login`
pub(crate) async fn page(uri: Uri) -> Response {
    let query = form::fields(uri.query().unwrap_or_default().as_bytes());
    let next = query.iter().find(|(name, _)| name == "next").map(|(_, next)| next.as_str());
    shown(StatusCode::OK, safe_next(next), None)
}

fn shown(status: StatusCode, next: &str, wrong: Option<String>) -> Response {
    let login = Login { next: next.to_owned(), wrong, style: assets::style() };
    (status, frame::show(&login)).into_response()
}

/// `POST /console/login`
pub(crate) async fn enter(State(console): State<Console>, headers: HeaderMap, body: Bytes) -> Response {
    let fields = form::fields(&body);
    let field =
        |name: &str| fields.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.trim());
    let next = safe_next(Some(field("next"))).to_owned();
    if !origin::is_ours(&headers) {
        return shown(StatusCode::FORBIDDEN, &next, Some("This form came from another site.".to_owned()));
    }
    let key = field("key").to_owned().into();
    let known = match console.api.get(&key, "/v1/whoami").await {
        Ok(known) => known,
        Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => {
            let wrong = "This key is not known here. It begins with ck_ and stands in no configuration in clear; ask whoever made it.";
            return shown(StatusCode::UNAUTHORIZED, &next, Some(wrong.to_owned()));
        }
        Err(refusal) => return shown(refusal.status, &next, Some(refusal.detail)),
    };
    let (name, role) =
        (known["name"].as_str().unwrap_or_default(), known["role"].as_str().unwrap_or_default());
    if role == "submit" {
        let wrong = "This key may only request closures. Log in with one of the role read, operate or admin.";
        return shown(StatusCode::FORBIDDEN, &next, Some(wrong.to_owned()));
    }
    let organisations = known["organisations"].as_array().into_iter().flatten();
    let organisations = organisations.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let id = console.sessions.begin(key, name, role, organisations);
    with_cookie(Redirect::to(&next).into_response(), &headers, Some(&id))
}

/// `POST /console/logout`
pub(crate) async fn leave(visitor: Visitor, body: Bytes) -> Response {
    let fields = form::fields(&body);
    let csrf = fields.iter().find(|(name, _)| name == "csrf").map_or("", |(_, value)| value);
    if !visitor.session.is_of_its_page(csrf) {
        return Redirect::to("/").into_response();
    }
    visitor.end_session();
    with_cookie(Redirect::to("/console/login").into_response(), &visitor.headers, None)
}

fn with_cookie(mut response: Response, headers: &HeaderMap, id: Option<&str>) -> Response {
    if let Ok(cookie) = HeaderValue::try_from(origin::cookie(headers, id)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
