//! Rules that the tree keeps: which crate may use which, how long a file may be, what may not stand in it.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

mod arrows;
mod files;
mod operations;
