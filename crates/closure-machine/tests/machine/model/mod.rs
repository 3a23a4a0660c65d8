//! The machine against a remote side that does whatever it likes, in every order.
//!
//! One durable row, which every commit compares by version; a second replica that always acts on the row as it was
//! before; a remote whose reads may be stale, whose answers to writes are arbitrary and may never come, whose events
//! arrive never, late, or again and again; events forged in whatever a signature does not forbid; a guest who leaves and
//! comes back; operators at any moment. What a crash loses is what is in flight, which is the same as an answer that never
//! comes. The state space is finite because times are kept as ages and no age is told apart once it exceeds all waits.

mod canonical;
mod casts;
mod remote;
mod watch;
mod world;

pub use casts::{Cast, casts};
use stateright::{Checker, HasDiscoveries, Model as _};
use std::collections::BTreeSet;
pub use world::Model;

/// What one cast's run found.
#[derive(Debug)]
pub struct Found {
    pub states: usize,
    pub broken: Vec<(&'static str, String)>,
    pub reached: BTreeSet<&'static str>,
}

/// Visits every state of one cast, or at most so many, or those up to the first that breaks an invariant.
pub fn visit(cast: Cast, most: Option<usize>) -> Found {
    let model = Model::new(cast);
    let builder = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    let builder = match most {
        Some(most) => builder.target_state_count(most),
        None => builder,
    };
    let checker = builder.spawn_bfs().join();
    let mut found =
        Found { states: checker.unique_state_count(), broken: Vec::new(), reached: BTreeSet::new() };
    for (name, path) in checker.discoveries() {
        if watch::GOALS.iter().any(|(goal, _)| *goal == name) {
            found.reached.insert(name);
        } else {
            let what = path.last_state().witness.broken.as_ref().map_or("", |broken| broken.found);
            let steps: Vec<String> = path.into_actions().iter().map(|action| format!("{action:?}")).collect();
            found.broken.push((name, format!("{what}\n  {}", steps.join("\n  "))));
        }
    }
    found
}

#[test]
fn the_invariants_hold_whatever_happens_in_whatever_order() {
    let mut states = 0;
    let mut reached = BTreeSet::new();
    let mut broken = Vec::new();
    for cast in casts() {
        let name = cast.name;
        let began = std::time::Instant::now();
        let found = visit(cast, None);
        println!("{name}: {} states, {:.1} s", found.states, began.elapsed().as_secs_f32());
        for (invariant, path) in &found.broken {
            println!("{name} breaks: {invariant}\n  {path}");
        }
        broken.extend(found.broken.iter().map(|(invariant, _)| (name, *invariant)));
        states += found.states;
        reached.extend(found.reached);
    }
    assert!(broken.is_empty(), "{broken:?}");
    println!("{states} unique states in all");
    let missed: Vec<_> = watch::GOALS.iter().filter(|(goal, _)| !reached.contains(goal)).collect();
    assert!(
        missed.is_empty(),
        "never reached: {:?}",
        missed.iter().map(|(goal, _)| goal).collect::<Vec<_>>()
    );
}
