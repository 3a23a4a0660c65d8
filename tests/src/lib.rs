//! A harness for process-level tests: the true program as a child process, a simulated Genesys in this one.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test may end where it stands")]

pub mod database;
mod deaths;
mod nats;
mod port;
mod program;
mod receiver;
mod scene;
mod search;
pub mod stored;

pub use deaths::{
    CrashPoints, Pairs, Shop, die_around_calls, die_around_closures, die_around_each_call,
    die_in_each_scenario,
};
pub use nats::{Nats, PATIENCE, publish};
pub use port::free_port;
pub use program::{Ended, program, run};
pub use receiver::{RECEIVER_SECRET, Receiver};
pub use scene::{Scene, SceneOptions, wait_until};
pub use search::{
    Search, search_the_command_line, search_the_console, search_the_files, search_the_interface,
};
