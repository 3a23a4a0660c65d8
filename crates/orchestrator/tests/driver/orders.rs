//! All orders at the driver's door: four events of a closure in every order, each delivered one to three times, have the effect
//! of once. The machine's own test of all orders (closure-machine/tests/machine/orders.rs) knows more kinds; here the inbox
//! stands before it, as in the service.

use std::sync::atomic::Ordering;

use closure_machine::{Heard, ProofSource, What};
use genesys_types::{ConversationId, Leg, LegState, Purpose, Snapshot, WrapUp};
use orchestrator::{Delivered, Delivery, names};

use crate::world::{World, delivery};

/// How many events there are, and how often each may come.
const EVENTS: usize = 4;
const COPIES: usize = 3;

/// What each event says.
fn words(world: &World, conversation: ConversationId) -> [(ProofSource, What); EVENTS] {
    let (communication, participant) = world.truth(conversation, |truth| {
        truth.legs.iter().map(|(communication, leg)| (*communication, leg.0)).next().unwrap()
    });
    let guest = Leg {
        participant,
        communication: Some(communication),
        purpose: Purpose::Customer,
        state: LegState::Disconnected,
        disconnect_type: None,
        disconnected_at: None,
        wrap_up: WrapUp::NotRequired,
        user: None,
        queue: None,
    };
    let gone = Snapshot { ended_at: None, legs: vec![guest] };
    let ended = Snapshot { ended_at: Some(world.driver.now()), ..gone.clone() };
    [
        (
            ProofSource::Webhook,
            What::GuestLeft { participant: Some(participant), communication: Some(communication) },
        ),
        (ProofSource::Webhook, What::GuestLeft { participant: Some(participant), communication: None }),
        (ProofSource::Notification, What::Conversation(gone)),
        (ProofSource::QueueEvent, What::Conversation(ended)),
    ]
}

fn orders() -> Vec<[usize; EVENTS]> {
    let all = (0..EVENTS.pow(4)).map(|number| [number / 64, number / 16 % 4, number / 4 % 4, number % 4]);
    all.filter(|order| (0..EVENTS).all(|event| order.contains(&event))).collect()
}

/// Delivers the events in this order, the copies of each at once or after all others, and follows the closure to its end.
async fn is_closed_once(order: [usize; EVENTS], copies: [usize; EVENTS], at_once: bool) {
    let world = World::begin().await;
    world.remote.webhooks.store(false, Ordering::SeqCst);
    let conversation = world.guest();
    let key = world.submit(conversation).await.key;
    world.settled(key, &["awaiting_confirmation"]).await;
    let words = words(&world, conversation);
    let event = |which: usize| {
        let (source, what) = words[which].clone();
        let heard = Heard { source, occurred_at: world.driver.now(), what };
        Delivery { adapter: "hook".to_owned(), ..delivery(conversation, heard, &format!("event {which}")) }
    };
    let mut came = [0; EVENTS];
    let mut rounds: Vec<usize> = Vec::new();
    for which in order {
        rounds.extend(std::iter::repeat_n(which, if at_once { copies[which] } else { 1 }));
    }
    if !at_once {
        for which in order {
            rounds.extend(std::iter::repeat_n(which, copies[which] - 1));
        }
    }
    for which in rounds {
        let delivered = world.driver.deliver(event(which)).await.unwrap();
        assert_eq!(delivered == Delivered::Duplicate, came[which] > 0, "{order:?} {copies:?}: {delivered:?}");
        came[which] += 1;
    }
    assert_eq!(came, copies);
    let closed = world.closed(key).await;
    assert_eq!(names::state(&closed.closure), "closed", "{order:?} {copies:?}");
    world.assert_sound(conversation);
    let calls = world.truth(conversation, |truth| truth.calls.len());
    assert!(calls <= 3, "{order:?} {copies:?}: {calls} calls");
    let journal = store::Store::journal(&*world.store, key).await.unwrap();
    let told = |what: &str| {
        let is_it = |line: &&store::PlacedLine| line.line.announcement.as_deref() == Some(what);
        journal.iter().filter(is_it).count()
    };
    assert_eq!(told("closeout.closure.closed.v1"), 1, "{order:?} {copies:?}");
}

#[tokio::test(start_paused = true)]
async fn four_events_in_every_order_and_one_to_three_times_close_once() {
    let mut cases = 0;
    for order in orders() {
        for number in 0..COPIES.pow(4) {
            let copies = [number / 27, number / 9 % 3, number / 3 % 3, number % 3].map(|more| more + 1);
            for at_once in [true, false] {
                is_closed_once(order, copies, at_once).await;
                cases += 1;
            }
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 24 * 81 * 2);
}
