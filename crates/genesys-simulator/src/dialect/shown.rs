//! The words in which the dialects show who is there: `active` and `closed`.

use serde_json::Value;

use crate::conversation::{Conversation, Participant, Purpose};
use crate::views::Object;

/// The word for somebody, or something, that is there or gone.
pub(super) fn state(there: bool) -> &'static str {
    if there { "active" } else { "closed" }
}

/// Everybody who takes part: id, purpose and state, and the external id of guests.
pub(super) fn participants(talk: &Conversation) -> Vec<Value> {
    talk.participants.iter().map(|one| participant(talk, one)).collect()
}

fn participant(talk: &Conversation, participant: &Participant) -> Value {
    let mut shown = Object::default();
    shown.put("id", participant.id);
    shown.put("purpose", participant.purpose.name());
    shown.put("state", state(participant.is_connected()));
    match participant.purpose {
        Purpose::Customer => shown.put_some("externalId", talk.external_id.clone()),
        Purpose::Acd | Purpose::Agent => {}
    }
    shown.into()
}
