//! Tells producers and operators of closures by HTTP: CloudEvents signed as Standard Webhooks, and lines for chats.
//!
//! ```text
//! journal (outbox) ─► who wants to know ─► deliveries, with the cursor ─► post ─► delivered, or again later
//! ```
//!
//! - **At least once.** A line of the journal is passed in the write that notes what it owes; a delivery is settled after its
//!   answer. A crash in between posts again, under the same `webhook-id`.
//! - **Nobody waits for somebody else's receiver.** Of every receiver a few are under way at once, and none waits for another.
//! - **Silence is one incident.** While no adapter of an organisation is heard its ghosts are kept, not told one by one; receivers
//!   are told of the adapter instead. Ghosts that stay are told when an event comes.
//! - **Only where it is allowed.** The configuration lists the hosts; the address that is connected to is checked too; there are
//!   no redirects and no proxy; what is allowed is asked again at every try.

mod adapters;
mod advice;
mod allowed;
mod delivery;
mod event;
mod fate;
mod metrics;
mod news;
mod outbox;
mod place;
mod post;
mod records;
mod service;
mod setup;
mod silence;
#[cfg(test)]
mod tests;
mod wish;

pub use advice::{Advisor, Hint, NoAdvice};
pub use allowed::{AllowedHosts, Forbidden, InvalidHost};
pub use delivery::{Body, Owed, RESULTS};
pub use event::{Announced, every_event, usual_events};
pub use fate::Outcome;
pub use news::News;
pub use place::{EventPlace, InvalidEventId};
pub use post::{HttpPost, Letter, Post};
pub use records::Records;
pub use service::{Callbacks, NotTaken};
pub use setup::{Format, Receiver, Setup};
pub use silence::{Ears, NoAdapters};
pub use wish::{USUAL, table_words, wants, words};
