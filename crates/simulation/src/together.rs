//! Reads of many conversations with one request: what Genesys answers, and what goes wrong on the way.

use closure_machine::Reply;
use genesys_client::{Over, OverLeg};
use genesys_types::{ConversationId, LegState, Purpose, Snapshot};
use store::Millis;
use tokio::sync::oneshot;

use crate::{
    genesys::{LATE, name, with_rate},
    happening::{Answered, Happening},
    trace::Told,
    world::World,
};

/// What comes back: what is over, or a reply in place of it; and what the quota learns.
pub(crate) type AnsweredMany = (Result<Vec<Over>, Reply>, genesys_client::Sent);

/// A read of many on its way.
pub(crate) struct Many {
    conversations: Vec<ConversationId>,
    waiter: oneshot::Sender<AnsweredMany>,
}

impl World {
    /// The read leaves a replica; `false` where it does not get out.
    pub(crate) fn many_leave(
        &mut self,
        at: Millis,
        replica: usize,
        conversations: &[ConversationId],
        waiter: oneshot::Sender<AnsweredMany>,
    ) -> bool {
        let at = at.max(self.now);
        let chances = self.plan.chances;
        if self.fails(chances.not_sent) {
            self.note(at, Told::ReadsManyNotSent { replica });
            return false;
        }
        self.note(at, Told::ReadsMany { replica, conversations: conversations.len() });
        if self.fails(chances.call_lost) {
            return true;
        }
        let takes = if self.fails(chances.call_late) { self.dice.i64(0..LATE) } else { self.some(60) };
        let many = Many { conversations: conversations.to_vec(), waiter };
        self.plan(at + 1 + takes, Happening::ManyArrive(many));
        true
    }

    /// It reaches Genesys.
    pub(crate) fn many_arrive(&mut self, many: Many) {
        let rate = self.counted();
        let chances = self.plan.chances;
        let shown = if let Some(retry_after) = rate.refuses() {
            Err(Reply::RateLimited(retry_after))
        } else if self.fails(chances.refused) {
            Err(self.some_refusal())
        } else {
            Ok(many.conversations.iter().filter_map(|conversation| self.over(*conversation)).collect())
        };
        let told = shown.as_ref().err().cloned().unwrap_or(Reply::Accepted(None));
        let Answered { sent, .. } = with_rate(told, rate);
        if self.fails(chances.reply_lost) {
            return;
        }
        let takes = if self.fails(chances.reply_late) { self.dice.i64(0..LATE) } else { self.some(60) };
        self.plan(self.now + 1 + takes, Happening::ManyAnswered(many, (shown, sent)));
    }

    /// The answer reaches whoever waits for it.
    pub(crate) fn many_answered(&mut self, many: Many, answered: AnsweredMany) {
        let shown = answered.0.clone();
        let heard = many.waiter.send(answered).is_ok();
        let reply = shown.as_ref().map_or_else(name, |_| "read together");
        let over = shown.as_ref().map_or(0, Vec::len);
        self.note(self.now, Told::ManyAnswered { reply, over, heard });
        if !heard {
            return;
        }
        self.trace.saw(reply);
        // While the guest is shown there, nothing is proven.
        for over in shown.unwrap_or_default().into_iter().filter(|over| !over.guest_is_there) {
            over.legs.iter().for_each(|leg| self.witness.told_of(leg.communication));
            if over.ended_at.is_some() {
                self.witness.told_of_the_end(over.conversation);
            }
        }
    }

    /// What is over in a conversation, as it is or as it was a while ago. Some are not told of at all.
    fn over(&mut self, conversation: ConversationId) -> Option<Over> {
        let chances = self.plan.chances;
        let (lags, missing) = (self.fails(chances.stale_read), self.fails(chances.ignored));
        let ago = self.dice.usize(0..3);
        let truth = self.conversations.get(&conversation).filter(|_| !missing)?;
        let Snapshot { ended_at, legs } = if lags { truth.stale_snapshot(ago) } else { truth.snapshot() };
        let is_there =
            |leg: &genesys_types::Leg| leg.purpose == Purpose::Customer && leg.state == LegState::Connected;
        let guest_is_there = legs.iter().any(is_there);
        let ended = legs.iter().filter_map(|leg| {
            let (communication, ended_at) = (leg.communication?, leg.disconnected_at?);
            Some(OverLeg { participant: leg.participant, communication, ended_at })
        });
        Some(Over { conversation, ended_at, guest_is_there, legs: ended.collect() })
    }
}
