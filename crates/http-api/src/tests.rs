//! The API before a true driver, a store in memory, and a remote side of a few lines.

mod audit;
mod batches;
mod bulk;
mod commands;
mod deliveries;
mod doors;
mod events;
mod ghosts_by_queue;
mod limits;
mod looks;
mod lookups;
mod operators;
mod outgoing;
mod queues;
mod report;
mod scans;
mod search;
mod world;
