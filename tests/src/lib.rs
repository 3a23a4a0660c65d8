//! A harness for process-level tests: the true program as a child process, a simulated Genesys in this one.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test may end where it stands")]

mod broker_deaths;
mod crash_points;
pub mod database;
mod nats;
mod port;
mod program;
mod scene;
mod search;
pub mod stored;

pub use broker_deaths::{Shop, die_around_calls, die_around_each_call};
pub use crash_points::CrashPoints;
pub use nats::{Nats, PATIENCE, publish};
pub use port::free_port;
pub use program::{Ended, program, run};
pub use scene::{Scene, SceneOptions, wait_until};
pub use search::{
    Search, search_the_command_line, search_the_console, search_the_files, search_the_interface,
};
