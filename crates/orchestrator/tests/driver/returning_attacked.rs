//! Guests who come back, attacked: events that conflict, come late, lie, or come at the worst moment.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use closure_machine::{Act, GuestReturns, Heard, Order as ClosingOrder, Policy, ProofSource, Step, What};
use genesys_types::{
    CommunicationId, ConversationId, Leg, LegState, ParticipantId, Purpose, Snapshot, Span, Time, WrapUp,
};
use orchestrator::{Delivered, Delivery, Operation, ProducerKey, Record, closure_id, names};
use store::{Commit, Filter, Order, Store as _};
use uuid::Uuid;

use crate::world::{World, delivery, submission};

fn policy(guest_returns: GuestReturns) -> Policy {
    Policy { guest_returns, ..Policy::default() }
}

fn guest_of(world: &World, conversation: ConversationId) -> (ParticipantId, CommunicationId) {
    world.truth(conversation, |truth| {
        let (leg, (participant, ..)) =
            truth.legs.iter().find(|(_, (_, purpose, _))| *purpose == Purpose::Customer).unwrap();
        (*participant, *leg)
    })
}

/// The guest comes back on a new leg.
fn comes_back(world: &World, conversation: ConversationId) -> What {
    let communication = CommunicationId::from_uuid(Uuid::new_v4());
    let (participant, _) = guest_of(world, conversation);
    world.truth(conversation, |truth| {
        truth.legs.insert(communication, (participant, Purpose::Customer, true));
        truth.ended = false;
    });
    What::GuestCame { participant: Some(participant), communication: Some(communication) }
}

fn told(world: &World, conversation: ConversationId, what: What, at: Time, event_id: &str) -> Delivery {
    let heard = Heard { source: ProofSource::Webhook, occurred_at: at, what };
    let event = delivery(conversation, heard, event_id);
    Delivery { received_at: world.driver.now(), ..event }
}

async fn closed(world: &World, conversation: ConversationId) -> Arc<Record> {
    let closed = world.closed(world.submit(conversation).await.key).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    closed
}

async fn closures(world: &World, conversation: ConversationId) -> Vec<Record> {
    let filter = Filter { conversation: Some(conversation.uuid()), ..Filter::default() };
    let rows = world.store.list(&filter, Order::OldestFirst, None, 100).await.unwrap();
    rows.iter().map(|row| Record::from_row(row).unwrap()).collect()
}

fn ended_at(record: &Record) -> Time {
    let Step::Ended(ending) = record.closure.step else { panic!("{:?}", record.closure.step) };
    ending.at
}

#[tokio::test(start_paused = true)]
async fn an_event_that_conflicts_with_one_that_was_taken_opens_nothing() {
    let world = World::with_policy(policy(GuestReturns::Once)).await;
    let conversation = world.guest();
    closed(&world, conversation).await;
    let left = What::GuestLeft { participant: None, communication: None };
    let first = told(&world, conversation, left, world.driver.now(), "x");
    assert_eq!(world.driver.deliver(first).await, Ok(Delivered::Unmatched));
    let what = comes_back(&world, conversation);
    let second = told(&world, conversation, what, world.driver.now(), "x");
    let second = Delivery { digest: [8; 32], ..second };
    assert_eq!(world.driver.deliver(second).await, Ok(Delivered::Conflict), "the first one stands");
    assert_eq!(closures(&world, conversation).await.len(), 1, "what is answered as a conflict has no effect");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_delivery_without_a_time_of_its_own_opens_nothing() {
    let world = World::with_policy(policy(GuestReturns::Once)).await;
    let conversation = world.guest();
    closed(&world, conversation).await;
    let what = What::GuestCame { participant: None, communication: None };
    // It has no time of its own, so the receiver gives it the time of each delivery.
    let first = told(&world, conversation, what.clone(), world.driver.now(), "same");
    assert_eq!(world.driver.deliver(first).await, Ok(Delivered::Unmatched));
    tokio::time::sleep(Duration::from_secs(90)).await;
    let again = told(&world, conversation, what, world.driver.now(), "same");
    assert_eq!(world.driver.deliver(again).await, Ok(Delivered::Duplicate));
    let all = closures(&world, conversation).await;
    assert_eq!(all.len(), 1, "a duplicate opened a closure; marked: {:?}", all[0].closure.returned);
}

fn leg(participant: ParticipantId, communication: Option<CommunicationId>) -> Leg {
    Leg {
        participant,
        communication,
        purpose: Purpose::Customer,
        state: LegState::Connected,
        disconnect_type: None,
        disconnected_at: None,
        wrap_up: WrapUp::NotRequired,
        user: None,
        queue: None,
    }
}

/// The clock of Genesys is one second ahead, and the event comes while the end is being committed.
#[tokio::test(start_paused = true)]
async fn an_event_that_comes_while_the_end_is_committed_leads_to_what_it_promises() {
    for millis in 15..80 {
        for yields in 0..8 {
            let world = World::with_policy(policy(GuestReturns::Once)).await;
            let conversation = world.guest();
            world.submit(conversation).await;
            tokio::time::sleep(Duration::from_millis(millis)).await;
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            let (participant, _) = guest_of(&world, conversation);
            let communication = Some(CommunicationId::from_uuid(Uuid::new_v4()));
            let what = What::GuestCame { participant: Some(participant), communication };
            let at = world.driver.now() + Span::from_secs(1);
            world.driver.deliver(told(&world, conversation, what, at, "back")).await.unwrap();
            let all = closures(&world, conversation).await;
            if all[0].closure.returned.is_some_and(|back| back.reopens) {
                assert!(all[0].followed_by.is_some(), "after {millis} ms and {yields} yields: {all:#?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_was_called_off_does_not_hide_the_one_that_closed() {
    let world = World::with_policy(policy(GuestReturns::Never)).await;
    let conversation = world.guest();
    let first = closed(&world, conversation).await;
    let mut later = submission(conversation);
    later.command.not_before = Some(world.driver.now() + Span::from_secs(3_600));
    let orchestrator::Submitted::Accepted(second) = world.driver.submit(later).await.unwrap() else {
        panic!()
    };
    let call_off = Operation {
        act: Act::Cancel,
        by: "alice".to_owned(),
        role: "operate",
        reason: None,
        batch: None,
        note: None,
        if_version: None,
    };
    world.driver.act(second.key, call_off).await.unwrap();
    let what = comes_back(&world, conversation);
    let event = told(&world, conversation, what, world.driver.now(), "back");
    let delivered = world.driver.deliver(event).await.unwrap();
    let all = closures(&world, conversation).await;
    assert!(all[0].closure.returned.is_some(), "{} is not marked: {delivered:?}", closure_id(first.key));
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_is_for_later_does_not_hide_the_one_that_closed() {
    let world = World::with_policy(policy(GuestReturns::Never)).await;
    let conversation = world.guest();
    let first = closed(&world, conversation).await;
    let mut later = submission(conversation);
    later.command.not_before = Some(world.driver.now() + Span::from_secs(3_600));
    world.driver.submit(later).await.unwrap();
    let what = comes_back(&world, conversation);
    let event = told(&world, conversation, what, world.driver.now(), "back");
    let delivered = world.driver.deliver(event).await.unwrap();
    let all = closures(&world, conversation).await;
    assert!(all[0].closure.returned.is_some(), "{} is not marked: {delivered:?}", closure_id(first.key));
}

/// The event says, before the end, that the guest is there on another leg than the one that ended.
#[tokio::test(start_paused = true)]
async fn a_guest_who_is_told_there_while_a_closure_is_open_is_not_passed_over() {
    for order in [ClosingOrder::GuestFirst, ClosingOrder::ConversationFirst] {
        let world = World::with_policy(Policy { order, ..Policy::default() }).await;
        world.remote.webhooks.store(false, std::sync::atomic::Ordering::SeqCst);
        let conversation = world.guest();
        let (participant, communication) = guest_of(&world, conversation);
        let key = world.submit(conversation).await.key;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let before = world.driver.closure(key).await.unwrap().unwrap();
        assert_eq!(names::state(&before.closure), "awaiting_confirmation");
        let what = comes_back(&world, conversation);
        let came = told(&world, conversation, what, world.driver.now(), "came");
        let delivered = world.driver.deliver(came).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let left = What::GuestLeft { participant: Some(participant), communication: Some(communication) };
        let left = told(&world, conversation, left, world.driver.now(), "left");
        world.driver.deliver(left).await.unwrap();
        let end = world.closed(key).await;
        let (there, wrong) = world.truth(conversation, |truth| {
            (truth.legs.values().any(|leg| leg.2), truth.wrapper_asked_while_guest_was_there)
        });
        // For the conversation first, every ask of the wrapper comes before the guest has gone.
        let allowed = if order == ClosingOrder::ConversationFirst { 2 } else { 0 };
        assert!(
            (!there || end.closure.returned.is_some()) && wrong <= allowed,
            "{order:?}: {} with a guest who is there: {there}; wrapper asked while there: {wrong}; {delivered:?}; mark {:?}",
            names::state(&end.closure),
            end.closure.returned
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_gets_rid_of_an_event_whose_following_closure_cannot_be_read() {
    let mut world = World::with_policy(policy(GuestReturns::Once)).await;
    let conversation = world.guest();
    closed(&world, conversation).await;
    world.restart_crashing_after(1).await;
    let what = comes_back(&world, conversation);
    let back = told(&world, conversation, what, world.driver.now(), "back");
    world.driver.deliver(back.clone()).await.unwrap_err();
    world.driver.stop(Duration::ZERO).await;
    let next = closures(&world, conversation).await.pop().unwrap();
    let mut row = next.row();
    let expected = row.version;
    row.version += 1;
    row.body = Bytes::from_static(b"spoilt");
    world.store.commit(Commit { closure: Some((row, expected)), ..Commit::default() }).await.unwrap();
    world.restart().await;
    for attempt in 1..=5 {
        if world.driver.deliver(back.clone()).await.is_ok() {
            return;
        }
        assert!(attempt < 5, "{:?}", world.driver.deliver(back.clone()).await);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }
}

/// The scope of a producer's key is the name of its credential, which may be any word.
#[tokio::test(start_paused = true)]
async fn no_producer_can_take_the_key_of_a_closure_that_follows() {
    let world = World::with_policy(policy(GuestReturns::Once)).await;
    let conversation = world.guest();
    let first = closed(&world, conversation).await;
    let mut other = submission(world.guest());
    other.key =
        Some(ProducerKey { scope: "guest-returned".to_owned(), key: closure_id(first.key), digest: [1; 32] });
    world.driver.submit(other).await.unwrap();
    let what = comes_back(&world, conversation);
    let back = told(&world, conversation, what, world.driver.now(), "back");
    assert_eq!(world.driver.deliver(back).await, Ok(Delivered::Taken(first.key)));
}

/// A time from the far future, as a relay that confuses micro- with milliseconds sends it.
#[tokio::test(start_paused = true)]
async fn an_event_from_the_far_future_is_no_return() {
    let world = World::with_policy(policy(GuestReturns::UpToThree)).await;
    let conversation = world.guest();
    closed(&world, conversation).await;
    let what = What::GuestCame { participant: None, communication: None };
    for number in 0..6 {
        let at = Time::from_millis(world.driver.now().millis() * 1_000);
        let event = told(&world, conversation, what.clone(), at, &format!("future {number}"));
        world.driver.deliver(event).await.unwrap();
        for record in closures(&world, conversation).await {
            world.closed(record.key).await;
        }
    }
    assert_eq!(closures(&world, conversation).await.len(), 1);
}

/// A guest of another purpose, whom the producer named: what the closure closes it also watches.
#[tokio::test(start_paused = true)]
async fn a_named_guest_of_another_purpose_comes_back_too() {
    let world = World::begin().await;
    let conversation = world.conversation(&[Purpose::Other]);
    let participant = world.truth(conversation, |truth| truth.legs.values().next().unwrap().0);
    let mut asked = submission(conversation);
    asked.command.participant = Some(participant);
    let orchestrator::Submitted::Accepted(first) = world.driver.submit(asked).await.unwrap() else {
        panic!()
    };
    let first = world.closed(first.key).await;
    assert_eq!(names::state(&first.closure), "closed");
    tokio::time::sleep(Duration::from_secs(90)).await;
    let back =
        Leg { purpose: Purpose::Other, ..leg(participant, Some(CommunicationId::from_uuid(Uuid::new_v4()))) };
    let what = What::Conversation(Snapshot { ended_at: None, legs: vec![back] });
    let event = told(&world, conversation, what, world.driver.now(), "back");
    let delivered = world.driver.deliver(event).await.unwrap();
    assert_eq!(delivered, Delivered::Taken(first.key));
}

/// The closure knows the guest's leg without its name, as where the source does not tell it: an event that names the leg,
/// from before the end by a clock that is ahead by a second, is late word and no return.
#[tokio::test(start_paused = true)]
async fn late_word_that_names_a_leg_known_without_a_name_is_no_return() {
    let world = World::begin().await;
    let conversation = world.guest();
    let (participant, communication) = guest_of(&world, conversation);
    let first = closed(&world, conversation).await;
    let mut closure = first.closure.clone();
    closure.guests.iter_mut().for_each(|leg| leg.communication = None);
    let what = What::GuestCame { participant: Some(participant), communication: Some(communication) };
    let seen = ended_at(&first) + Span::from_secs(1);
    let heard = Heard { source: ProofSource::Webhook, occurred_at: seen, what };
    let moment = closure_machine::Moment { now: seen, may_call: false };
    let after = closure_machine::step(&closure, &closure_machine::Event::Heard(heard), &world.policy, moment);
    assert!(after.is_err(), "{:?}", after.map(|transition| transition.next.returned));
}

/// Two guests' events at two replicas at once, many times: one closure follows.
#[tokio::test(start_paused = true)]
async fn two_replicas_that_hear_of_one_return_open_one_closure() {
    let world = World::of_several_with(policy(GuestReturns::UpToThree)).await;
    let conversation = world.guest();
    closed(&world, conversation).await;
    let (other, _alive) = world.another().await;
    let what = comes_back(&world, conversation);
    let at = world.driver.now();
    let events = (0..10).map(|number| told(&world, conversation, what.clone(), at, &format!("{number}")));
    let all = events.enumerate().map(|(number, event)| {
        let driver = if number % 2 == 0 { world.driver.clone() } else { other.clone() };
        tokio::spawn(async move { driver.deliver(event).await })
    });
    for delivered in all.collect::<Vec<_>>() {
        delivered.await.unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let all = closures(&world, conversation).await;
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].followed_by, Some(all[1].key));
    world.assert_sound(conversation);
}
