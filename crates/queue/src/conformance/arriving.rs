//! How messages come in.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::{
    Place, WAIT, number, numbered, numbers, one, opened, publish_numbered, settle_all, some, take_all,
};
use crate::{GRACE, Headers, Outgoing, Settlement};

/// Body, id, headers and address of the reply; names of headers in lower case.
pub async fn a_message_arrives_as_it_was_published(place: impl Place) {
    let source = opened(&place).await;
    let mut headers = Headers::default();
    headers.push("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    headers.push("X-Order", "8812 – ü");
    let address = place.address();
    let body = Bytes::from_static(b"{\"conversationId\": \"\xc3\xbc\"}");
    place
        .publish(Outgoing {
            id: Some("order-8812".to_owned()),
            headers,
            reply_to: Some(address.clone()),
            body: body.clone(),
        })
        .await;
    let message = one(&*source).await;
    assert_eq!(message.body, body);
    assert_eq!(message.id.as_deref(), Some("order-8812"));
    assert_eq!(message.reply_to, Some(address));
    assert_eq!(message.deliveries, 1);
    assert!(!message.place.is_empty());
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(message.headers.first("traceparent"), Some(traceparent));
    assert_eq!(message.headers.first("x-order"), Some("8812 – ü"));
    settle_all(&*source, &[message], Settlement::Taken).await;
}

/// A body is bytes: empty, with zeros, no UTF-8. Amazon SQS carries text alone: its place publishes such a body in the
/// encoding that its adapter reads.
pub async fn bytes_that_are_no_text_arrive_unchanged(place: impl Place) {
    let source = opened(&place).await;
    let body = Bytes::from_static(&[0xff, 0, 0xfe, b'{', 0x80]);
    place.publish(Outgoing { body: body.clone(), id: None, ..numbered(0) }).await;
    let message = one(&*source).await;
    assert_eq!((message.body, message.id), (body, None));
}

/// Within the wait and some grace, with an empty list.
pub async fn an_empty_queue_answers_within_the_wait(place: impl Place) {
    let source = opened(&place).await;
    // The first answer may have to wait for a group or a connection.
    let _ = source.receive(1, WAIT).await;
    for _ in 0..3 {
        let asked = Instant::now();
        let answer = timeout(WAIT + GRACE, source.receive(10, WAIT)).await;
        assert_eq!(answer.expect("it answers in time"), Ok(Vec::new()));
        assert!(asked.elapsed() >= WAIT / 2, "an empty queue is waited for, not asked in a spin");
    }
}

/// However many there are.
pub async fn a_receive_brings_no_more_than_was_asked(place: impl Place) {
    let source = opened(&place).await;
    publish_numbered(&place, 9).await;
    let mut left = 9;
    while left > 0 {
        let messages = some(&*source, 4).await;
        assert!((1..=4).contains(&messages.len()));
        settle_all(&*source, &messages, Settlement::Taken).await;
        left -= messages.len().min(left);
    }
}

/// None is lost, and none comes twice while nothing goes wrong and all are settled in time.
pub async fn many_messages_arrive_each_at_least_once(place: impl Place) {
    let source = opened(&place).await;
    publish_numbered(&place, 200).await;
    let (mut came, mut late) = (BTreeMap::<usize, u32>::new(), BTreeSet::new());
    while came.len() < 200 {
        let asked = Instant::now();
        let messages = some(&*source, 100).await;
        let settlements = messages.iter().map(|message| (message.receipt.clone(), Settlement::Taken));
        // What could not be settled comes again, which counts as well.
        let _ = source.settle(settlements.collect()).await;
        let numbers: Vec<_> = messages.iter().map(number).collect();
        // What a busy machine did not settle in time may come again.
        if asked.elapsed() >= place.manners().held {
            late.extend(numbers.iter().copied());
        }
        numbers.into_iter().for_each(|number| *came.entry(number).or_default() += 1);
    }
    assert_eq!(came.keys().copied().collect::<BTreeSet<_>>(), numbers(200));
    // It may also come again where the broker was slow to hear of it. That is rare, or nothing is settled.
    let again = came.iter().filter(|(number, times)| **times > 1 && !late.contains(*number)).count();
    assert!(again <= 10, "{again} came more than once: {came:?}, late were {late:?}");
}

/// A future that is dropped in the midst of a receive may take messages along: they come again.
pub async fn a_dropped_receive_loses_nothing(place: impl Place) {
    let source = opened(&place).await;
    publish_numbered(&place, 40).await;
    for millis in 0..20 {
        let _ = timeout(Duration::from_millis(millis), source.receive(5, WAIT)).await;
    }
    let came = take_all(&*source, 40).await;
    assert_eq!(came.len(), 40);
}
