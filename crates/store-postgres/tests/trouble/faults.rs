//! Something fails at each step in turn: a message to the server, a row that it writes.
//!
//! What was answered is there, what was refused is there as a whole or not at all, and the store goes on without being opened anew.
//! None of these stops the server, so they run beside each other.

mod breaker;
mod each_message;
mod each_read;
mod each_row;
mod opening;
mod scene;
mod taken;
