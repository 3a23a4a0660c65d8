//! What the program knows without running: its configuration, read and checked. It is apart from the program so that whoever checks
//! the program can read a configuration as the program does.

pub mod config;
