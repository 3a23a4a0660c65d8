//! A closure in plain words: what happened, how it stands, what it waits for, which proof is missing, and what an operator
//! can do next.
//!
//! ```text
//! record, policy ─► standing (how it stands, what is missing) ─┐
//! journal ─► story (one sentence for each line) ───────────────┼─► Explanation ─► JSON or text
//! record, machine ─► advice (acts that the machine would take) ┘
//! ```

mod advice;
mod hold;
mod standing;
mod story;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use std::fmt::Write;

use axum::{body::Body, response::Response};
use closure_machine::{End, Ending, FailReason, Policy, Step};
use genesys_types::Time;
use http::{HeaderValue, StatusCode, header};
use orchestrator::{Orchestrator, Record, TimelineLine, closure_id, names};
use serde::Serialize;
use store::{ClosureKey, Filter, Order};
use utoipa::ToSchema;

pub(crate) use advice::{Advice, needs_reason};
pub(crate) use hold::{Hold, Standing, refusal, remedy};
pub(crate) use words::moment;

use crate::{
    call::{Answer, Call, json_answer},
    handling::HandlingView,
    problem::{Genesys, Problem},
    spans::Stamp,
};

/// A closure in plain words.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    id: String,
    state: &'static str,
    reason: Option<&'static str>,
    /// How it stands, in one or two sentences.
    headline: String,
    /// Since when it stands so.
    #[schema(value_type = String, format = DateTime)]
    since: Stamp,
    /// What happens next by itself, and when; null once it has ended.
    waits_for: Option<String>,
    /// The proof that is missing.
    missing: Vec<String>,
    /// What can be done, the best first.
    next: Vec<Advice>,
    /// What operators say about a ghost.
    #[serde(skip_serializing_if = "Option::is_none")]
    handling: Option<HandlingView>,
    /// What happened, in order.
    story: Vec<Sentence>,
    /// All of it as one text.
    text: String,
}

/// One line of the story.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StorySentence)]
pub(crate) struct Sentence {
    #[schema(value_type = String, format = DateTime)]
    at: Stamp,
    says: String,
}

/// Why a closure is not on the happy path, as it stands in the answer about it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trouble {
    /// The reason, as in `reason`.
    code: &'static str,
    /// How the closure stands, in plain words.
    detail: String,
    /// Whether it can still close by itself.
    retryable: bool,
    /// What can be done first.
    fix: Option<String>,
    /// The latest refusal of Genesys, where there was one.
    genesys: Option<Genesys>,
}

/// Everything that an explanation is made from.
pub(crate) struct Case<'a> {
    pub(crate) record: &'a Record,
    pub(crate) policy: &'a Policy,
    /// How its organisation stands; `None` where none of that name is configured.
    pub(crate) organisation: Option<&'a Standing>,
    /// The closure that closed the conversation before, where Genesys knows the conversation no more.
    pub(crate) before: Option<&'a Before>,
    pub(crate) now: Time,
}

/// A closure that closed the conversation before.
#[derive(Debug)]
pub(crate) struct Before {
    key: ClosureKey,
    at: Time,
    /// Whether it asked to delete the conversation.
    deleted: bool,
}

impl Before {
    /// Looks for it where a closure failed because its conversation is not known.
    async fn of(orchestrator: &Orchestrator, record: &Record) -> Result<Option<Self>, Problem> {
        let (Step::Ended(Ending { end: End::Failed(FailReason::NotFound), .. }), Some(conversation)) =
            (&record.closure.step, record.closure.conversation)
        else {
            return Ok(None);
        };
        let filter = Filter {
            organisations: vec![record.organisation.as_str().to_owned()],
            states: vec!["closed".to_owned()],
            conversation: Some(conversation.uuid()),
            ..Filter::default()
        };
        let page = orchestrator.list(&filter, Order::NewestFirst, None, 1).await?;
        let Some(before) = page.records.first() else { return Ok(None) };
        let lines = orchestrator.timeline(before.key).await?;
        let mut asked = lines.iter().filter_map(|line| line.entry.asks.as_ref());
        Ok(Some(Self {
            key: before.key,
            at: before.updated_at,
            deleted: asked.any(|asks| asks.http.starts_with("DELETE ")),
        }))
    }
}

impl Before {
    /// What it did, in a sentence.
    fn words(&self, now: Time) -> String {
        let (id, at) = (closure_id(self.key), moment(self.at, now));
        match self.deleted {
            true => format!("Nothing is left to do: {id} closed and deleted it at {at}."),
            false => format!("{id} closed it at {at}."),
        }
    }
}

/// `GET /v1/closures/{id}/explain`: as JSON, or as text for `Accept: text/plain`.
pub(crate) async fn explain(call: Call) -> Answer {
    call.query()?.finish()?;
    let record = call.closure().await?;
    let orchestrator = &call.shared.api.orchestrator;
    let lines = orchestrator.timeline(record.key).await?;
    let organisations = Standing::of_all(orchestrator);
    let before = Before::of(orchestrator, &record).await?;
    let case = Case {
        record: &record,
        policy: &orchestrator.policy_of(&record),
        organisation: Standing::named(&organisations, &record.organisation),
        before: before.as_ref(),
        now: orchestrator.now(),
    };
    let explanation = Explanation::of(&case, &lines);
    if !wants_text(&call) {
        return Ok(json_answer(StatusCode::OK, &explanation));
    }
    let mut response = Response::new(Body::from(explanation.text));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    Ok(response)
}

fn wants_text(call: &Call) -> bool {
    let accept = call.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.trim_start().to_ascii_lowercase().starts_with("text/plain"))
}

/// What is wrong with a closure that has a reason; `None` on the happy path.
pub(crate) async fn trouble(call: &Call, record: &Record) -> Result<Option<Trouble>, Problem> {
    let Some(code) = names::reason(&record.closure) else { return Ok(None) };
    let orchestrator = &call.shared.api.orchestrator;
    let lines = orchestrator.timeline(record.key).await?;
    let policy = orchestrator.policy_of(record);
    let organisations = Standing::of_all(orchestrator);
    let before = Before::of(orchestrator, record).await?;
    let case = Case {
        record,
        policy: &policy,
        organisation: Standing::named(&organisations, &record.organisation),
        before: before.as_ref(),
        now: orchestrator.now(),
    };
    Ok(Some(Trouble {
        code,
        detail: standing::headline(&case, &lines),
        retryable: !record.closure.has_ended(),
        fix: advice::advice(&case).into_iter().next().map(Advice::into_words),
        genesys: latest_refusal(&lines),
    }))
}

/// What the latest answer said that was not a 2xx.
fn latest_refusal(lines: &[TimelineLine]) -> Option<Genesys> {
    let answered = lines.iter().rev().find_map(|line| line.entry.answered.as_ref())?;
    answered.status.filter(|status| *status >= 400)?;
    Some(Genesys {
        status: answered.status,
        code: answered.code.clone(),
        correlation_id: answered.correlation_id.clone(),
    })
}

/// The proof that a closure lacks, for lists.
pub(crate) fn missing(case: &Case<'_>) -> Vec<String> {
    standing::missing(case)
}

/// What can be done about a closure, for lists.
pub(crate) fn suggestions(case: &Case<'_>) -> Vec<Advice> {
    advice::advice(case)
}

/// Each line of a journal in plain words, for the timeline.
pub(crate) fn sentences(lines: &[TimelineLine]) -> Vec<String> {
    let calls = story::Calls::of(lines);
    lines.iter().map(|line| story::sentence(line, &calls)).collect()
}

impl Explanation {
    /// Explains a closure whose journal is read already.
    pub(crate) fn of(case: &Case<'_>, lines: &[TimelineLine]) -> Self {
        let record = case.record;
        let story: Vec<_> = lines
            .iter()
            .zip(sentences(lines))
            .map(|(line, says)| Sentence { at: Stamp(line.at), says })
            .collect();
        let mut explanation = Self {
            id: closure_id(record.key),
            state: names::state(&record.closure),
            reason: names::reason(&record.closure),
            headline: standing::headline(case, lines),
            since: Stamp(since(case, lines)),
            waits_for: standing::waits_for(case),
            missing: standing::missing(case),
            next: advice::advice(case),
            handling: HandlingView::of(record),
            story,
            text: String::new(),
        };
        explanation.text = explanation.as_text(case);
        explanation
    }

    fn as_text(&self, case: &Case<'_>) -> String {
        let mut text = String::with_capacity(2_048);
        // Writing into a String cannot fail.
        let mut say = |line: std::fmt::Arguments<'_>| {
            let _ = writeln!(text, "{line}");
        };
        match case.record.closure.conversation {
            Some(conversation) => say(format_args!("{}  conversation {conversation}", self.id)),
            None => say(format_args!("{}  no conversation found", self.id)),
        }
        say(format_args!(""));
        say(format_args!("{}", self.headline));
        say(format_args!("It stands so since {}.", moment(self.since.0, case.now)));
        if let Some(waits_for) = &self.waits_for {
            say(format_args!("{waits_for}"));
        }
        for said in self.handling.iter().flat_map(HandlingView::words) {
            say(format_args!("{said}"));
        }
        if !self.missing.is_empty() {
            say(format_args!("\nMissing:"));
            self.missing.iter().for_each(|missing| say(format_args!("  - {missing}")));
        }
        if !self.next.is_empty() {
            say(format_args!("\nWhat can be done:"));
            for advice in &self.next {
                say(format_args!("  - {}", advice.what()));
                if let Some(command) = advice.command() {
                    say(format_args!("      {command}"));
                }
            }
        }
        say(format_args!("\nWhat happened:"));
        for sentence in &self.story {
            say(format_args!("  {}  {}", sentence.at, sentence.says));
        }
        text
    }
}

/// When the closure came into its present state.
fn since(case: &Case<'_>, lines: &[TimelineLine]) -> Time {
    match &case.record.closure.step {
        Step::Ghost(ghost) => ghost.since,
        Step::Blocked(block) => block.since,
        Step::Ended(ending) => ending.at,
        Step::Scheduled
        | Step::Resolving
        | Step::Verifying
        | Step::ClosingParticipant
        | Step::AwaitingConfirmation
        | Step::ClosingWrapper(_)
        | Step::Forcing => lines
            .iter()
            .rev()
            .find(|line| line.entry.from.as_ref() != Some(&line.entry.to))
            .map_or(case.record.closure.accepted_at, |line| line.at),
    }
}
