//! How likely what fails.

use fastrand::Rng;

/// Chances in a thousand, for the phase in which things fail.
///
/// Each is drawn for a story, and often zero: faults that come one at a time find other mistakes than all at once.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Chances {
    /// A request of the store fails and nothing was done.
    pub(crate) store_fails: u32,
    /// A request of the store is done and its answer lost.
    pub(crate) store_answer_lost: u32,
    /// A request of the store takes up to some seconds.
    pub(crate) store_slow: u32,
    /// A call never leaves.
    pub(crate) not_sent: u32,
    /// A call is lost on its way.
    pub(crate) call_lost: u32,
    /// A call arrives late, perhaps after the client has given up.
    pub(crate) call_late: u32,
    /// A call arrives twice.
    pub(crate) call_doubled: u32,
    /// A reply is lost.
    pub(crate) reply_lost: u32,
    /// A reply comes late.
    pub(crate) reply_late: u32,
    /// A call is answered with an error and has no effect.
    pub(crate) refused: u32,
    /// A call has its effect and is answered with an error.
    pub(crate) misreported: u32,
    /// A close is accepted and never done.
    pub(crate) ignored: u32,
    /// A close takes effect late.
    pub(crate) effect_late: u32,
    /// A read shows how it was a while ago.
    pub(crate) stale_read: u32,
    /// An event is never sent.
    pub(crate) event_lost: u32,
    /// An event comes late.
    pub(crate) event_late: u32,
    /// An event comes more than once.
    pub(crate) event_doubled: u32,
    /// A request of the broker fails: half of them are done, and the answer is lost.
    pub(crate) broker_fails: u32,
}

impl Chances {
    pub(crate) fn draw(dice: &mut Rng) -> Self {
        let mut one = |most: u32| if dice.u8(..2) == 0 { 0 } else { dice.u32(1..=most) };
        Self {
            store_fails: one(40),
            store_answer_lost: one(40),
            store_slow: one(20),
            not_sent: one(80),
            call_lost: one(80),
            call_late: one(80),
            call_doubled: one(100),
            reply_lost: one(100),
            reply_late: one(100),
            refused: one(150),
            misreported: one(60),
            ignored: one(150),
            effect_late: one(300),
            stale_read: one(200),
            event_lost: one(500),
            event_late: one(500),
            event_doubled: one(500),
            broker_fails: one(200),
        }
    }
}

/// Whether something happens whose chance in a thousand this is.
pub(crate) fn happens(dice: &mut Rng, chance: u32) -> bool {
    chance > 0 && dice.u32(..1_000) < chance
}
