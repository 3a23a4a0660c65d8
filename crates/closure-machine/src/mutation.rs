//! Mistakes that can be seeded, to show that the tests would find them. Without the feature `mutants` none can be, and what
//! is compiled is the plain machine.

use crate::policy::Policy;

/// A mistake that somebody could make, each at one point of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// The reply to the guest's close counts as evidence.
    ReplyIsEvidence,
    /// The wrapper's close is asked as soon as the guest's was.
    WrapperWithoutProof,
    /// A guest's close whose time ran out is asked again without a read.
    TimeoutRepeatsTheWrite,
    /// An end can be left.
    EndMoves,
    /// The reply to a call that was overtaken is taken.
    LateReplyIsTaken,
    /// One read that shows the guest ends the round.
    OneReadSuffices,
    /// A ghost has no next look.
    GhostWithoutWakeUp,
    /// A ghost is told to nobody.
    GhostNotAnnounced,
    /// A ghost's age begins anew at every look.
    GhostAgesAnew,
    /// A ghost is not given up.
    GhostNeverGivenUp,
    /// A ghost that was healed is not told of.
    GhostNotCleared,
    /// The version stays as it is.
    SequenceStands,
    /// The end of a leg that nobody knows proves those that are known.
    OtherLegProves,
    /// The end of a participant counts whenever it was.
    OldEventProves,
    /// The end of a participant proves all its legs.
    ParticipantProvesAllLegs,
    /// A leg on which the guest came back is overlooked.
    ReturnIsIgnored,
    /// A read that shows a proven leg connected undoes the proof.
    OlderReadUndoesProof,
    /// A close that was refused for want of quota counts as asked.
    TooManyRequestsAreCharged,
    /// A call is made twice.
    DoubleCall,
    /// A connected agent is cut off.
    AgentIsIgnored,
    /// Refusals are borne without end.
    RefusalsWithoutEnd,
    /// The guest is closed in rounds without end.
    RoundsWithoutEnd,
    /// A wrap-up is given as often as it is demanded.
    WrapUpWithoutEnd,
    /// A missing permission is charged to the closure as a refusal.
    BlockIsARefusal,
    /// Of several conversations that fit a target the first is taken.
    FirstOfSeveralIsTaken,
    /// What is not found is looked for without end.
    LooksWithoutEnd,
    /// Word of a leg that is known to be gone counts as the guest's return.
    LateWordIsAReturn,
    /// Closures follow one another without end.
    ReturnsWithoutEnd,
    /// What is said of a ghost makes it look at once.
    NoteMoves,
    /// The wrapper's close is asked on an event's word while a read is on its way that may show the guest back.
    ProofOvertakesARead,
}

impl Policy {
    /// Whether this mistake is seeded.
    #[cfg(feature = "mutants")]
    pub(crate) fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Whether this mistake is seeded: never.
    #[cfg(not(feature = "mutants"))]
    #[inline(always)]
    pub(crate) const fn has(&self, _: Mutation) -> bool {
        false
    }
}

#[cfg(feature = "mutants")]
impl Mutation {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::ReplyIsEvidence,
        Self::WrapperWithoutProof,
        Self::TimeoutRepeatsTheWrite,
        Self::EndMoves,
        Self::LateReplyIsTaken,
        Self::OneReadSuffices,
        Self::GhostWithoutWakeUp,
        Self::GhostNotAnnounced,
        Self::GhostAgesAnew,
        Self::GhostNeverGivenUp,
        Self::GhostNotCleared,
        Self::SequenceStands,
        Self::OtherLegProves,
        Self::OldEventProves,
        Self::ParticipantProvesAllLegs,
        Self::ReturnIsIgnored,
        Self::OlderReadUndoesProof,
        Self::TooManyRequestsAreCharged,
        Self::DoubleCall,
        Self::AgentIsIgnored,
        Self::RefusalsWithoutEnd,
        Self::RoundsWithoutEnd,
        Self::WrapUpWithoutEnd,
        Self::BlockIsARefusal,
        Self::FirstOfSeveralIsTaken,
        Self::LooksWithoutEnd,
        Self::LateWordIsAReturn,
        Self::ReturnsWithoutEnd,
        Self::NoteMoves,
        Self::ProofOvertakesARead,
    ];
}
