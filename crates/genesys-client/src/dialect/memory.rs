//! What the latest read of each conversation showed, as far as a close needs it: the version, and the open sessions.
//!
//! It is a convenience, never a proof, and may be lost: whoever finds nothing here reads again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use genesys_types::{CommunicationId, ConversationId, ParticipantId};
use serde_json::Value;

use super::answer::Shown;

/// How many conversations are remembered for certain; up to twice as many are. A closure that is forgotten costs one read.
const REMEMBERED: usize = 50_000;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    generations: Mutex<Generations>,
}

/// The younger half takes what is new. When it is full it becomes the older one, and what was older is forgotten.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<ConversationId, Known>,
    old: HashMap<ConversationId, Known>,
}

#[derive(Debug, Default)]
struct Known {
    version: Option<Value>,
    sessions: Vec<(ParticipantId, CommunicationId)>,
}

impl Memory {
    /// Takes over what a read showed, in place of what was known.
    pub(crate) fn learn(&self, conversation: ConversationId, shown: &Shown) {
        let known = Known { version: shown.version.clone(), sessions: shown.sessions.clone() };
        let mut generations = self.lock();
        generations.old.remove(&conversation);
        if generations.young.len() >= REMEMBERED {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(conversation, known);
    }

    /// Takes the version out: a close that carries it is asked once between two reads.
    pub(crate) fn take_version(&self, conversation: ConversationId) -> Option<Value> {
        self.lock().known(conversation)?.version.take()
    }

    /// Puts a version back with which nothing was asked.
    pub(crate) fn put_version_back(&self, conversation: ConversationId, version: Value) {
        if let Some(known) = self.lock().known(conversation) {
            known.version.get_or_insert(version);
        }
    }

    /// The participant's open sessions that were not taken out yet.
    pub(crate) fn sessions(
        &self,
        conversation: ConversationId,
        participant: ParticipantId,
    ) -> Vec<CommunicationId> {
        let mut generations = self.lock();
        let known = generations.known(conversation).map_or(&[][..], |known| &known.sessions);
        known.iter().filter(|(owner, _)| *owner == participant).map(|(_, session)| *session).collect()
    }

    /// Takes the participant's open sessions out: each is asked once between two reads.
    pub(crate) fn take_sessions(
        &self,
        conversation: ConversationId,
        participant: ParticipantId,
    ) -> Vec<CommunicationId> {
        let mut generations = self.lock();
        let Some(known) = generations.known(conversation) else { return Vec::new() };
        let taken = known.sessions.extract_if(.., |(owner, _)| *owner == participant);
        taken.map(|(_, session)| session).collect()
    }

    /// Puts a session back that was not asked.
    pub(crate) fn put_session_back(
        &self,
        conversation: ConversationId,
        participant: ParticipantId,
        session: CommunicationId,
    ) {
        if let Some(known) = self.lock().known(conversation) {
            known.sessions.push((participant, session));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn known(&mut self, conversation: ConversationId) -> Option<&mut Known> {
        match self.young.get_mut(&conversation) {
            Some(known) => Some(known),
            None => self.old.get_mut(&conversation),
        }
    }
}

#[cfg(test)]
mod tests {
    use genesys_types::Snapshot;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn shown(version: u64, sessions: &[(ParticipantId, CommunicationId)]) -> Shown {
        Shown { snapshot: Snapshot::default(), version: Some(json!(version)), sessions: sessions.to_vec() }
    }

    #[test]
    fn what_was_taken_is_there_again_after_a_read_only() {
        let (memory, talk) = (Memory::default(), ConversationId::from_uuid(Uuid::from_u128(1)));
        let [guest, other] = [2, 3].map(|n| ParticipantId::from_uuid(Uuid::from_u128(n)));
        let [one, two] = [4, 5].map(|n| CommunicationId::from_uuid(Uuid::from_u128(n)));
        memory.learn(talk, &shown(7, &[(guest, one), (other, two)]));
        assert_eq!(memory.take_version(talk), Some(json!(7)));
        assert_eq!(memory.take_version(talk), None);
        assert_eq!(memory.sessions(talk, guest), [one]);
        assert_eq!(memory.take_sessions(talk, guest), [one]);
        assert!(memory.sessions(talk, guest).is_empty());
        assert!(memory.take_sessions(talk, guest).is_empty());
        memory.put_session_back(talk, guest, one);
        assert_eq!(memory.take_sessions(talk, guest), [one]);
        assert_eq!(memory.take_sessions(talk, other), [two]);
        memory.learn(talk, &shown(8, &[]));
        memory.put_version_back(talk, json!(7));
        assert_eq!(memory.take_version(talk), Some(json!(8)), "an older version never replaces a newer one");
    }

    #[test]
    fn it_holds_no_more_than_two_generations() {
        let memory = Memory::default();
        let talk = |n: usize| ConversationId::from_uuid(Uuid::from_u128(n as u128));
        for n in 0..=2 * REMEMBERED {
            memory.learn(talk(n), &shown(1, &[]));
        }
        assert_eq!(memory.take_version(talk(0)), None);
        assert_eq!(memory.take_version(talk(REMEMBERED)), Some(json!(1)));
        assert_eq!(memory.take_version(talk(2 * REMEMBERED)), Some(json!(1)));
    }
}
