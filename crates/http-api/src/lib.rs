//! The HTTP interface for producers, operators and tools.
//!
//! ```text
//! request ─► route table ─► key and role ─► handler ─► orchestrator ─► answer, or problem+json
//! ```
//!
//! - What is answered with 2xx to a command or an act is durable.
//! - Input is strict: an unknown field, parameter or value is refused with the nearest known one.
//! - Who may not see an organisation is told that its closures do not exist.
//! - It never calls Genesys but for a plan (`dryRun`), and that only reads.

mod access;
mod acts;
mod adapters;
mod audit;
mod batches;
mod call;
mod callback;
mod closures;
mod command;
mod configuration;
mod cursor;
mod dead_letters;
mod deliveries;
mod documents;
mod dry_run;
mod events;
mod evidence;
mod explain;
mod form;
mod ghosts;
mod handling;
mod health;
mod hint;
mod hooks;
mod json;
mod listing;
mod metrics;
mod openapi;
mod options;
mod outcome;
mod parameters;
mod policy_texts;
mod problem;
mod query;
mod queued;
mod reference;
mod refusals;
mod report;
mod requests;
mod route;
mod routes;
mod serve;
mod sources;
mod spans;
mod state;
mod submit;
mod suggest;
mod target;
#[cfg(test)]
mod tests;
mod timeline;
mod view;
mod waiting;

pub use access::{AccessKey, InvalidRole, Keys, Lent, Role};
pub use adapters::{AdapterStanding, RefusedTopic};
pub use batches::RowReader;
pub use hint::GhostAdvice;
pub use queued::CommandReader;
pub use serve::router;
pub use state::{
    ApiState, HookStanding, MetricsPage, NoHooks, ReceivedHook, ReceivedHooks, Reload, ShownConfiguration,
    UNKNOWN_HOOK, Version,
};
