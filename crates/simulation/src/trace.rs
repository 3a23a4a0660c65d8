//! What happened in a story, in order, and a number that two tellings of the same story have in common.

use std::{
    collections::{BTreeSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use closure_machine::{Act, Request};
use genesys_types::{CommunicationId, ConversationId};
use store::{ClosureKey, Millis};

/// So many of the latest lines are kept for whoever has to understand a failure.
const KEPT: usize = 160;

/// One thing that happened.
#[derive(Debug, Clone, Hash)]
pub(crate) enum Told {
    Started {
        replica: usize,
        life: u32,
    },
    Crashed {
        replica: usize,
    },
    StandsStill {
        replica: usize,
        until: Millis,
    },
    GoesOn {
        replica: usize,
    },
    CutOff {
        replica: usize,
        until: Millis,
    },
    StoreAway {
        until: Millis,
    },
    FaultsEnd,
    StoreFailed {
        replica: usize,
        what: &'static str,
        applied: bool,
    },
    Committed {
        replica: usize,
        closure: ClosureKey,
        version: u64,
        state: &'static str,
    },
    TakenOver {
        replica: usize,
        closures: usize,
    },
    Left {
        replica: usize,
        conversation: ConversationId,
        request: Request,
    },
    NotSent {
        replica: usize,
        conversation: ConversationId,
        request: Request,
    },
    Arrived {
        conversation: ConversationId,
        request: Request,
    },
    Answered {
        conversation: ConversationId,
        request: Request,
        reply: &'static str,
        heard: bool,
    },
    ReadsMany {
        replica: usize,
        conversations: usize,
    },
    ReadsManyNotSent {
        replica: usize,
    },
    ManyAnswered {
        reply: &'static str,
        over: usize,
        heard: bool,
    },
    LegEnded {
        conversation: ConversationId,
        leg: u32,
    },
    GuestCame {
        conversation: ConversationId,
        leg: u32,
    },
    Ended {
        conversation: ConversationId,
    },
    Posted {
        replica: usize,
        event: u32,
        tries: u32,
        by: &'static str,
        says: &'static str,
        leg: Option<CommunicationId>,
    },
    HookAnswered {
        event: u32,
        status: u16,
    },
    Asked {
        replica: usize,
        command: u32,
    },
    Acknowledged {
        command: u32,
        closure: ClosureKey,
    },
    Refused {
        command: u32,
        why: &'static str,
    },
    Published {
        command: u32,
    },
    Settled {
        command: u32,
    },
    Reported {
        position: u64,
    },
    Broker {
        what: &'static str,
    },
    Acts {
        replica: usize,
        closure: ClosureKey,
        act: Act,
    },
    Acted {
        closure: ClosureKey,
        done: bool,
    },
}

/// The trace of one story.
pub(crate) struct Trace {
    hash: DefaultHasher,
    lines: VecDeque<(Millis, Told)>,
    told: u64,
    /// What was seen at all, so that tests can tell whether stories have everything in them.
    seen: BTreeSet<&'static str>,
}

impl Default for Trace {
    fn default() -> Self {
        // This hasher has fixed keys, other than that of a hash map.
        Self {
            hash: DefaultHasher::new(),
            lines: VecDeque::with_capacity(KEPT),
            told: 0,
            seen: BTreeSet::new(),
        }
    }
}

impl Trace {
    pub(crate) fn note(&mut self, at: Millis, told: Told) {
        (at, &told).hash(&mut self.hash);
        self.told += 1;
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back((at, told));
    }

    pub(crate) fn saw(&mut self, what: &'static str) {
        self.seen.insert(what);
    }

    pub(crate) fn seen(&self) -> BTreeSet<&'static str> {
        self.seen.clone()
    }

    /// How much was told.
    pub(crate) fn told(&self) -> u64 {
        self.told
    }

    /// The number of the whole story.
    pub(crate) fn hash(&self) -> u64 {
        self.hash.finish()
    }

    /// The latest lines, with the time since the story began.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(at, told): &(Millis, Told)| {
            let told = format!("{told:?}").replace("Hyphenated(", "(");
            format!("{:>9.3} s  {told}", f64::from(u32::try_from(*at).unwrap_or(u32::MAX)) / 1_000.0)
        };
        self.lines.iter().map(line).collect()
    }
}
