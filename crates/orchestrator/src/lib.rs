//! Drives every closure: the one door through which its state changes.
//!
//! ```text
//!  producer ── submit ──┐
//!  webhook ─── deliver ─┤                                              ┌─ call ─────► remote ──┐
//!  operator ── act ─────┼─► advance: load → step → commit ─► effects ──┤                       │
//!  reply ───────────────┤            (versions compared)               └─ tell ─► watchers     │
//!  wake-up ─────────────┘◄─────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! - Nothing is done outside, and nothing is answered, before the transition is durable.
//! - Whoever commits the intent of a call makes the call; a stale writer changes nothing and calls nobody.
//! - A closure that waits is a record in memory and an entry in one ordered set: no task, no timer, no connection.
//! - Starting is waking: there is no other recovery.
//! - A call needs a permit of its organisation's quota *before* its intent is committed, so that nothing is in flight
//!   while it queues.

mod adapters;
mod advance;
mod clock;
mod config;
mod deliver;
mod due;
mod fleet;
mod further_ids;
mod handling;
mod held;
mod id;
mod journal;
mod lease;
mod look_back;
mod lookup;
mod made;
mod metrics;
pub mod names;
mod operate;
mod ordered;
mod organisation;
mod plan;
mod processor;
mod query;
mod ready;
mod record;
mod recover;
mod registry;
mod remote;
mod remote_dialect;
mod remote_genesys;
mod resting;
mod returning;
mod shared;
mod stored;
mod submit;
mod survey;
mod to_the_end;
mod together;
mod trace_parent;
mod under_way;
mod upkeep;
mod wake;
mod wrap_up;
mod writing;

pub use adapters::{AdapterHealth, AdapterNotice};
pub use advance::Orchestrator;
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{Config, OrganisationSetup, StartError};
pub use deliver::{Delivered, Delivery};
pub use handling::{Handling, Note, Word};
pub use id::{
    InvalidClosureId, audit_id, batch_id, closure_id, dead_letter_id, delivery_id, event_id, parse_audit_id,
    parse_batch_id, parse_closure_id, parse_dead_letter_id, parse_delivery_id, parse_event_id,
};
pub use journal::{Answered, Asks, Entry, Fitting, HeardLine, OperatorLine, Seen};
pub use lease::lease_from;
pub use operate::{ActError, Operation};
pub use organisation::OrganisationStatus;
pub use plan::{Guard, Plan, PlanError};
pub use query::{Page, QueryError, TimelineLine};
pub use record::{Callback, ConfirmedBy, Overrides, Record, ReplyTo, Said};
pub use remote::{CallDetails, CallFacts, Outcome, Permit, ReadTogether, Remote};
pub use remote_dialect::DialectRemote;
pub use remote_genesys::GenesysRemote;
pub use returning::SOURCE as GUEST_RETURNED;
pub use submit::{Follows, ProducerKey, Submission, SubmitError, Submitted};
pub use survey::SurveyError;
pub use trace_parent::TraceParent;

/// What lists of open conversations are asked with and show; the client's own.
pub use genesys_client::{OPEN_PAGE, OpenOne, OpenPage, OpenQuery};
