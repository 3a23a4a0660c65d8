//! The double in memory passes the suite, and the suite names all of its cases.

use std::{sync::Arc, time::Duration};

use queue::{
    MemoryQueue, Outgoing, Source,
    conformance::{Manners, Place},
};

struct Memory(MemoryQueue);

impl Memory {
    fn empty() -> Self {
        Self(MemoryQueue::new(Duration::from_secs(1)))
    }
}

impl Place for Memory {
    fn manners(&self) -> Manners {
        Manners { held: Duration::from_secs(1), lanes: false, dies: true }
    }

    async fn open(&self) -> Arc<dyn Source> {
        Arc::new(self.0.source())
    }

    async fn publish(&self, outgoing: Outgoing) {
        self.0.publish(outgoing);
    }

    fn address(&self) -> String {
        "endings".to_owned()
    }

    async fn published_back(&self, most: usize) -> Vec<Outgoing> {
        self.0.replies().into_iter().map(|(_, reply)| reply).take(most).collect()
    }

    async fn kill(&self) {
        self.0.kill();
    }

    async fn restart(&self) {
        self.0.restart();
    }
}

mod conformance {
    use super::Memory;

    queue::conformance_tests!(Memory::empty());
}

#[test]
fn every_case_is_in_the_list_of_cases() {
    let list = include_str!("../src/conformance.rs");
    let groups = [
        include_str!("../src/conformance/arriving.rs"),
        include_str!("../src/conformance/outages.rs"),
        include_str!("../src/conformance/replies.rs"),
        include_str!("../src/conformance/settling.rs"),
        include_str!("../src/conformance/sharing.rs"),
        include_str!("../src/conformance/standing.rs"),
    ];
    let cases = groups.iter().flat_map(|group| group.split("\npub async fn ").skip(1));
    let names: Vec<&str> = cases.filter_map(|case| case.split('(').next()).collect();
    assert!(names.len() > 20, "the cases are found: {names:?}");
    for name in names {
        assert!(list.lines().any(|line| line.trim() == name), "{name} is missing");
    }
}
