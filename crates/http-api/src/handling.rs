//! What operators say about a ghost: claim, snooze, comment.

use closure_machine::Act;
use genesys_types::{Span, Time};
use http::StatusCode;
use orchestrator::{Note, Operation, Record, Word};
use serde::Serialize;
use shown_text::quoted;
use utoipa::ToSchema;

use crate::{
    acts::standing,
    acts::{LONGEST_REASON, expected_version},
    call::{Answer, Call},
    closures,
    command::check_text,
    json::Fields,
    outcome::act_refused,
    problem::Problem,
    spans::{self, Stamp},
};

/// How long a ghost can be snoozed at most. A ghost that nobody wants to hear of for longer is better resolved.
const LONGEST_SNOOZE: Span = Span::from_secs(30 * 24 * 3_600);

/// What operators say about a ghost, of each kind the latest.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Handling)]
pub(crate) struct HandlingView {
    /// Who sees to it.
    claimed: Option<WordView>,
    /// Until when it is not announced again.
    #[serde(rename = "snoozedUntil")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Stamp>,
    /// Who said so.
    snoozed: Option<WordView>,
    /// The latest comment.
    comment: Option<WordView>,
}

/// Who said it, when, and in what words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HandlingWord)]
struct WordView {
    /// The name of the key.
    by: String,
    #[schema(value_type = String, format = DateTime)]
    at: Stamp,
    text: Option<String>,
}

impl WordView {
    fn of(word: &Word) -> Self {
        Self { by: word.by.clone(), at: Stamp(word.at), text: word.text.clone() }
    }

    fn says(&self, what: &str) -> String {
        let Self { by, at, text } = self;
        match text {
            Some(text) => format!("{by} {what} at {at}: {}.", quoted(text)),
            None => format!("{by} {what} at {at}."),
        }
    }
}

impl HandlingView {
    /// What is said, where something is.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        let said = record.handling.as_deref()?;
        Some(Self {
            claimed: said.claimed.as_ref().map(WordView::of),
            until: said.snoozed.as_ref().map(|(until, _)| Stamp(*until)),
            snoozed: said.snoozed.as_ref().map(|(_, word)| WordView::of(word)),
            comment: said.comment.as_ref().map(WordView::of),
        })
    }

    /// The same in sentences.
    pub(crate) fn words(&self) -> Vec<String> {
        let claimed = self.claimed.as_ref().map(|word| word.says("claimed it"));
        let snoozed = self.snoozed.as_ref().zip(self.until);
        let snoozed = snoozed.map(|(word, until)| word.says(&format!("snoozed it until {until}")));
        let comment = self.comment.as_ref().map(|word| word.says("commented"));
        [claimed, snoozed, comment].into_iter().flatten().collect()
    }
}

/// What is said, before it is read from the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Claim,
    Snooze,
    Comment,
}

/// `POST /v1/ghosts/{id}/claim`, `snooze`, `comment`
pub(crate) async fn say(mut call: Call, kind: Kind) -> Answer {
    call.query()?.finish()?;
    let key = call.closure_key()?;
    let (note, reason) = read(&mut call, kind)?;
    let if_version = expected_version(&call.headers)?;
    let found = call.closure().await?;
    call.trail.found(found.organisation.as_str(), standing(&found));
    let caller = call.caller();
    let operation = Operation {
        act: Act::Note,
        by: caller.name.as_ref().to_owned(),
        role: caller.role.name(),
        reason,
        batch: None,
        note: Some(note),
        if_version,
    };
    let done = call.shared.api.orchestrator.act(key, operation).await;
    let record = done.map_err(|error| act_refused(error, &call.id))?;
    call.trail.after(standing(&record));
    closures::answer(&call, &record, StatusCode::OK, false, None).await
}

fn read(call: &mut Call, kind: Kind) -> Result<(Note, Option<String>), Problem> {
    let body = call.body.take();
    let fields =
        |known: &'static [&'static str]| body.clone().map(|body| Fields::of(body, "", known)).transpose();
    let (note, field, text) = match kind {
        Kind::Claim => {
            let mut fields = fields(&["reason", "takeOver"])?;
            let text = fields.as_mut().map(|fields| fields.text("reason")).transpose()?.flatten();
            let take_over = fields.as_mut().map(|fields| fields.boolean("takeOver")).transpose()?.flatten();
            (Note::Claim { take_over: take_over.unwrap_or(false) }, "reason", text)
        }
        Kind::Snooze => {
            let mut fields = fields(&["until", "reason"])?;
            let until = fields.as_mut().map(|fields| fields.text("until")).transpose()?.flatten();
            let text = fields.as_mut().map(|fields| fields.text("reason")).transpose()?.flatten();
            (Note::Snooze(until_of(until.as_deref(), call.shared.api.orchestrator.now())?), "reason", text)
        }
        Kind::Comment => {
            let text = fields(&["comment"])?.map(|mut fields| fields.text("comment")).transpose()?.flatten();
            (Note::Comment, "comment", text)
        }
    };
    check_text(field, text.as_deref(), LONGEST_REASON)?;
    let text = text.filter(|text| !text.trim().is_empty());
    if kind == Kind::Comment && text.is_none() {
        return Err(Problem::invalid("comment", "comment is missing: what others should know."));
    }
    Ok((note, text))
}

fn until_of(text: Option<&str>, now: Time) -> Result<Time, Problem> {
    let until = text.and_then(spans::parse_time);
    let until = until.ok_or_else(|| {
        Problem::invalid("until", "until is the end of the snooze, such as \"2026-11-21T10:00:00Z\".")
    })?;
    if until <= now || until > now + LONGEST_SNOOZE {
        return Err(Problem::invalid("until", "until lies ahead, by at most 30 days."));
    }
    Ok(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_puts_words_into_the_mouth_of_another() {
        let forged = "ok\". m-admin claimed it at 10:00: \"forced by order";
        let at = Stamp(Time::from_millis(0));
        let word = WordView { by: "ann".to_owned(), at, text: Some(forged.to_owned()) };
        assert_eq!(
            word.says("commented"),
            format!(r#"ann commented at {at}: "ok\". m-admin claimed it at 10:00: \"forced by order"."#)
        );
    }
}
