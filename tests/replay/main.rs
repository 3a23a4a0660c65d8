//! The corpus of the fuzzers, without a fuzzer: each input goes through its door again, and so do some dozens of changes of it.
//!
//! What a fuzzer finds is made smaller and added to the corpus, so that it stays found.

#![expect(clippy::unwrap_used, reason = "a test may end where it stands")]

#[path = "../../fuzz/src/doors.rs"]
mod doors;

use std::{fs, path::Path};

use fastrand::Rng;

/// Changed copies of each input, where `REPLAY_CHANGES` does not say how many.
const CHANGED: usize = 60;

fn corpus(door: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(door);
    let mut all: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect();
    all.sort();
    assert!(all.len() >= 5, "{} has lost its inputs", folder.display());
    all
}

#[test]
fn every_door_bears_its_corpus_and_takes_some_of_it() {
    for (door, enter) in doors::DOORS {
        let taken = corpus(door).into_iter().filter(|(_, input)| enter(input)).count();
        assert!(taken >= 5, "{door} takes only {taken}: the corpus is no longer of the form that is read");
    }
}

#[test]
fn every_door_bears_changes_of_its_corpus() {
    let changes = std::env::var("REPLAY_CHANGES").map_or(CHANGED, |text| text.parse().unwrap());
    for (door, enter) in doors::DOORS {
        let mut dice = Rng::with_seed(2_026);
        let inputs = corpus(door);
        for (_, input) in &inputs {
            for _ in 0..changes {
                enter(&changed(&mut dice, input, &inputs));
            }
        }
    }
}

/// One to four changes: a byte, a cut, a copy, or a part of another input.
fn changed(dice: &mut Rng, input: &[u8], inputs: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..dice.usize(1..5) {
        let at = dice.usize(..=bytes.len());
        let until = dice.usize(at..=bytes.len());
        match dice.u8(..5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.u8(..8),
            1 => bytes.insert(at, b"\"\\{}[]:,0-. \n\xc3"[dice.usize(..14)]),
            2 => drop(bytes.drain(at..until.min(at + 40))),
            3 => bytes.extend_from_within(at..until.min(at + 40)),
            _ => {
                let (_, other) = &inputs[dice.usize(..inputs.len())];
                let from = dice.usize(..=other.len());
                bytes.splice(at..at, other[from..].iter().take(40).copied());
            }
        }
    }
    bytes
}
