//! Lives of the real machine as spans, and a collector that gets them.

mod collector;
mod life;
mod properties;
mod stories;
mod telling;
