//! A stand-in for Genesys Cloud behind its real HTTP surface, with seeded faults.
//!
//! It plays the part of the remote side: conversations with guests, queues and agents; the used subset of the
//! Platform API under its real paths; the login service; and a relay that posts signed events to webhooks. It shares
//! no code with the client of this project: both are independent readings of the documented JSON.
//!
//! ```text
//!  client ──► platform (quota, permissions, storms) ──► conversation ──► happenings
//!                                                          ▲                 │
//!  schedule ── what was accepted takes effect later ───────┘                 ▼
//!      ▲                                                        events ──► schedule ──► relay ──► webhooks
//!      └───────────────────── repeats of failed sendings ─────────────────────────────────┘
//! ```
//!
//! Beside the platform's API it can speak one [`Dialect`]: a recipe for closing that people use behind gateways and
//! mocks, with the pitfalls of that recipe.
//!
//! Every decision about a fault is drawn from a seed, the conversation and the occasion, so a run can be repeated
//! whatever the order in which calls arrive. The [`Verdict`] says at the end whether the client closed anything
//! before it could have known that the guest was gone.
//!
//! What it never does: keep anything across a restart, check what a webhook's receiver makes of an event, or claim
//! to know what Genesys leaves undocumented. Such choices are settings ([`RepeatedDisconnect`], [`ServiceWrapUp`])
//! or said to be invented.

mod administration;
mod analytics;
mod attribute_search;
mod calls;
mod chaos;
mod clock;
mod config;
mod control;
mod conversation;
mod credentials;
mod dialect;
mod dimensions;
mod events;
mod guest_page;
mod journal;
mod ledger;
mod login;
mod notifying;
mod operation;
mod platform;
mod population;
mod publishing;
mod random;
mod refusal;
mod relay;
mod routing;
mod schedule;
mod signing;
mod simulator;
mod socket_door;
mod sockets;
mod storms;
mod trigger;
mod views;
mod whole_close;
mod world;
mod wrap_up_codes;

pub use chaos::{ChaosSpec, FaultRule, Preset};
pub use config::{
    BodyFormat, Config, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DelayRange, OauthClient, Quota,
    RepeatedDisconnect, ServiceWrapUp, Signing, WebhookAdapter,
};
pub use conversation::{ConversationDisconnect, DisconnectNotice, GuestState};
pub use dialect::Dialect;
pub use journal::{JournalEntry, JournalKind, JournalPage, JournalQuery};
pub use ledger::{Offence, Verdict};
pub use population::{
    AgentPresence, CannotCreate, CreatedConversation, DEFAULT_QUEUE, GuestAct, MessengerSetting,
    NewConversation,
};
pub use signing::SigningUnusable;
pub use simulator::{Simulator, SimulatorBuilder};
pub use sockets::{ShownChannel, SocketAct};
pub use trigger::{CannotTrigger, Trigger, TriggerKind, TriggerResult};
pub use wrap_up_codes::WrapUpCode;
