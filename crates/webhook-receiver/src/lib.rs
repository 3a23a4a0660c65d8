//! Takes webhooks in: bytes, signature, evidence, answer.
//!
//! ```text
//!  POST /hooks/{name} ─► method, type ─► size ─► hook ─► signature ─► JSON ─► meaning ─► deliver ─► 204
//!                          405, 415       413     404       401        400      400        503
//!                                                         └ nothing of it is kept ┘└ dead letter ┘
//! ```
//!
//! - The answer 204 is given when the event is durable, and whatever it turned out to be: new, known, or about nothing
//!   that waits. Only a store that is away makes the sender repeat it.
//! - Nothing is read from the store, and nothing of the body is parsed, before the signature over the raw bytes holds.
//! - Bodies, signatures and secrets are never logged and never shown in answers. The raw bytes of a body that was
//!   signed and could not be read are kept, bounded and in memory, for whoever looks into it ([`DeadLetter`]).
//! - A refusal tells a sender without the secret nothing but its status.

mod answer;
mod hook;
mod metrics;
mod receiver;
mod request;

pub use event_bodies::{Decoder, UnknownDecoder};
pub use evidence_log::{DeadLetter, HookResult, Received, ReceivedFilter, ReceivedLog};
pub use hook::{Hook, InvalidHook};
pub use receiver::{Receiver, router};
pub use request::MAX_BODY_BYTES;
