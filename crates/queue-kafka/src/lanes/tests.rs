//! Scenes of lanes.

use bytes::Bytes;
use queue::Headers;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn message(offset: i64) -> Message {
    Message {
        receipt: Receipt(String::new()),
        place: format!("closures/0/{offset}"),
        id: None,
        deliveries: 0,
        headers: Headers::default(),
        reply_to: None,
        body: Bytes::from(offset.to_string()),
    }
}

/// One partition with these offsets.
fn lanes(offsets: &[i64]) -> Lanes {
    let mut lanes = Lanes::of_consumer(1, SECOND * 30);
    lanes.assign(0);
    offsets.iter().for_each(|offset| lanes.push(0, *offset, message(*offset)));
    lanes
}

fn offsets(messages: &[Message]) -> Vec<i64> {
    messages.iter().map(|message| Spot::of(&message.receipt).unwrap().offset).collect()
}

fn settle(lanes: &mut Lanes, message: &Message, settlement: Settlement) -> Option<Spot> {
    lanes.settle(&message.receipt, settlement, Instant::now())
}

#[test]
fn nothing_is_committed_past_a_message_that_is_not_settled() {
    let mut lanes = lanes(&[3, 4, 7, 8]);
    let taken = lanes.take(10, Instant::now());
    assert_eq!(offsets(&taken), [3, 4, 7, 8]);
    assert_eq!(lanes.to_commit(), []);
    let behind = settle(&mut lanes, &taken[2], Settlement::Taken).unwrap();
    assert_eq!(lanes.to_commit(), [], "3 and 4 are in hand");
    settle(&mut lanes, &taken[0], Settlement::Taken).unwrap();
    assert_eq!(lanes.to_commit(), [(0, 4)]);
    settle(&mut lanes, &taken[1], Settlement::Poison).unwrap();
    assert_eq!(lanes.to_commit(), [(0, 8)], "the gap is no message");
    assert!(!lanes.is_committed(behind));
    lanes.committed(0, 8);
    assert!(lanes.is_committed(behind));
    assert_eq!(lanes.to_commit(), []);
    assert_eq!(lanes.in_hand(), 1);
}

#[test]
fn what_is_for_later_holds_its_lane_and_no_other() {
    let mut lanes = lanes(&[0, 1, 2]);
    lanes.assign(1);
    let begin = Instant::now();
    let taken = lanes.take(2, begin);
    lanes.settle(&taken[0].receipt, Settlement::Later(SECOND), begin).unwrap();
    settle(&mut lanes, &taken[1], Settlement::Taken).unwrap();
    lanes.push(1, 50, message(50));
    assert_eq!(offsets(&lanes.take(10, begin)), [50]);
    assert_eq!(lanes.next(), Some(begin + SECOND));
    assert_eq!(lanes.to_commit(), []);
    let again = lanes.take(10, begin + SECOND);
    assert_eq!(offsets(&again), [0, 2], "1 is done, and need not come again");
    assert_eq!((again[0].deliveries, again[1].deliveries), (2, 1));
    settle(&mut lanes, &again[0], Settlement::Taken).unwrap();
    assert_eq!(lanes.to_commit(), [(0, 2)]);
    assert_eq!(lanes.next(), Some(begin + SECOND * 30), "50 is in hand");
}

#[test]
fn what_is_in_hand_too_long_comes_again() {
    let (mut lanes, begin) = (lanes(&[0, 1]), Instant::now());
    assert_eq!(lanes.next(), None);
    let taken = lanes.take(1, begin);
    assert_eq!(lanes.next(), Some(begin + SECOND * 30));
    assert_eq!(offsets(&lanes.take(10, begin + SECOND * 29)), [1]);
    let again = lanes.take(10, begin + SECOND * 30);
    assert_eq!((offsets(&again), again[0].deliveries), (vec![0], 2));
    assert!(settle(&mut lanes, &taken[0], Settlement::Taken).is_some(), "what is taken is taken");
    assert_eq!(lanes.to_commit(), [(0, 1)]);
    let later = Settlement::Later(SECOND * 60);
    lanes.push(0, 2, message(2));
    lanes.settle(&lanes_receipt(1), later, begin + SECOND * 30).unwrap();
    assert_eq!(lanes.next(), Some(begin + SECOND * 90));
}

/// The receipt of an offset of the only partition.
fn lanes_receipt(offset: i64) -> Receipt {
    Spot { partition: 0, offset, assignment: (1 << 32) + 1 }.receipt()
}

#[test]
fn what_could_not_be_committed_comes_again_and_a_late_confirmation_ends_that() {
    let mut lanes = lanes(&[0, 1]);
    let taken = lanes.take(10, Instant::now());
    taken.iter().for_each(|message| {
        settle(&mut lanes, message, Settlement::Taken).unwrap();
    });
    let asked = lanes.to_commit();
    assert_eq!(asked, [(0, 2)]);
    lanes.not_committed(&asked);
    assert_eq!(lanes.to_commit(), []);
    let again = lanes.take(1, Instant::now());
    assert_eq!((offsets(&again), again[0].deliveries), (vec![0], 2));
    lanes.committed(0, 2);
    assert_eq!(lanes.take(10, Instant::now()), []);
    assert_eq!(settle(&mut lanes, &again[0], Settlement::Taken), None);
    lanes.push(0, 1, message(1));
    assert_eq!(lanes.take(10, Instant::now()), [], "it is committed");
}

#[test]
fn a_receipt_of_before_is_none() {
    let mut lanes = lanes(&[0]);
    let before = lanes.take(1, Instant::now());
    lanes.revoke(0);
    assert_eq!(settle(&mut lanes, &before[0], Settlement::Taken), None);
    lanes.assign(0);
    lanes.push(0, 0, message(0));
    let after = lanes.take(1, Instant::now());
    assert_eq!(settle(&mut lanes, &before[0], Settlement::Taken), None);
    assert!(settle(&mut lanes, &after[0], Settlement::Taken).is_some());
    assert_eq!(settle(&mut lanes, &after[0], Settlement::Taken), None, "once");
    for nonsense in ["", "0", "0/0", "a/b/c", "0/0/1/2"] {
        let receipt = Receipt(nonsense.to_owned());
        assert_eq!(lanes.settle(&receipt, Settlement::Taken, Instant::now()), None, "{nonsense}");
    }
}

#[test]
fn what_was_committed_of_a_partition_that_went_away_stays_so() {
    let mut lanes = lanes(&[0, 1]);
    let taken = lanes.take(2, Instant::now());
    let first = settle(&mut lanes, &taken[0], Settlement::Taken).unwrap();
    let second = settle(&mut lanes, &taken[1], Settlement::Taken).unwrap();
    lanes.committed(0, 1);
    lanes.revoke(0);
    lanes.assign(0);
    assert_eq!((lanes.is_committed(first), lanes.is_committed(second)), (true, false));
}

#[test]
fn a_full_lane_is_paused_until_half_of_it_is_gone() {
    let all: Vec<i64> = (0..200).collect();
    let mut lanes = lanes(&all[..199]);
    assert_eq!(lanes.flow(false), (vec![], vec![]));
    lanes.push(0, 199, message(199));
    assert_eq!(lanes.flow(false), (vec![0], vec![]));
    assert_eq!(lanes.flow(false), (vec![], vec![]), "once");
    lanes.committed(0, 99);
    assert_eq!(lanes.flow(false), (vec![], vec![]));
    lanes.committed(0, 100);
    assert_eq!(lanes.flow(true), (vec![], vec![]), "it rests");
    assert_eq!(lanes.flow(false), (vec![], vec![0]));
    assert_eq!(lanes.flow(true), (vec![0], vec![]));
}

#[test]
fn large_messages_fill_a_lane_too() {
    let mut lanes = lanes(&[]);
    let large = Message { body: Bytes::from(vec![0; MOST_BYTES]), ..message(0) };
    lanes.push(0, 0, large);
    assert_eq!(lanes.flow(false), (vec![0], vec![]));
    lanes.committed(0, 1);
    assert_eq!(lanes.flow(false), (vec![], vec![0]));
}

#[test]
fn every_partition_has_its_turn() {
    let mut lanes = lanes(&[0, 1, 2, 3]);
    for partition in 1..3 {
        lanes.assign(partition);
        (0..2).for_each(|offset| lanes.push(partition, offset, message(offset)));
    }
    let mut turns = Vec::new();
    while let [one] = lanes.take(1, Instant::now()).as_slice() {
        turns.push(Spot::of(&one.receipt).unwrap().partition);
    }
    assert_eq!(turns, [1, 2, 0, 1, 2, 0, 0, 0]);
}
