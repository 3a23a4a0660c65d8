//! The checks check: each mistake that can be seeded is found, by an invariant of the model or by a story.

use std::process::Command;

use closure_machine::Mutation;

use crate::{
    language::SEEDED,
    model::{casts, visit},
};

/// So many states of each cast are enough to find a mistake, or to leave it to the stories.
const STATES: usize = 30_000;

#[test]
fn every_seeded_mistake_is_found() {
    let mut unfound = Vec::new();
    let mut by_the_model = 0;
    for mutation in Mutation::ALL {
        let invariant = broken_invariant(mutation);
        let stories = failing_stories(mutation);
        by_the_model += usize::from(invariant.is_some());
        if invariant.is_none() && stories.is_empty() {
            unfound.push(mutation);
        }
        let model = invariant.unwrap_or_else(|| "no invariant".into());
        let first = stories.first().map_or("no story", String::as_str);
        println!("{mutation:?}: {model}; {} stories, first {first}", stories.len());
    }
    println!("{by_the_model} of {} by the model", Mutation::ALL.len());
    assert!(unfound.is_empty(), "nothing finds {unfound:?}");
}

#[test]
fn without_a_mistake_nothing_is_found() {
    let mut quick = casts();
    quick.truncate(2);
    for cast in quick {
        assert!(visit(cast, Some(STATES)).broken.is_empty());
    }
}

/// The first invariant that the model finds broken, with the cast.
fn broken_invariant(mutation: Mutation) -> Option<String> {
    casts().into_iter().find_map(|mut cast| {
        cast.policy.mutation = Some(mutation);
        let name = cast.name;
        let found = visit(cast, Some(STATES));
        found.broken.first().map(|(invariant, _)| format!("{invariant} ({name})"))
    })
}

/// The stories that fail, run by this same program with the mistake in its environment.
fn failing_stories(mutation: Mutation) -> Vec<String> {
    let program = std::env::current_exe().expect("a test knows its program");
    let output = Command::new(program)
        .args(["stories::", "--test-threads=2"])
        .env(SEEDED, format!("{mutation:?}"))
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("the stories run");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = printed.lines().filter_map(|line| line.strip_suffix(" ... FAILED"));
    failed.filter_map(|line| line.strip_prefix("test stories::")).map(str::to_owned).collect()
}
