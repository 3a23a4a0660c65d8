//! The ids, beside those of closure, conversation and guest, by which a closure is found that came to a stand.
//!
//! Whoever looks for a stuck session at night has what a log, a browser or Genesys' support gave them: the id of the session
//! (communication), of the agent's leg, of a call (correlation id), or the id of another system that the command named. A closure
//! that goes its way is in no such list and pays nothing for it. One that ever was a ghost, blocked or failed keeps being found,
//! so that whoever mended it also finds it mended.

use std::sync::Arc;

use closure_machine::{Closure, End, Step, Target};
use genesys_types::CommunicationId;
use store::{ID_LABEL, Line, StoreUnavailable};
use uuid::Uuid;

use crate::{advance::Orchestrator, journal::Entry, made::Made, record::Record};

/// The most correlation ids of one closure: the latest are kept. A closure that is tried for three days makes many calls, and
/// support asks about the last ones.
const MOST_CORRELATIONS: usize = 32;

/// Whether nothing moves on without somebody, or not soon: a ghost, a block, a failure.
const fn stands(closure: &Closure) -> bool {
    match &closure.step {
        Step::Ghost(_) | Step::Blocked(_) => true,
        Step::Ended(ending) => matches!(ending.end, End::Failed(_)),
        Step::Scheduled
        | Step::Resolving
        | Step::Verifying
        | Step::ClosingParticipant
        | Step::AwaitingConfirmation
        | Step::ClosingWrapper(_)
        | Step::Forcing => false,
    }
}

impl Orchestrator {
    /// Takes up the ids by which the closure is found, where it comes to a stand or ever did.
    pub(crate) async fn take_up_ids(
        &self,
        stored: &Record,
        first: Option<&Made>,
        last: &mut Made,
    ) -> Result<(), StoreUnavailable> {
        let added = first.into_iter().chain([&*last]).map(|made| &made.line);
        let taken_up = match &stored.correlations {
            Some(known) => correlations(known, added),
            None if are_wanted(stored, &last.next) => {
                let journal = self.inner.store.journal(stored.key).await?;
                correlations(&[], journal.iter().map(|placed| &placed.line).chain(added))
            }
            None => return Ok(()),
        };
        if last.next.correlations.as_ref() != Some(&taken_up) {
            Arc::make_mut(&mut last.next).correlations = Some(taken_up);
        }
        Ok(())
    }
}

/// Whether a closure comes to a stand for the first time, so that its correlation ids are to be taken up from its journal.
pub(crate) fn are_wanted(before: &Record, next: &Record) -> bool {
    before.correlations.is_none() && stands(&next.closure)
}

/// Those that are known and those of the answers among these lines, the latest last, each once.
pub(crate) fn correlations<'a>(known: &[String], lines: impl Iterator<Item = &'a Line>) -> Box<[String]> {
    let mut found = known.to_vec();
    let entries = lines.filter_map(|line| serde_json::from_slice::<Entry>(&line.body).ok());
    for id in entries.filter_map(|entry| entry.answered?.correlation_id).map(written) {
        found.retain(|known| *known != id);
        found.push(id);
    }
    found.split_off(found.len().saturating_sub(MOST_CORRELATIONS)).into()
}

/// The labels of a row: those of the command, and one for each further id by which the closure is found.
pub(crate) fn with(record: &Record, said: &[(String, String)]) -> Vec<(String, String)> {
    let Some(correlations) = &record.correlations else { return said.to_vec() };
    let mut ids = of_closure(&record.closure);
    ids.extend(correlations.iter().cloned());
    let mut labels = said.to_vec();
    for id in ids {
        let label = (ID_LABEL.to_owned(), id);
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels
}

/// As it is searched: a UUID in its usual form, anything else as it was given.
fn written(id: String) -> String {
    id.parse::<Uuid>().map_or(id, |uuid| uuid.to_string())
}

/// The labels of the command alone.
pub(crate) fn without(labels: &[(String, String)]) -> Vec<(String, String)> {
    labels.iter().filter(|(name, _)| name != ID_LABEL).cloned().collect()
}

/// The sessions and legs that are known, and the id of another system that the command named.
fn of_closure(closure: &Closure) -> Vec<String> {
    let legs = closure.guests.iter().flat_map(|leg| {
        [Some(leg.participant.to_string()), leg.communication.as_ref().map(CommunicationId::to_string)]
    });
    let agent = closure.agent.iter().flat_map(|(participant, communication, _)| {
        [Some(participant.to_string()), communication.as_ref().map(CommunicationId::to_string)]
    });
    let sought = closure.sought.iter().map(|sought| match &sought.target {
        Target::ExternalId(id) => Some(id.to_string()),
        Target::Attribute { value, .. } => Some(value.to_string()),
    });
    legs.chain(agent).chain(sought).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, body: &str) -> Line {
        Line {
            sequence: number,
            at: 0,
            kind: "replied".into(),
            announcement: None,
            body: body.to_owned().into(),
        }
    }

    fn answered(number: u64, correlation: &str) -> Line {
        let answered = format!(
            r#"{{"call":{number},"request":"read","reply":"saw","tookMs":1,"correlationId":"{correlation}"}}"#
        );
        line(number, &format!(r#"{{"from":"verifying","to":"ghost","announces":[],"answered":{answered}}}"#))
    }

    #[test]
    fn the_latest_correlation_ids_are_kept_each_once_and_as_they_are_searched() {
        let upper = "84538130-FC1F-4399-884C-428D489C3690";
        let lines = [answered(1, "c-1"), answered(2, upper), line(3, "no entry"), answered(4, "c-1")];
        let known = ["c-0".to_owned(), upper.to_lowercase()];
        assert_eq!(*correlations(&[], lines.iter()), [&upper.to_lowercase(), "c-1"]);
        assert_eq!(*correlations(&known, lines[..1].iter()), ["c-0", &upper.to_lowercase(), "c-1"]);
        let many: Vec<_> = (0..100).map(|number| answered(number, &format!("c-{number}"))).collect();
        let kept = correlations(&known, many.iter());
        assert_eq!((kept.len(), &*kept[0], &*kept[31]), (MOST_CORRELATIONS, "c-68", "c-99"));
    }

    #[test]
    fn labels_of_commands_are_told_from_ids() {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let labels = [label("team", "a"), label(ID_LABEL, "c-1"), label("id", "b")];
        assert_eq!(without(&labels), [label("team", "a"), label("id", "b")]);
    }
}
