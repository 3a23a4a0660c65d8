//! Sources as they run: a broker in memory, a store in memory, a true driver, and a clock that moves by itself.

mod endings;
mod letters;
mod taking;
mod world;
