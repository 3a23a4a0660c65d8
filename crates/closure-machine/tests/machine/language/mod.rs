//! The words in which the machine's tests are told.

mod names;
mod scene;
mod story;

pub use names::{request_name, step_name, told_name};
pub use scene::*;
pub use story::Story;

use closure_machine::Policy;

/// The policy that every test begins with: the defaults, with the seeded mistake of this run, if there is one.
pub fn plain_policy() -> Policy {
    Policy {
        #[cfg(feature = "mutants")]
        mutation: seeded(),
        ..Policy::default()
    }
}

/// The mistake that the environment names.
#[cfg(feature = "mutants")]
fn seeded() -> Option<closure_machine::Mutation> {
    let name = std::env::var(SEEDED).ok()?;
    let found = closure_machine::Mutation::ALL.into_iter().find(|mutation| format!("{mutation:?}") == name);
    Some(found.expect("the environment names a mistake"))
}

/// The variable of the environment that names the mistake to seed.
#[cfg(feature = "mutants")]
pub const SEEDED: &str = "SEEDED_MISTAKE";
