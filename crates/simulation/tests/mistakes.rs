//! The simulation bites: each mistake that can be seeded is found, within a bounded number of stories.

use simulation::{Mistake, tell};

/// So many stories are told of each mistake at most.
const STORIES: u64 = 150;

#[test]
fn every_mistake_around_the_machine_is_found() {
    let unfound: Vec<_> = Mistake::AROUND.into_iter().filter(|mistake| !is_found(*mistake)).collect();
    assert!(unfound.is_empty(), "no story finds {unfound:?}");
}

#[cfg(feature = "mutants")]
#[test]
fn mistakes_in_the_machine_are_found_by_what_the_driver_does_with_them() {
    use closure_machine::Mutation;

    // Those that an outsider can see. The machine's own model and stories find every one.
    let seen = [
        Mutation::ReplyIsEvidence,
        Mutation::WrapperWithoutProof,
        Mutation::TimeoutRepeatsTheWrite,
        Mutation::GhostNotAnnounced,
        Mutation::EndMoves,
        Mutation::DoubleCall,
    ];
    let unfound: Vec<_> = seen.into_iter().filter(|seen| !is_found(Mistake::Machine(*seen))).collect();
    assert!(unfound.is_empty(), "no story finds {unfound:?}");
}

fn is_found(mistake: Mistake) -> bool {
    for seed in 0..STORIES {
        if let Err(failure) = tell(seed, Some(mistake)) {
            let (invariant, found) = (failure.invariant, failure.found);
            println!("{mistake:?}: story {}, {invariant} is broken: {found}", seed + 1);
            return true;
        }
    }
    false
}
