//! The embedded store: one writer thread, full sync, group commit.
