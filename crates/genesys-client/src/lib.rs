//! The part of the Genesys Cloud Platform API that closing needs, within its quota.
//!
//! ```text
//! Quota ── Permit ──► Client ── token, request ──► Genesys
//!   ▲                    │
//!   └─ headers, 429 ─────┴──► Answer (taken) or Fault (what is known of the outcome)
//! ```
//!
//! It never decides what to call, never calls again on its own but for the harmless cases that [`Client`] names,
//! and never takes an answer for a proof. Tokens, secrets and bodies enter neither logs nor errors.

mod answer;
mod call;
mod client;
mod config;
mod conversation;
mod dialect;
mod error_body;
mod fault;
mod found;
mod inspect;
mod json;
mod lookup;
mod metrics;
mod notifications;
mod open_ones;
mod quota;
mod read_many;
mod region;
mod token;
mod watch;
mod wrap_up;

pub use client::{Answer, Client, Identity};
pub use config::{ClientConfig, ConfigError, Credentials};
pub use dialect::{CloseCode, Closed, Dialect, DialectClient, InvalidDialect, PLATFORM};
pub use fault::{Fault, FaultKind};
pub use inspect::{
    Clocks, Deployment, Disconnect, Grant, Grants, Heard, Host, Inspector, Limit, Obstacle, TokenFacts,
    Unreached, is_another_address,
};
pub use lookup::{ExternalIdDimension, Hit, LookupConfig};
pub use notifications::{Channel, MOST_TOPICS, Refusal, Subscribed};
pub use open_ones::{OPEN_PAGE, OpenOne, OpenPage, OpenQuery};
pub use quota::{
    Class, Clock, LeaseAsk, LeaseHeard, Leased, Permit, Quota, QuotaConfig, RateHeaders, Requests, Sent,
    Wait, WaitReason, monotonic_clock,
};
pub use read_many::{MOST_READ_TOGETHER, Over, OverLeg};
pub use region::{InvalidRegion, Region};
pub use watch::Moment;
pub use wrap_up::{AgentLeg, NotGiven, WrapUpCode};
