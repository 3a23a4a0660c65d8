//! One transition with all that belongs to it outside the machine, ready to be committed.

use std::sync::Arc;

use closure_machine::{
    Announcement, Call, Effect, Event, Heard, Moment, Policy, ProofSource, Rejected, Reply, What, step,
};
use genesys_types::{Snapshot, Time};
use store::Line;

use crate::{
    handling::{Handling, Word},
    journal::{Cause, Happening},
    record::{ConfirmedBy, Record},
    remote::Remote,
};

/// A transition that was worked out and is not committed yet.
pub(crate) struct Made {
    pub(crate) before: Arc<Record>,
    pub(crate) event: Event,
    pub(crate) next: Arc<Record>,
    pub(crate) call: Option<Call>,
    pub(crate) announces: Vec<Announcement>,
    pub(crate) line: Line,
}

impl Made {
    /// Works out what an event does to a closure; `remote` is where the call that follows from it would be made.
    ///
    /// # Errors
    ///
    /// When it changes nothing.
    pub(crate) fn of(
        record: &Arc<Record>,
        event: &Event,
        cause: &Cause,
        policy: &Policy,
        moment: Moment,
        remote: Option<&dyn Remote>,
    ) -> Result<Self, Rejected> {
        let closure = &record.closure;
        let transition = step(closure, event, policy, moment)?;
        debug_assert_eq!(
            closure_machine::check_transition(Some(closure), &transition, policy),
            Ok(()),
            "{event:?} of {closure:?}"
        );
        let mut call = None;
        let mut announces = Vec::new();
        let mut follow = false;
        for effect in transition.effects {
            match effect {
                Effect::Call(asked) => call = Some(asked),
                Effect::Announce(announcement) => announces.push(announcement),
                Effect::Follow => follow = true,
            }
        }
        let now = moment.now;
        let newly_proven =
            transition.next.guest_is_proven_gone(policy) && !closure.guest_is_proven_gone(policy);
        let mut next = Record { closure: transition.next, updated_at: now, ..record.as_ref().clone() };
        if newly_proven {
            next.confirmed_by = Some(Box::new(confirmed_by(&next, event, cause, now)));
        }
        if announces.contains(&Announcement::ParticipantClosed) {
            next.participant_closed_at.get_or_insert(now);
        }
        let followed_by = cause.followed_by.filter(|_| follow);
        next.followed_by = next.followed_by.or(followed_by);
        if let Some(note) = &cause.note
            && let Some((by, text)) = cause.operator.clone()
        {
            let said = next.handling.take().map_or_else(Handling::default, |handling| *handling);
            next.handling = Some(Box::new(said.with(note, Word { by, at: now, text })));
        }
        next.handling = next
            .handling
            .take()
            .and_then(|said| said.after(&next.closure, &mut announces, now))
            .map(Box::new);
        next.seen_in = shown(event)
            .and_then(Snapshot::queue)
            .or(next.seen_in)
            .filter(|_| next.closure.haunted.is_some());
        let requests = cause.facts.as_ref().map_or(0, |facts| facts.requests);
        next.further_requests = next.further_requests.saturating_add(requests.saturating_sub(1));
        let line = Happening {
            before: Some(closure),
            event: Some(event),
            next: &next.closure,
            asks: call,
            announces: &announces,
            cause,
            followed_by,
            taken_over_from: cause.other_claim(record).map(|word| word.by.clone()),
            now,
            remote,
        }
        .line();
        Ok(Self {
            before: Arc::clone(record),
            event: event.clone(),
            next: Arc::new(next),
            call,
            announces,
            line,
        })
    }
}

/// The conversation, where the event shows the whole of it.
fn shown(event: &Event) -> Option<&Snapshot> {
    match event {
        Event::Replied { reply: Reply::Saw(snapshot) | Reply::Accepted(Some(snapshot)), .. }
        | Event::Heard(Heard { what: What::Conversation(snapshot), .. }) => Some(snapshot),
        Event::Replied { .. } | Event::Heard(_) | Event::Woke | Event::Act(_) | Event::Missed => None,
    }
}

fn confirmed_by(next: &Record, event: &Event, cause: &Cause, now: Time) -> ConfirmedBy {
    match (event, &cause.adapter) {
        (Event::Heard(heard), Some(adapter)) => ConfirmedBy {
            kind: heard.source,
            adapter: Some(adapter.adapter.clone()),
            event_type: Some(adapter.event_type.clone()),
            event_id: Some(adapter.event_id.clone()),
            at: now,
        },
        (Event::Heard(_) | Event::Woke | Event::Replied { .. } | Event::Act(_) | Event::Missed, _) => {
            ConfirmedBy {
                kind: next.closure.proof().map_or(ProofSource::ReadBack, |proof| proof.source),
                adapter: None,
                event_type: None,
                event_id: None,
                at: now,
            }
        }
    }
}
