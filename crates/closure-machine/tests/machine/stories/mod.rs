//! Stories, one for every case of the design.

mod agents;
mod closing;
mod crashes;
mod deaf;
mod events;
mod ghosts;
mod lookups;
mod missing;
mod operators;
mod refusals;
mod returning;
mod together;
mod wrapper;
