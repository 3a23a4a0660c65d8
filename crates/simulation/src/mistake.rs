//! Mistakes that can be seeded, to show that the simulation finds them.

/// A mistake that somebody could make around the machine, or in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// The store takes what a stale writer commits: versions are not compared.
    StaleWriterWins,
    /// The store does not remember events.
    InboxForgets,
    /// The store does not remember idempotency keys.
    KeysForgotten,
    /// A process that stood still does not notice: its clock stood still too, and it makes the calls that are overdue.
    ClockStandsToo,
    /// The store answers a commit that it has not written.
    AnsweredBeforeTheWrite,
    /// What Genesys answers to the guest's close is taken for an event that proves it.
    ReplyTakenForProof,
    /// A hook believes anybody.
    HookBelievesAnybody,
    /// The broker is told that a command is taken as soon as it was received.
    SettledAtOnce,
    /// A call whose answer does not come is made again without a word.
    CallMadeTwice,
    /// A lookup is answered with what another one has found.
    LookupsMixedUp,
    /// A read of many conversations does not tell that the guest is there again.
    GuestOverlooked,
    /// A mistake in the machine.
    #[cfg(feature = "mutants")]
    Machine(closure_machine::Mutation),
}

impl Mistake {
    /// All that lie around the machine.
    pub const AROUND: [Self; 11] = [
        Self::StaleWriterWins,
        Self::InboxForgets,
        Self::KeysForgotten,
        Self::ClockStandsToo,
        Self::AnsweredBeforeTheWrite,
        Self::ReplyTakenForProof,
        Self::HookBelievesAnybody,
        Self::SettledAtOnce,
        Self::CallMadeTwice,
        Self::LookupsMixedUp,
        Self::GuestOverlooked,
    ];
}
