//! Another way in beside a key: somebody else says who a person is, and lends a key for the session.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use secrecy::SecretString;

use crate::{Console, login, origin};

/// The longest address that a log-in elsewhere leads back to: a cookie of 4,096 bytes has to hold it, with what else is kept.
const LONGEST_NEXT: usize = 1_500;

/// Who says who a person is. The pages know nothing of how.
#[async_trait]
pub trait SignOn: fmt::Debug + Send + Sync + 'static {
    /// What the button on the log-in page says.
    fn button(&self) -> &str;

    /// Where browsers reach this service, without a slash at the end: there the way begins, as there it ends.
    fn home(&self) -> &str;

    /// Begins a log-in that leads to `next`, an address of the console.
    ///
    /// # Errors
    ///
    /// [`NotLetIn`], where it cannot begin.
    async fn begin(&self, next: &str) -> Result<Begun, NotLetIn>;

    /// Finishes a log-in with the query that the browser came back with, and with what it kept, of which there may be several.
    ///
    /// # Errors
    ///
    /// [`NotLetIn`], whatever is wrong.
    async fn finish(&self, query: &str, kept: &[String]) -> Result<Guest, NotLetIn>;
}

/// A log-in that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub to: String,
    /// What it keeps in a cookie until it comes back: letters, digits, `-`, `_` and `.`.
    pub kept: String,
}

/// Somebody who is let in.
pub struct Guest {
    /// The key for everything that the person looks at and does.
    pub key: SecretString,
    /// What makes the key open: dropped with the session.
    pub held: Box<dyn Send + Sync>,
    /// Where the log-in leads.
    pub next: String,
    /// How long the session may last at most.
    pub longest: Duration,
    /// Where the provider ends its own session too. The address may hold a proof of who the person is.
    pub leave: Option<SecretString>,
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("longest", &self.longest).finish_non_exhaustive()
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLetIn {
    /// The status of the page that says so.
    pub status: StatusCode,
    /// What the person is told. It is shown as text.
    pub sentence: String,
}

/// `GET /console/login/oidc`
pub(crate) async fn begin(State(console): State<Console>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(sign_on) = &console.sign_on else { return nowhere() };
    let next = Some(login::next_of(&uri)).filter(|next| next.len() <= LONGEST_NEXT);
    let next = next.unwrap_or_else(|| "/".to_owned());
    match sign_on.begin(&next).await {
        Ok(Begun { to, kept }) => {
            let mut response = Redirect::to(&to).into_response();
            set_cookie(&mut response, &origin::flow_cookie(&headers, Some(&kept)));
            response
        }
        Err(NotLetIn { status, sentence }) => login::shown(&console, &headers, status, &next, Some(sentence)),
    }
}

/// `GET /console/login/oidc/back`
pub(crate) async fn back(State(console): State<Console>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(sign_on) = &console.sign_on else { return nowhere() };
    let finished = sign_on.finish(uri.query().unwrap_or_default(), &origin::flows_of(&headers)).await;
    let mut response = match finished {
        Ok(guest) => login::welcome(&console, &headers, guest).await,
        Err(NotLetIn { status, sentence }) => login::shown(&console, &headers, status, "/", Some(sentence)),
    };
    // Whatever came of it, this log-in is over.
    set_cookie(&mut response, &origin::flow_cookie(&headers, None));
    response
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn nowhere() -> Response {
    (StatusCode::NOT_FOUND, "There is no such page.").into_response()
}
