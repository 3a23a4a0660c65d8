//! The service dies at points that it names (`crates/closeout/src/serve/crash_points`), and nothing is lost by it: those of
//! conversations, those around closures, and those before a broker.

mod around;
mod at_brokers;
mod of_conversations;
mod points;

pub use around::die_around_closures;
pub use at_brokers::{Shop, die_around_calls, die_around_each_call};
pub use of_conversations::{Pairs, die_in_each_scenario};
pub use points::CrashPoints;
