//! Closes Genesys Cloud messaging sessions and proves that they closed.

mod config;

fn main() {}
