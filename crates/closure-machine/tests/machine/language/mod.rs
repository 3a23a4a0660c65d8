//! The words in which the machine's tests are told.

mod names;
mod scene;
mod story;

pub use names::step_name;
pub use scene::*;
pub use story::Story;

use closure_machine::Policy;

/// The policy that every test begins with: the defaults, with the seeded mistake of this run, if there is one.
pub fn plain_policy() -> Policy {
    Policy::default()
}
