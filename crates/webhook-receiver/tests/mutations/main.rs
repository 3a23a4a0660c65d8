//! Genuine deliveries of every scheme, changed at random: none may be taken unless all that its scheme protects is unchanged.
//!
//! What is attacked is the way from bytes to meaning, without HTTP around it: verify, then read. `MUTATED_DELIVERIES` says
//! how many are made (40,000 by default), `MUTATION_SEED` which. A seed makes the same deliveries on every machine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod genuine;
mod mutate;
mod same;

use std::collections::BTreeMap;

use event_bodies::{Decoder, Reading, Unreadable};
use fastrand::Rng;

use crate::{
    genuine::{Sent, Stage, stages},
    mutate::Kind,
};

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

fn read(body: &[u8]) -> Result<Reading, Unreadable> {
    event_bodies::read(Decoder::Auto, body)
}

/// What was made of one kind of change.
#[derive(Default)]
struct Count {
    refused: u64,
    /// Taken, because nothing that the scheme protects was changed: no forgery.
    same: u64,
}

#[test]
fn no_changed_delivery_is_taken() {
    let (wanted, seed) = (number_from("MUTATED_DELIVERIES", 40_000), number_from("MUTATION_SEED", 2_026));
    let mut dice = Rng::with_seed(seed);
    let stages = stages();
    let mut counts: BTreeMap<Kind, Count> = BTreeMap::new();
    for number in 0..wanted {
        let stage = &stages[dice.usize(..stages.len())];
        let (first, sent) = changed(&mut dice, stage, &stages);
        let count = counts.entry(first).or_default();
        let lines = sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let Ok(verified) = stage.hook.verify(lines, &sent.body, sent.now) else {
            count.refused += 1;
            continue;
        };
        let original = stage.genuine.iter().find(|genuine| same::is_same(stage, genuine, &sent));
        let told = || format!("delivery {number} of seed {seed} ({first:?}), {:?}: {sent:?}", stage.scheme);
        let original = original.unwrap_or_else(|| panic!("a changed delivery was taken: {}", told()));
        assert_eq!(read(&sent.body), read(&original.body), "{}", told());
        assert!(verified.signed_at.is_none_or(|time| time == original.time), "{}", told());
        assert!(verified.message_id.is_none_or(|id| id == original.id), "{}", told());
        count.same += 1;
    }
    let (refused, same) =
        counts.values().fold((0, 0), |(refused, same), one| (refused + one.refused, same + one.same));
    println!(
        "{} hooks: {refused} refused, 0 taken of {wanted} changed deliveries; {same} were changed in nothing that is protected",
        stages.len()
    );
    for kind in Kind::ALL {
        let count = counts.get(&kind).unwrap_or_else(|| panic!("{kind:?} was never tried: ask for more"));
        println!("  {kind:?}: {} refused, {} the same", count.refused, count.same);
        assert!(count.refused > 0, "{kind:?} changes nothing");
    }
    assert_eq!(refused + same, wanted);
    assert!(same < wanted / 8, "most changes have to change something: {same}");
}

/// A genuine delivery of this stage with one to three changes, and the kind of the first.
fn changed(dice: &mut Rng, stage: &Stage, stages: &[Stage]) -> (Kind, Sent) {
    let original = &stage.genuine[dice.usize(..stage.genuine.len())];
    let mut sent = original.as_sent();
    let kinds: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| stage.signs() || !kind.is_of_the_body()).collect();
    let first = kinds[dice.usize(..kinds.len())];
    mutate::apply(first, dice, stage, stages, original, &mut sent);
    for _ in 0..[0, 0, 0, 1, 2][dice.usize(..5)] {
        mutate::apply(kinds[dice.usize(..kinds.len())], dice, stage, stages, original, &mut sent);
    }
    (first, sent)
}

#[test]
fn every_genuine_delivery_is_taken_and_read() {
    for stage in stages() {
        for genuine in &stage.genuine {
            let sent = genuine.as_sent();
            let lines = sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            let verified = stage.hook.verify(lines, &sent.body, sent.now);
            assert!(verified.is_ok(), "{:?}: {verified:?}", stage.scheme);
            assert!(same::is_same(&stage, genuine, &sent), "{:?}", stage.scheme);
            assert!(read(&genuine.body).unwrap().what.is_some());
        }
    }
}
