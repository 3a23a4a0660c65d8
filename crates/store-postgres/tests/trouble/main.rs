//! The store when the server is restarted, its connections are cut, or several stores write at once; on a real server, which
//! `tests/postgres/run` starts. Some of these stop it, so they run one after the other (`--test-threads=1`).

mod encryption;
mod faults;
mod fleet;
mod lists;
mod lives;
mod moving;
mod names;
mod opening;
mod periods;
mod proxy;
mod server;
mod stale;
mod together;
mod unsteady;
