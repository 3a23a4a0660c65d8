//! Why the interface did not do what it was asked, in the words of a page: what an operator can press, and not what a script would send.

use http::StatusCode;
use serde_json::Value;

/// Why the interface did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Its status.
    pub(crate) status: StatusCode,
    /// What is wrong, in a sentence.
    pub(crate) detail: String,
    /// What can be done, where something can be done on a page.
    pub(crate) fix: Option<String>,
    /// A filter that a batch can be made of, where more match the one that was given than a batch has rows; else null.
    pub(crate) filter: Value,
}

/// What can be done on a page, by the code of the refusal, where the interface tells a script something else.
const FIXES: [(&str, &str); 19] = [
    ("version_changed", "Look below how it stands now, and press again if it still fits."),
    (
        "claimed_by_another",
        "Speak with whoever sees to it, or take it over with \u{201c}also from somebody else\u{201d}.",
    ),
    ("act_does_not_fit", "What can be done now stands below."),
    ("batch_act_does_not_fit", "Look below how it stands now."),
    (
        "dead_letter_act_does_not_fit",
        "Look below how it stands now: only one that is held can be given again or let go.",
    ),
    ("dead_letter_refused", "Remove the cause and give it again, or let it go."),
    ("confirm_token_mismatch", "Look at the rows again, and execute what is shown now."),
    ("confirm_token_expired", "Preview the rows again: a preview holds for a quarter of an hour."),
    (
        "no_such_closure",
        "Look at its id. Ended closures are kept for a time, and a key sees its own organisations only.",
    ),
    ("no_such_delivery", "Those that are there stand under Deliveries; settled ones are kept for a time."),
    ("no_such_batch", "Those that are there stand under Batches; what is done is kept for a time."),
    ("no_such_source", "Those that are there stand under Sources."),
    ("no_such_dead_letter", "Those that are there stand under Sources; what was seen to is kept for a time."),
    ("unknown_organisation", "Name one of those that your key sees."),
    ("too_many_open", "Press again in a while."),
    ("organisation_paused", "Let its calls go on under Settings, and press again."),
    ("stopping", "Press again in a moment."),
    ("overloaded", "Press again in a moment."),
    ("store_unavailable", "Press again in a moment."),
];

/// What a script is told and a person cannot press.
const OF_SCRIPTS: [&str; 8] = ["GET ", "POST ", "If-Match", "ETag", "Retry-After", "{\"", "Send ", "`field`"];

impl Refusal {
    pub(crate) fn of(status: StatusCode, detail: &str) -> Self {
        Self { status, detail: detail.to_owned(), fix: None, filter: Value::Null }
    }

    /// What the interface answered.
    pub(crate) fn read(status: StatusCode, body: &Value) -> Self {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let code = body["code"].as_str().unwrap_or_default();
        let of_a_page = FIXES.iter().find(|(known, _)| *known == code).map(|(_, fix)| (*fix).to_owned());
        let is_of_scripts = |fix: &String| OF_SCRIPTS.iter().any(|part| fix.contains(part));
        Self {
            status,
            detail: text("detail")
                .or_else(|| text("title"))
                .unwrap_or_else(|| format!("The service answered {status}.")),
            fix: of_a_page.or_else(|| text("fix").filter(|fix| !is_of_scripts(fix))),
            filter: body["filter"].clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_says_what_can_be_pressed_and_not_what_a_script_would_send() {
        for (code, fix, expected) in [
            (
                "version_changed",
                "GET the closure, look at what changed, and repeat with its new ETag in If-Match.",
                Some("Look below how it stands now, and press again if it still fits."),
            ),
            (
                "invalid_field",
                "Correct the field that `field` names. GET /openapi.json describes all fields.",
                None,
            ),
            ("invalid_field", "Send a sentence such as {\"reason\": \"a test\"}.", None),
            (
                "contradicting_options",
                "Follow the closure that is open.",
                Some("Follow the closure that is open."),
            ),
        ] {
            let body = json!({ "code": code, "detail": "It is not so.", "fix": fix });
            let refusal = Refusal::read(StatusCode::CONFLICT, &body);
            assert_eq!(
                (refusal.detail.as_str(), refusal.fix.as_deref()),
                ("It is not so.", expected),
                "{code}"
            );
        }
        let bare = Refusal::read(StatusCode::BAD_GATEWAY, &Value::Null);
        assert_eq!((bare.detail.as_str(), bare.fix), ("The service answered 502 Bad Gateway.", None));
    }

    #[test]
    fn no_page_tells_anybody_what_a_script_would_send() {
        for (code, fix) in FIXES {
            assert!(!OF_SCRIPTS.iter().any(|part| fix.contains(part)) && fix.ends_with('.'), "{code}: {fix}");
        }
    }
}
