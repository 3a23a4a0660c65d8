//! The `callback` of a command: where its producer wants to be told, and of what.

use callbacks::{Callbacks, NotTaken};
use orchestrator::Callback;

use crate::{
    json::{Fields, Node},
    listing::check_known,
    problem::{Problem, kinds},
};

/// The fields of a callback.
pub(crate) const CALLBACK: &[&str] = &["url", "on"];

/// Reads it. Whether its URL is allowed, [`check`] says.
pub(crate) fn read(node: Node) -> Result<Callback, Problem> {
    let mut fields = Fields::of(node, "callback.", CALLBACK)?;
    let Some(url) = fields.text("url")? else {
        return Err(fields.invalid("url", "callback.url is missing.".to_owned()));
    };
    let mut on: Vec<String> = match fields.any("on") {
        None => callbacks::USUAL.iter().map(|word| (*word).to_owned()).collect(),
        Some(Node::List(words)) => {
            words.into_iter().map(|word| read_word(&fields, word)).collect::<Result<_, _>>()?
        }
        Some(other @ (Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::Object(_))) => {
            return Err(fields.wrong_type("on", &other, "a list of texts"));
        }
    };
    // In one order and once each: two lists that mean the same make the same command.
    on.sort_unstable();
    on.dedup();
    if on.is_empty() {
        return Err(fields.invalid("on", "callback.on is empty, so nothing would ever be told.".to_owned()));
    }
    Ok(Callback { url, on })
}

fn read_word(fields: &Fields, word: Node) -> Result<String, Problem> {
    match word {
        Node::Text(word) => {
            check_known("callback.on", &word, &callbacks::words().collect::<Vec<_>>())?;
            Ok(word)
        }
        other @ (Node::Null | Node::Bool(_) | Node::Number(_) | Node::List(_) | Node::Object(_)) => {
            Err(fields.wrong_type("on", &other, "a list of texts"))
        }
    }
}

/// Refuses a callback that could never be told.
pub(crate) fn check(callbacks: &Callbacks, callback: Option<&Callback>) -> Result<(), Problem> {
    let Some(callback) = callback else { return Ok(()) };
    match callbacks.check(&callback.url) {
        Ok(()) => Ok(()),
        Err(NotTaken::NotConfigured) => {
            Err(Problem::new(&kinds::NOT_AVAILABLE, "Callbacks are not configured in this service.")
                .field("callback")
                .fix(
                    "Have the operator set callbacks.allowed_hosts and callbacks.secret; or leave `callback` out, and wait \
                     with ?wait=30s, or by GET /v1/closures/{id}?wait=30s.",
                ))
        }
        Err(NotTaken::Forbidden(why)) => {
            Err(Problem::invalid("callback.url", format!("callback.url cannot be used: {why}.")).fix(
                "Use an https URL without credentials whose host, and port where it is not 443, stand in \
                 callbacks.allowed_hosts, or have the operator add them.",
            ))
        }
    }
}
