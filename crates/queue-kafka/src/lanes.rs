//! What was received of each partition, and how far it is settled: pure.
//!
//! ```text
//!  waiting ─take─► in hand ─taken, poison─► done ─the offset behind it is committed─► gone
//!     ▲               │                       │
//!     └─ later, held ─┴── it cannot be committed ──┘
//!        too long
//! ```

use std::{collections::BTreeMap, time::Duration};

use queue::{Message, Receipt, Settlement};
use tokio::time::Instant;

/// Messages that a lane holds before its partition is paused: more than one batch.
const MOST_HELD: usize = 200;

/// The same in bytes.
const MOST_BYTES: usize = 4 * 1_024 * 1_024;

/// The lanes of the partitions that are assigned to this member.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// How long a message may be in hand.
    held: Duration,
    /// Another one for every assignment, so that a receipt of before is known.
    assignments: u64,
    lanes: BTreeMap<i32, Lane>,
    /// Of partitions that were taken away, the last assignment and what was committed in it.
    gone: BTreeMap<i32, (u64, Option<i64>)>,
    /// Which partition was the last to give a message, so that none is always the last.
    last: i32,
}

#[derive(Debug, Default)]
struct Lane {
    assignment: u64,
    held: BTreeMap<i64, Held>,
    bytes: usize,
    /// Nothing is given out before.
    on_hold: Option<Instant>,
    /// Everything before this offset is committed, as far as is known.
    committed: Option<i64>,
    is_paused: bool,
}

#[derive(Debug)]
struct Held {
    message: Message,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// It comes again when it is not settled before.
    InHand(Instant),
    Done,
}

/// A message that was settled: where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    assignment: u64,
}

impl Spot {
    fn of(receipt: &Receipt) -> Option<Self> {
        let mut parts = receipt.0.split('/');
        let spot = Self {
            partition: parts.next()?.parse().ok()?,
            offset: parts.next()?.parse().ok()?,
            assignment: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(spot)
    }

    fn receipt(self) -> Receipt {
        Receipt(format!("{}/{}/{}", self.partition, self.offset, self.assignment))
    }
}

impl Lanes {
    /// No lanes yet, of the consumer of this number: a receipt of an earlier one is none of these.
    pub(crate) fn of_consumer(number: u32, held: Duration) -> Self {
        Self {
            held,
            assignments: u64::from(number) << 32,
            lanes: BTreeMap::new(),
            gone: BTreeMap::new(),
            last: 0,
        }
    }

    /// A partition is assigned to this member.
    pub(crate) fn assign(&mut self, partition: i32) {
        self.assignments += 1;
        let lane = Lane { assignment: self.assignments, ..Lane::default() };
        self.lanes.insert(partition, lane);
    }

    /// A partition is taken away from this member.
    pub(crate) fn revoke(&mut self, partition: i32) {
        if let Some(lane) = self.lanes.remove(&partition) {
            self.gone.insert(partition, (lane.assignment, lane.committed));
        }
    }

    /// A message came. What is known already, or committed, changes nothing.
    pub(crate) fn push(&mut self, partition: i32, offset: i64, message: Message) {
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        if lane.committed.is_some_and(|committed| offset < committed) || lane.held.contains_key(&offset) {
            return;
        }
        lane.bytes += message.body.len();
        lane.held.insert(offset, Held { message, stage: Stage::Waiting });
    }

    /// Up to `most` messages that may be given out now, in the order of each partition.
    pub(crate) fn take(&mut self, most: usize, now: Instant) -> Vec<Message> {
        let mut taken = Vec::new();
        let after = self.lanes.range(self.last.saturating_add(1)..).map(|(partition, _)| *partition);
        let before = self.lanes.range(..=self.last).map(|(partition, _)| *partition);
        let partitions: Vec<i32> = after.chain(before).collect();
        let until = now + self.held;
        for partition in partitions {
            if taken.len() >= most {
                break;
            }
            let Some(lane) = self.lanes.get_mut(&partition) else { continue };
            let before = taken.len();
            lane.take(partition, most - before, now, until, &mut taken);
            if taken.len() > before {
                self.last = partition;
            }
        }
        taken
    }

    /// When something that waits for its time may be given out, the earliest.
    pub(crate) fn next(&self) -> Option<Instant> {
        let of = |lane: &Lane| {
            let free = lane.held.values().filter_map(|held| match held.stage {
                Stage::Waiting => lane.on_hold,
                Stage::InHand(until) => Some(until),
                Stage::Done => None,
            });
            // A lane that is on hold gives nothing before.
            free.min().max(lane.on_hold)
        };
        self.lanes
            .values()
            .filter(|lane| lane.held.values().any(|held| held.stage != Stage::Done))
            .filter_map(of)
            .min()
    }

    /// Notes what became of a message; nothing when the receipt is not, or no longer, valid.
    pub(crate) fn settle(&mut self, receipt: &Receipt, settlement: Settlement, now: Instant) -> Option<Spot> {
        let spot = Spot::of(receipt)?;
        let lane = self.lanes.get_mut(&spot.partition).filter(|lane| lane.assignment == spot.assignment)?;
        let held = lane.held.get_mut(&spot.offset).filter(|held| matches!(held.stage, Stage::InHand(_)))?;
        match settlement {
            Settlement::Taken | Settlement::Poison => held.stage = Stage::Done,
            Settlement::Later(delay) => {
                held.stage = Stage::Waiting;
                let until = now + delay;
                lane.on_hold = Some(lane.on_hold.map_or(until, |on_hold| on_hold.max(until)));
            }
        }
        Some(spot)
    }

    /// Of each partition the offset that can be committed: everything before it is done.
    pub(crate) fn to_commit(&self) -> Vec<(i32, i64)> {
        let of = |(partition, lane): (&i32, &Lane)| Some((*partition, lane.done_before()?));
        self.lanes.iter().filter_map(of).collect()
    }

    /// The broker has confirmed this offset.
    pub(crate) fn committed(&mut self, partition: i32, offset: i64) {
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        lane.committed = lane.committed.max(Some(offset));
        let kept = lane.held.split_off(&offset);
        let gone = std::mem::replace(&mut lane.held, kept);
        lane.bytes -= gone.values().map(|held| held.message.body.len()).sum::<usize>();
    }

    /// Whether the broker has confirmed what became of this message.
    pub(crate) fn is_committed(&self, spot: Spot) -> bool {
        let here = self.lanes.get(&spot.partition).map(|lane| (lane.assignment, lane.committed));
        let gone = self.gone.get(&spot.partition).copied();
        [here, gone].into_iter().flatten().any(|(assignment, committed)| {
            assignment == spot.assignment && committed.is_some_and(|committed| spot.offset < committed)
        })
    }

    /// These offsets could not be committed: what is done before them comes again.
    pub(crate) fn not_committed(&mut self, offsets: &[(i32, i64)]) {
        for (partition, offset) in offsets {
            let Some(lane) = self.lanes.get_mut(partition) else { continue };
            let done = lane.held.range_mut(..offset).filter(|(_, held)| held.stage == Stage::Done);
            done.for_each(|(_, held)| held.stage = Stage::Waiting);
        }
    }

    /// Which partitions are to be paused, and which to go on, from here on.
    pub(crate) fn flow(&mut self, is_resting: bool) -> (Vec<i32>, Vec<i32>) {
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for (partition, lane) in &mut self.lanes {
            let is_full = lane.held.len() >= MOST_HELD || lane.bytes >= MOST_BYTES;
            // Half of it is a pause that is worth its while.
            let has_room = lane.held.len() <= MOST_HELD / 2 && lane.bytes <= MOST_BYTES / 2;
            if !lane.is_paused && (is_resting || is_full) {
                lane.is_paused = true;
                pause.push(*partition);
            } else if lane.is_paused && !is_resting && has_room {
                lane.is_paused = false;
                resume.push(*partition);
            }
        }
        (pause, resume)
    }

    /// How many messages are in hand.
    pub(crate) fn in_hand(&self) -> u64 {
        let held = self.lanes.values().flat_map(|lane| lane.held.values());
        held.filter(|held| matches!(held.stage, Stage::InHand(_))).count() as u64
    }
}

impl Lane {
    fn take(&mut self, partition: i32, most: usize, now: Instant, until: Instant, taken: &mut Vec<Message>) {
        if self.on_hold.is_some_and(|on_hold| now < on_hold) {
            return;
        }
        self.on_hold = None;
        let assignment = self.assignment;
        let free = self.held.iter_mut().filter(|(_, held)| match held.stage {
            Stage::Waiting => true,
            Stage::InHand(until) => until <= now,
            Stage::Done => false,
        });
        for (offset, held) in free.take(most) {
            held.stage = Stage::InHand(until);
            held.message.deliveries = held.message.deliveries.saturating_add(1);
            held.message.receipt = Spot { partition, offset: *offset, assignment }.receipt();
            taken.push(held.message.clone());
        }
    }

    /// Offsets have gaps, so what is held tells what comes next.
    fn done_before(&self) -> Option<i64> {
        let done = self.held.iter().take_while(|(_, held)| held.stage == Stage::Done);
        done.last().map(|(offset, _)| offset + 1)
    }
}

#[cfg(test)]
mod tests;
