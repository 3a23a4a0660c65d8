//! The machine, checked four ways: stories that people can read, a table of all transitions, properties of random
//! lives, and a model in which everything hostile happens in every order.

mod language;
mod model;
#[cfg(feature = "mutants")]
mod mutants;
mod orders;
mod properties;
mod stories;
mod transitions;

/// A quarter of the time goes into memory that is taken and given back: this one needs less of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
