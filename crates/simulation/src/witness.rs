//! Who sees every commit, call, reply and event, knows nothing of what is in the memory of a replica, and says what must not be.

use std::collections::{BTreeMap, BTreeSet};

use closure_machine::{Closure, End, GhostReason, Order, Policy, Request, Step, Target, Turn, check};
use genesys_types::{CommunicationId, ConversationId, Snapshot};
use orchestrator::{Record, names};
use store::{ClosureKey, Commit, Line, Millis};

use crate::conversation::Conversation;

/// A call may leave so long after its intent was written at the latest: a process that stood still for longer may have been
/// taken for gone (ADR 24: two seconds after the permit, which is taken before the intent).
const LEAVES_WITHIN: Millis = 2_000;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Its number in the design, or a word.
    pub(crate) invariant: &'static str,
    pub(crate) found: String,
}

/// A closure as it was last committed.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) version: u64,
    pub(crate) closure: Closure,
    ghost_told: Option<GhostReason>,
    ends_told: u32,
}

/// A call that was committed as in flight, and has not left.
#[derive(Debug)]
struct Intent {
    request: Request,
    at: Millis,
    /// The legs of the guest that its closure knew.
    legs: Vec<CommunicationId>,
}

/// What was seen so far.
pub(crate) struct Witness {
    policy: Policy,
    pub(crate) rows: BTreeMap<ClosureKey, Row>,
    open: BTreeMap<(String, ConversationId), ClosureKey>,
    keys: BTreeMap<(String, String), ClosureKey>,
    inbox: BTreeSet<(String, String)>,
    intents: BTreeMap<ConversationId, Vec<Intent>>,
    /// The closes of each conversation that left since the last read that was answered.
    asked: BTreeMap<ConversationId, Vec<Request>>,
    /// The legs of whose end a replica was told.
    evidence: BTreeSet<CommunicationId>,
    /// The conversations of whose end a replica was told.
    ended: BTreeSet<ConversationId>,
    /// How many lines all journals have.
    lines: u64,
    /// The places of the lines that tell of an end, and whether a receiver was told.
    reports: BTreeMap<u64, bool>,
    pub(crate) broken: Option<Broken>,
}

impl Witness {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            rows: BTreeMap::new(),
            open: BTreeMap::new(),
            keys: BTreeMap::new(),
            inbox: BTreeSet::new(),
            intents: BTreeMap::new(),
            asked: BTreeMap::new(),
            evidence: BTreeSet::new(),
            ended: BTreeSet::new(),
            lines: 0,
            reports: BTreeMap::new(),
            broken: None,
        }
    }

    pub(crate) fn breaks(&mut self, invariant: &'static str, found: impl Into<String>) {
        if self.broken.is_none() {
            self.broken = Some(Broken { invariant, found: found.into() });
        }
    }

    fn holds(&mut self, holds: bool, invariant: &'static str, found: impl FnOnce() -> String) {
        if !holds {
            self.breaks(invariant, found());
        }
    }

    /// The closure that a key stands for.
    pub(crate) fn key(&self, scope: &str, key: &str) -> Option<ClosureKey> {
        self.keys.get(&(scope.to_owned(), key.to_owned())).copied()
    }

    /// Whether an event was remembered.
    pub(crate) fn remembers(&self, adapter: &str, event: &str) -> bool {
        self.inbox.contains(&(adapter.to_owned(), event.to_owned()))
    }

    /// The closures that have not ended.
    pub(crate) fn open_closures(&self) -> impl Iterator<Item = (ClosureKey, &Row)> {
        self.rows.iter().filter(|(_, row)| !row.closure.has_ended()).map(|(key, row)| (*key, row))
    }

    /// A commit was taken. Answers what it made of its closure.
    pub(crate) fn committed(&mut self, at: Millis, commit: &Commit) -> Option<&'static str> {
        if let Some(entry) = &commit.inbox {
            let new = self.inbox.insert((entry.adapter.clone(), entry.event.clone()));
            self.holds(new, "I9", || format!("the event {} was taken twice", entry.event));
        }
        if let Some(entry) = &commit.key {
            let before = self.keys.insert((entry.scope.clone(), entry.key.clone()), entry.closure);
            self.holds(before.is_none(), "I9", || format!("the key {} was used twice", entry.key));
        }
        let (row, expected) = commit.closure.as_ref()?;
        let record = match Record::from_row(row) {
            Ok(record) => record,
            Err(why) => {
                self.breaks("row", format!("a row cannot be read: {why}"));
                return None;
            }
        };
        let before = self.rows.remove(&row.key);
        self.versions(before.as_ref(), *expected, row.version, &commit.lines);
        let next = record.closure;
        self.columns(row, &next);
        self.one_open(row, &next);
        self.is_sought(row, &next);
        if let Some(before) = &before {
            let left = before.closure.has_ended() && before.closure.step != next.step;
            self.holds(!left, "I6", || format!("the end {:?} was left", before.closure.step));
        }
        if let Err(broken) = check(&next, &self.policy) {
            self.breaks(broken.invariant, broken.found);
        }
        let ghost_told = self.ghosts(before.as_ref(), &next, &commit.lines);
        for line in &commit.lines {
            self.lines += 1;
            if is_end(line) {
                self.reports.insert(self.lines, false);
            }
        }
        let ends_told = before.as_ref().map_or(0, |before| before.ends_told) + ends(&commit.lines);
        self.holds(ends_told <= 1, "I6", || format!("the ends of {} were told: {ends_told}", row.key));
        self.intent(at, before.as_ref(), &next);
        self.proof(before.as_ref(), &next);
        let state = names::state(&next);
        self.rows.insert(row.key, Row { version: row.version, closure: next, ghost_told, ends_told });
        Some(state)
    }

    fn versions(&mut self, before: Option<&Row>, expected: u64, version: u64, lines: &[Line]) {
        let stored = before.map_or(0, |before| before.version);
        self.holds(stored == expected, "I5", || {
            format!("a writer that saw version {expected} wrote over version {stored}")
        });
        let counts = lines.iter().map(|line| line.sequence).eq(expected + 1..=version);
        self.holds(counts, "I5", || format!("from version {expected} to {version} there are other lines"));
    }

    fn columns(&mut self, row: &store::Row, next: &Closure) {
        let agrees = row.ended == next.has_ended()
            && row.state == names::state(next)
            && row.version == next.sequence
            && row.conversation == next.conversation.map(ConversationId::uuid);
        self.holds(agrees, "I8", || format!("the row lists {} and is {:?}", row.state, next.step));
        let wakes = row.wake_at.is_some() != row.ended;
        self.holds(wakes, "I7", || format!("the row {} has no wake-up, or an ended one has", row.key));
    }

    fn one_open(&mut self, row: &store::Row, next: &Closure) {
        let Some(conversation) = next.conversation else { return };
        let place = (row.organisation.clone(), conversation);
        let other = self.open.get(&place).copied().filter(|other| *other != row.key);
        if next.has_ended() {
            if other.is_none() {
                self.open.remove(&place);
            }
            return;
        }
        self.holds(other.is_none(), "I4", || format!("two closures of {conversation} are open"));
        self.open.insert(place, row.key);
    }

    /// A closure whose command named the guest is of the conversation of that guest.
    fn is_sought(&mut self, row: &store::Row, next: &Closure) {
        let Some((sought, conversation)) = next.sought.as_ref().zip(next.conversation) else { return };
        let (Target::ExternalId(id) | Target::Attribute { value: id, .. }) = &sought.target;
        self.holds(Conversation::known_by(id) == Some(conversation), "target", || {
            format!("{} is to close the conversation of {id}, and would close {conversation}", row.key)
        });
    }

    fn ghosts(&mut self, before: Option<&Row>, next: &Closure, lines: &[Line]) -> Option<GhostReason> {
        let detected = told(lines, "ghost-detected.v1");
        let known = before.and_then(|before| before.ghost_told);
        let Step::Ghost(ghost) = next.step else { return known.filter(|_| next.haunted.is_some()) };
        let reason = Some(ghost.reason);
        self.holds(known == reason || detected > 0, "I8", || format!("a ghost was not told of: {ghost:?}"));
        self.holds(known != reason || detected == 0, "I8", || {
            format!("a ghost was told of twice: {ghost:?}")
        });
        reason
    }

    fn intent(&mut self, at: Millis, before: Option<&Row>, next: &Closure) {
        let Some(conversation) = next.conversation else { return };
        if next.step == Step::Forcing && before.is_none_or(|before| before.closure.step != Step::Forcing) {
            // An operator's word stands for a read.
            self.forget_asked(conversation, Request::Disconnect);
        }
        let Turn::InFlight { call, request, .. } = next.turn else { return };
        let same = before.is_some_and(
            |before| matches!(before.closure.turn, Turn::InFlight { call: was, .. } if was == call),
        );
        if !same {
            let legs = next.guests.iter().filter_map(|leg| leg.communication).collect();
            self.intents.entry(conversation).or_default().push(Intent { request, at, legs });
        }
    }

    /// An end that claims proof has some: a replica was told of the end of every leg, or of the whole.
    fn proof(&mut self, before: Option<&Row>, next: &Closure) {
        let was_open = before.is_none_or(|before| !before.closure.has_ended());
        let Step::Ended(ending) = next.step else { return };
        if !was_open || !matches!(ending.end, End::Closed | End::AlreadyClosed) {
            return;
        }
        let Some(conversation) = next.conversation else { return };
        let told = |leg: &closure_machine::GuestLeg| {
            leg.communication.is_some_and(|communication| self.evidence.contains(&communication))
        };
        let proven = self.ended.contains(&conversation) || next.guests.iter().all(told);
        self.holds(proven, "I1", || format!("{conversation} counts as closed and nothing ever showed it"));
    }

    /// A call leaves.
    pub(crate) fn leaves(&mut self, at: Millis, truth: &Conversation, request: Request) {
        let conversation = truth.id;
        let intents = self.intents.entry(conversation).or_default();
        // The latest: an earlier one of the same kind belonged to a process that never made its call.
        let Some(place) = intents.iter().rposition(|intent| intent.request == request) else {
            return self
                .breaks("I2", format!("{request:?} leaves for {conversation} and was not written down"));
        };
        let intent = intents.remove(place);
        self.holds(at - intent.at <= LEAVES_WITHIN, "I5", || {
            format!("{request:?} leaves for {conversation} {} ms after it was written down", at - intent.at)
        });
        if !request.is_write() || matches!(request, Request::GiveWrapUp { .. }) {
            return;
        }
        let asked = self.asked.entry(conversation).or_default();
        if asked.contains(&request) {
            self.breaks("ask", format!("{request:?} leaves for {conversation} twice between two reads"));
        } else {
            asked.push(request);
        }
        if matches!(request, Request::CloseWrapper(_)) && self.policy.order == Order::GuestFirst {
            self.wrapper_is_asked(truth, &intent.legs);
        }
    }

    /// I1, by the truth and by what replicas were told.
    fn wrapper_is_asked(&mut self, truth: &Conversation, legs: &[CommunicationId]) {
        for leg in legs {
            let there = truth.is_there(*leg);
            self.holds(!there, "I1", || {
                format!("the wrapper of {} is closed while its guest is there", truth.id)
            });
            let told = self.evidence.contains(leg) || self.ended.contains(&truth.id);
            self.holds(told, "I1", || format!("the wrapper of {} is closed without evidence", truth.id));
        }
        self.holds(!legs.is_empty(), "I1", || format!("the wrapper of {} is closed unread", truth.id));
    }

    /// A call did not leave.
    pub(crate) fn stays(&mut self, conversation: ConversationId, request: Request) {
        let intents = self.intents.entry(conversation).or_default();
        if let Some(place) = intents.iter().rposition(|intent| intent.request == request) {
            intents.remove(place);
        }
    }

    /// A read was answered.
    pub(crate) fn was_read(&mut self, conversation: ConversationId) {
        self.asked.remove(&conversation);
    }

    /// A close was refused before it was looked at: it may be asked again.
    pub(crate) fn forget_asked(&mut self, conversation: ConversationId, request: Request) {
        if let Some(asked) = self.asked.get_mut(&conversation) {
            asked.retain(|asked| *asked != request);
        }
    }

    /// A replica is told how a conversation stands.
    pub(crate) fn shown(&mut self, conversation: ConversationId, snapshot: &Snapshot) {
        let over = snapshot.guest_legs().filter(|leg| leg.state.is_over());
        self.evidence.extend(over.filter_map(|leg| leg.communication));
        if snapshot.ended_at.is_some() {
            self.ended.insert(conversation);
        }
    }

    /// A receiver is told of the line at this place.
    pub(crate) fn reported(&mut self, position: u64) {
        match self.reports.get_mut(&position) {
            Some(told) => *told = true,
            None => self
                .breaks("I3", format!("the line {position} was told of and is no end that is written down")),
        }
    }

    /// An end of which no receiver was told.
    pub(crate) fn untold(&self) -> Option<u64> {
        self.reports.iter().find(|(_, told)| !**told).map(|(position, _)| *position)
    }

    /// A replica is told that the whole ended.
    pub(crate) fn told_of_the_end(&mut self, conversation: ConversationId) {
        self.ended.insert(conversation);
    }

    /// A replica is told that a leg ended.
    pub(crate) fn told_of(&mut self, leg: CommunicationId) {
        self.evidence.insert(leg);
    }
}

/// How often lines announce something.
fn told(lines: &[Line], what: &str) -> usize {
    let announces = |line: &&Line| line.body.windows(what.len()).any(|window| window == what.as_bytes());
    lines.iter().filter(|line| line.announcement.is_some()).filter(announces).count()
}

/// How many ends lines announce.
fn ends(lines: &[Line]) -> u32 {
    u32::try_from(lines.iter().filter(|line| is_end(line)).count()).unwrap_or(u32::MAX)
}

fn is_end(line: &Line) -> bool {
    const ENDS: [&str; 5] = ["closed", "already-closed", "failed", "cancelled", "resolved"];
    let name = line.announcement.as_deref().and_then(|name| name.strip_prefix("closeout.closure."));
    name.and_then(|name| name.strip_suffix(".v1")).is_some_and(|name| ENDS.contains(&name))
}
