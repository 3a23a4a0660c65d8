//! The calls that are being made, with the requests that have left for them so far.
//!
//! A reply that comes home tells how many they were. Evidence may overtake it, and then nobody hears of the reply any
//! more; what had left by then was made all the same.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use closure_machine::{CallId, Closure, Event, Turn};
use genesys_client::Requests;
use store::ClosureKey;

/// One call at most for each closure.
#[derive(Default)]
pub(crate) struct UnderWay(Mutex<HashMap<ClosureKey, (CallId, Requests)>>);

impl UnderWay {
    /// Remembers a call until its reply was brought back.
    pub(crate) fn begin(&self, key: ClosureKey, call: CallId, requests: Requests) {
        self.lock().insert(key, (call, requests));
    }

    /// Forgets it; a later call of the same closure stays.
    pub(crate) fn end(&self, key: ClosureKey, call: CallId) {
        let mut all = self.lock();
        if all.get(&key).is_some_and(|(known, _)| *known == call) {
            all.remove(&key);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// How many requests beyond the first had left for a call that a closure turns away from, as its reply has not come
    /// and is not waited for any more.
    pub(crate) fn overtaken(&self, key: ClosureKey, before: &Closure, event: &Event, next: &Closure) -> u32 {
        let Turn::InFlight { call, .. } = before.turn else { return 0 };
        let came_home = matches!(event, Event::Replied { call: replied, .. } if *replied == call);
        let goes_on = matches!(next.turn, Turn::InFlight { call: later, .. } if later == call);
        if came_home || goes_on {
            return 0;
        }
        let all = self.lock();
        let known = all.get(&key).filter(|(known, _)| *known == call);
        known.map_or(0, |(_, requests)| requests.made().saturating_sub(1))
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, HashMap<ClosureKey, (CallId, Requests)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use closure_machine::{Command, Moment, Policy, Reply, Subject, accept};
    use genesys_client::{Class, Quota, QuotaConfig};
    use genesys_types::{ConversationId, Time};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_left_for_a_call_that_is_overtaken_counts_and_a_reply_tells_for_itself() {
        let quota = Quota::new(QuotaConfig::default(), std::sync::Arc::new(|| 0), 1);
        let mut permit = quota.try_take(Class::Close).unwrap();
        (0..3).for_each(|_| permit.sent());
        let conversation = ConversationId::from_uuid(Uuid::from_u128(1));
        let command = Command {
            subject: Subject::Conversation(conversation),
            participant: None,
            not_before: None,
            follows: 0,
        };
        let moment = Moment { now: Time::from_millis(1_000), may_call: true };
        let before = accept(&command, &Policy::default(), moment).next;
        let Turn::InFlight { call, .. } = before.turn else { panic!("{before:?}") };
        let next = Closure { turn: Turn::Over, ..before.clone() };

        let (under_way, key) = (UnderWay::default(), Uuid::from_u128(2));
        under_way.begin(key, call, permit.requests());
        let replied = Event::Replied { call, reply: Reply::Accepted(None) };
        assert_eq!(under_way.overtaken(key, &before, &Event::Woke, &next), 2);
        assert_eq!(under_way.overtaken(key, &before, &replied, &next), 0, "its facts tell");
        assert_eq!(under_way.overtaken(key, &before, &Event::Woke, &before), 0, "it is still under way");
        under_way.end(key, CallId(call.0 + 1));
        assert_eq!(under_way.overtaken(key, &before, &Event::Woke, &next), 2, "another call has ended");
        under_way.end(key, call);
        assert_eq!(under_way.overtaken(key, &before, &Event::Woke, &next), 0);
    }
}
