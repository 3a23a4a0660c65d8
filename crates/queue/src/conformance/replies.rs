//! What is published back.

use bytes::Bytes;

use super::{Place, opened};
use crate::{Action, FaultKind, Headers, Outgoing};

/// In order, with id where the broker has ids, headers and body.
pub async fn what_is_published_back_reaches_its_address(place: impl Place) {
    let source = opened(&place).await;
    let address = place.address();
    let reply = |n: u32| Outgoing {
        id: Some(format!("ending-{n}")),
        headers: [("correlation-id", format!("order-{n}"))].into_iter().collect::<Headers>(),
        reply_to: None,
        body: Bytes::from(format!("{{\"ending\": {n}}}")),
    };
    for n in 0..3 {
        assert_eq!(source.publish(&address, reply(n)).await, Ok(()));
    }
    let back = place.published_back(3).await;
    assert_eq!(back.len(), 3, "{back:?}");
    for (n, got) in back.iter().enumerate() {
        let sent = reply(u32::try_from(n).expect("it is small"));
        assert_eq!(got.body, sent.body);
        assert_eq!(got.headers.first("correlation-id"), sent.headers.first("correlation-id"));
    }
}

/// It is said at once, so that nobody tries it for ever.
pub async fn an_address_that_is_none_is_undeliverable(place: impl Place) {
    let source = opened(&place).await;
    let refused = source.publish("", super::numbered(1)).await.expect_err("there is no such address");
    assert_eq!((refused.action, refused.kind), (Action::Publish, FaultKind::Undeliverable));
}
