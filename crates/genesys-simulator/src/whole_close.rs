//! Closes of a whole conversation, and how they are judged.

use serde_json::json;
use uuid::Uuid;

use crate::chaos::Preset;
use crate::conversation::{Conversation, Disconnect, Participant};
use crate::platform::Reply;
use crate::publishing::Waiting;
use crate::refusal::Refusal;
use crate::world::{Task, World};

/// How a close of the whole treats guests who are still connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WholeClose {
    /// Everybody goes. The guests should have gone before, since there is a close for them alone.
    LastOfAll,
    /// Everybody goes. The guests are to go with the rest, since there is no close for them alone.
    AllAtOnce,
    /// Everybody goes but the guests, who stay behind in a closed wrapper.
    AroundGuests,
}

impl World {
    pub(crate) fn close_wrapper(
        &self,
        id: Uuid,
        reply: impl Fn(&Conversation) -> Reply,
    ) -> Result<Reply, Refusal> {
        let mut talk = self.find(id).ok_or_else(|| Refusal::conversation_not_found(id))?;
        let fault = self.close_whole(&mut talk, WholeClose::LastOfAll, &mut Waiting::new())?;
        Ok(reply(&talk).fault(fault))
    }

    /// Closes the whole, unless a fault keeps it open; answers that fault. Where this is also the close of the guest, the
    /// faults strike that concern one.
    pub(crate) fn close_whole(
        &self,
        talk: &mut Conversation,
        how: WholeClose,
        early: &mut Waiting,
    ) -> Result<Option<&'static str>, Refusal> {
        if talk.wrap_up_blocks && talk.participants.iter().any(Participant::owes_wrap_up) {
            return Err(Refusal::wrap_up_code_required());
        }
        self.judge_whole_close(talk, how);
        let chaos = self.chaos_of(talk);
        let stays_open = chaos
            .touching(Preset::AcceptedButOpen, self.seed(), talk.id)
            .is_some_and(|rule| rule.wrapper_too)
            && chaos.strikes(Preset::AcceptedButOpen, self.seed(), talk).is_some();
        if stays_open {
            return Ok(Some(Preset::AcceptedButOpen.name()));
        }
        let guest = talk.guests().find(|guest| guest.is_connected()).map(|guest| guest.id);
        if let (WholeClose::AllAtOnce, Some(guest)) = (how, guest)
            && let Some(fault) = self.divert_guest_close(talk, guest)
        {
            return Ok(Some(fault));
        }
        let now = self.clock.now();
        let happened = match how {
            WholeClose::LastOfAll | WholeClose::AllAtOnce => talk.end_everybody(Disconnect::Client, now),
            WholeClose::AroundGuests => talk.close_around_guests(Disconnect::Client, now),
        };
        self.publish(talk, &happened, early);
        Ok(None)
    }

    pub(crate) fn force_disconnect(&self, id: Uuid) -> Result<Reply, Refusal> {
        let mut talk = self.find(id).ok_or_else(|| Refusal::conversation_not_found(id))?;
        self.count_forced(&talk);
        let due = self.clock.now() + self.delay(self.config.effect_delay, &mut talk, "effect-delay");
        self.schedule.add(due, Task::TearDown { conversation: id });
        Ok(Reply { status: 202, body: Some(json!("Accepted")), fault: None })
    }

    /// Holds a close of the whole against what the client could know of the guest's legs.
    pub(crate) fn judge_whole_close(&self, talk: &Conversation, how: WholeClose) {
        let mut tally = self.tally();
        tally.wrapper_closes += 1;
        if how == WholeClose::AllAtOnce {
            tally.wrapper_closes_with_guest += u64::from(talk.guest_is_connected());
            return;
        }
        let now = self.clock.now();
        let legs = || talk.guests().flat_map(|p| &p.legs);
        if legs().any(|leg| leg.known && leg.is_connected()) {
            tally.wrapper_closes_before_guest_gone += 1;
            tally.offend("wrapper-closed-before-guest", talk.id, now);
        } else if legs().any(|leg| leg.known && !leg.proven) {
            tally.wrapper_closes_before_proof += 1;
            tally.offend("wrapper-closed-before-proof", talk.id, now);
        } else if legs().any(|leg| leg.is_connected()) {
            tally.wrapper_closes_over_unseen_leg += 1;
        }
    }

    /// Counts an emergency disconnect apart: it is an operator's act against missing proof, never a step of a closure.
    fn count_forced(&self, talk: &Conversation) {
        let proven = talk.guests().flat_map(|p| &p.legs).all(|leg| !leg.is_connected() && leg.proven);
        let mut tally = self.tally();
        tally.forced += 1;
        tally.forced_before_proof += u64::from(!proven);
    }
}
