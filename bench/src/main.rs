//! The load driver, its stub of the remote side, and the benchmarks.

fn main() {}
