//! The double in memory passes the suite, and the suite names all of its cases.

use std::sync::Arc;

use store::{MemoryStore, Store, conformance::Place};

/// A double that stays where it is: opening it again finds what it holds.
#[derive(Default)]
struct Memory(Arc<MemoryStore>);

impl Place for Memory {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0) as Arc<dyn Store>
    }
}

mod conformance {
    use super::Memory;

    store::conformance_tests!(Memory::default());
}

#[test]
fn every_case_is_in_the_list_of_cases() {
    let list = include_str!("../src/conformance.rs");
    let groups = [
        include_str!("../src/conformance/checks.rs"),
        include_str!("../src/conformance/commits.rs"),
        include_str!("../src/conformance/batches.rs"),
        include_str!("../src/conformance/dead_letters.rs"),
        include_str!("../src/conformance/deliveries.rs"),
        include_str!("../src/conformance/journal.rs"),
        include_str!("../src/conformance/lasting.rs"),
        include_str!("../src/conformance/listing.rs"),
        include_str!("../src/conformance/open.rs"),
        include_str!("../src/conformance/upkeep.rs"),
        include_str!("../src/conformance/wake_ups.rs"),
    ];
    let cases = groups.iter().flat_map(|group| group.split("\npub async fn ").skip(1));
    let names: Vec<&str> = cases.filter_map(|case| case.split('(').next()).collect();
    assert!(names.len() > 30, "the cases are found: {names:?}");
    for name in names {
        assert!(list.lines().any(|line| line.trim() == name), "{name} is missing");
    }
}
