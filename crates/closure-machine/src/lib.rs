//! The life of a closure as one pure function.
//!
//! A closure is one request to close one session and to prove that it closed. [`step`] takes the closure as it is,
//! something that happened, the policy and the moment, and answers with the closure as it is from then on and what is
//! to be done outside. It reads no clock, waits for nothing, logs nothing, serialises nothing and draws no random
//! numbers, so that every path can be enumerated.
//!
//! ```text
//! Scheduled ─► Verifying ─► ClosingParticipant ─► AwaitingConfirmation ─► ClosingWrapper ─► Ended
//!         │       ▲  (GET)        (PATCH)        (event, or GET later)     (PATCH, DELETE)
//!         │       └──── guest came back, nothing proven, a refusal: look again, in bounded rounds
//!         └► Resolving (only where the command names no conversation: it is looked up, and read next)
//!
//! Blocked: the organisation may not do this at present      Ghost: held, looked at again, heals itself
//! ```
//!
//! - *A reply to a close is never evidence.* An event, a read or an operator is.
//! - *Between two reads the same close is asked at most once.* Reads are the only loop that repeats a write.
//! - *Evidence overtakes.* It moves the closure on whatever is under way; the late reply is stale.
//! - *Every wait has an end.* [`Closure::wake_at`] follows from the state; a call in flight carries its own time-out, so
//!   that a crash looks like a lost reply.
//! - *[`Rejected`] is an answer*, not an error.

mod accept;
mod act;
mod backoff;
mod closure;
mod draft;
mod event;
mod evidence;
mod invariant;
mod lookup;
mod missed;
mod mutation;
mod policy;
mod read;
mod returning;
mod step;
mod transition;
mod wrapper;
mod write;

pub use accept::{Command, Subject, accept};
pub use closure::{
    Block, BlockReason, Call, CallId, Closure, End, Ending, FailReason, Ghost, GhostReason, GuestLeg, Proof,
    ProofSource, Request, Resume, Step, Turn, WrapperStage,
};
pub use event::{Act, Event, Heard, Moment, Reply, What};
pub use invariant::{Broken, check, check_transition};
pub use lookup::{Candidate, Findings, OtherClosure, Sought, Target};
#[cfg(feature = "mutants")]
pub use mutation::Mutation;
pub use policy::{
    AgentConnected, Backoff, Evidence, GuestReturns, Order, Policy, WrapUpPolicy, WrapperClose,
};
pub use returning::GuestReturn;
pub use step::step;
pub use transition::{Announcement, Effect, Rejected, Transition};
