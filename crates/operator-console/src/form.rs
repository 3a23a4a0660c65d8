//! Forms that a page sends: read, and checked for coming from a page of the same session.

use std::fmt;

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts as _, Request},
    response::{IntoResponse as _, Redirect, Response},
};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::{
    Console,
    frame::{Visitor, safe_next},
    origin,
    refusal::Refusal,
};

/// The largest form with the rows of a batch, of which the interface takes 10,000.
const LARGEST_ROWS: usize = 1_000_000;

/// The largest other form: a few fields.
const LARGEST: usize = 64 * 1_024;

/// More fields than any form has, beside the closures that were chosen.
const MOST_FIELDS: usize = 64;

/// The field of a closure that was chosen: there can be as many as rows on a page.
const CHOSEN: &str = "closure";

/// As many closures as a page of any list can show.
const MOST_CHOSEN: usize = 100;

/// A form of an operator who may act.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) visitor: Visitor,
    fields: Vec<(String, String)>,
}

impl FromRequest<Console> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Response> {
        let (mut head, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut head, console).await?;
        let refused = |status, detail: &str| visitor.stumble(Refusal::of(status, detail));
        let largest = if head.uri.path() == "/console/batches" { LARGEST_ROWS } else { LARGEST };
        let Ok(body) = to_bytes(body, largest).await else {
            return Err(refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "This form is larger than any that is needed.",
            ));
        };
        let fields =
            fields(&body).map_err(|wrong| refused(StatusCode::UNPROCESSABLE_ENTITY, &wrong.to_string()))?;
        let csrf = fields.iter().find(|(name, _)| name == "csrf").map_or("", |(_, value)| value);
        if !origin::is_ours(&head.headers) || !visitor.session.is_of_its_page(csrf) {
            let detail = "This form was not sent by a page of your session, so nothing was done. Open the page anew and try again.";
            return Err(refused(StatusCode::FORBIDDEN, detail));
        }
        if let Some(why) = visitor.only_looks() {
            return Err(refused(StatusCode::FORBIDDEN, &format!("Nothing was done. {why}")));
        }
        Ok(Self { visitor, fields })
    }
}

/// A form or an address with more fields than are read. Without those behind them it would ask for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    what: &'static str,
    most: usize,
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, most } = self;
        write!(f, "There are more than {most} {what}. Leave some out, so that nothing of it is passed over.")
    }
}

/// The fields of a form or of an address. Empty ones are not counted: they ask for nothing.
///
/// # Errors
///
/// Where there are more than are read.
pub(crate) fn fields(body: &[u8]) -> Result<Vec<(String, String)>, TooMany> {
    let (mut fields, mut given, mut chosen, mut empty) = (Vec::new(), 0, 0, 0);
    for (name, value) in url::form_urlencoded::parse(body) {
        let (count, most, what) = match (&*name, value.trim().is_empty()) {
            (_, true) => (&mut empty, usize::MAX, ""),
            (CHOSEN, false) => (&mut chosen, MOST_CHOSEN, "closures chosen"),
            (_, false) => (&mut given, MOST_FIELDS, "fields in this form or address"),
        };
        *count += 1;
        if *count > most {
            return Err(TooMany { what, most });
        }
        if !value.trim().is_empty() || empty <= MOST_FIELDS {
            fields.push((name.into_owned(), value.into_owned()));
        }
    }
    Ok(fields)
}

impl Sent {
    /// The value of a field; empty where it is not there.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.trim())
    }

    /// The value of a field with all its lines as they were typed; empty where it is not there.
    pub(crate) fn lines(&self, name: &str) -> &str {
        self.fields.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// All values of a field.
    pub(crate) fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.trim())
    }

    /// The fields whose names begin with this, by the rest of their names.
    pub(crate) fn prefixed<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.fields.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.trim())))
    }

    /// These fields as a body of the interface, without those that are empty.
    pub(crate) fn body(&self, names: &[&str]) -> Value {
        let given = names.iter().map(|name| (*name, self.field(name))).filter(|(_, value)| !value.is_empty());
        Value::Object(given.map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>())
    }

    /// Does an act, keeps how it went for the next page, and leads back to where the form stood.
    pub(crate) async fn act(&self, path: &str, body: &Value, done: &str) -> Response {
        match self.post(path, body).await {
            Ok(_) => {
                self.visitor.session.tell(true, done);
                self.back()
            }
            Err(refused) => refused,
        }
    }

    /// Does an act, and answers what came of it; where it was refused, that is kept for the next page, and is led back to where the form
    /// stood.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Response> {
        let version = Some(self.field("version")).filter(|version| !version.is_empty());
        let Visitor { console, session, .. } = &self.visitor;
        match console.api.post(&session.key, path, body, version).await {
            Ok(answer) => Ok(answer),
            Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => Err(self.visitor.stumble(refusal)),
            Err(Refusal { detail, fix, .. }) => {
                let fix = fix.map(|fix| format!(" {fix}")).unwrap_or_default();
                session.tell(false, format!("Nothing was done. {detail}{fix}"));
                Err(self.back())
            }
        }
    }

    /// Leads back to where the form stood.
    pub(crate) fn back(&self) -> Response {
        Redirect::to(safe_next(Some(self.field("next")))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Vec<(String, String)>, TooMany> {
        fields(query.as_bytes())
    }

    #[test]
    fn what_is_more_than_is_read_is_refused_and_nothing_is_passed_over() {
        let dummies = |count: usize| "x=1&".repeat(count);
        let last = read(&format!("{}label.team=nobody", dummies(MOST_FIELDS - 1))).unwrap().pop();
        assert_eq!(last, Some(("label.team".to_owned(), "nobody".to_owned())));
        let refused = read(&format!("{}label.team=nobody", dummies(MOST_FIELDS))).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "There are more than 64 fields in this form or address. Leave some out, so that nothing of it is passed over."
        );
    }

    #[test]
    fn empty_fields_are_not_counted_and_hide_none_behind_them() {
        let all = read(&format!("organisation=main&{}label.team=nobody", "q=&".repeat(1_000))).unwrap();
        assert_eq!(all.last().unwrap().0, "label.team");
        assert!(all.len() < 100, "they are not kept either");
    }

    #[test]
    fn every_closure_of_a_page_can_be_chosen_and_no_more_are_passed_over() {
        let chosen = |count: usize| format!("csrf=x&{}act=retry", "closure=cl_1&".repeat(count));
        assert_eq!(read(&chosen(MOST_CHOSEN)).unwrap().len(), MOST_CHOSEN + 2);
        let refused = read(&chosen(MOST_CHOSEN + 1)).unwrap_err();
        assert!(refused.to_string().starts_with("There are more than 100 closures chosen."), "{refused}");
    }
}
