//! The program as a user meets it: real HTTP, a real store on disk, signed webhooks, and real crashes.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod backup;
mod bad_input;
mod batches;
mod callbacks;
mod canaries;
mod closing;
mod command_line;
mod crash_points;
mod crashes;
mod demo;
mod dialects;
mod doctor;
mod full_disk;
mod intentions;
mod lookups;
mod metrics;
mod notifications;
mod operations;
mod page;
mod quota;
mod recipes;
mod returning;
mod rotation;
mod scans;
mod service_manager;
mod setup;
mod silence;
mod special_cases;
mod streams;
mod together;
mod top;
mod traces;
mod upgrade;
mod webhooks;
mod wrap_ups;
