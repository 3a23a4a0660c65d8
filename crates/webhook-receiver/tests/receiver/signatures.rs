//! Who is believed.

use http::StatusCode;
use webhook_receiver::{InvalidHook, Receiver};
use webhook_signature::{Scheme, SecretString, WebhookSignature};

use crate::world::{
    NOW, OTHER_SECRET, SECRET, World, guest_left, hook, plain, request, signature, signed_by,
};

fn with(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn what_is_not_genuine_is_refused_alike_and_leaves_the_store_alone() {
    let world = World::begin().await;
    let key = world.closure_that_waits().await;
    let body = guest_left();
    let genuine = signed_by(&signature(&[SECRET]), &body);
    let shortened = vec![(genuine[0].0.clone(), genuine[0].1[..60].to_owned())];
    let twice = [genuine.clone(), genuine.clone()].concat();
    let commits = world.store.commits();
    // A store that is away would be told by 503 if anybody asked it.
    world.store.set_unavailable(true);
    let mut answers = Vec::new();
    for (headers, reason) in [
        (vec![], "missing_header"),
        (with(&[("x-hub-signature-256", "")]), "malformed_signature"),
        (shortened, "malformed_signature"),
        (twice, "repeated_header"),
        (signed_by(&signature(&[OTHER_SECRET]), &body), "wrong_signature"),
        (signed_by(&signature(&[SECRET]), &plain("e-1", "disconnected")), "wrong_signature"),
        (with(&[("authorization", &format!("Bearer {SECRET}"))]), "missing_header"),
    ] {
        let answer = world.post("signed", &headers, &body).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{reason}");
        assert_eq!((world.last().result.name(), world.last().reason), ("refused", Some(reason)));
        assert_eq!((world.last().event_id, world.last().conversation), (None, None));
        answers.push(answer.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "the body of the answer tells nothing: {answers:?}");
    assert!(answers[0].len() < 400);
    world.store.set_unavailable(false);
    assert_eq!(world.store.commits(), commits);
    assert_eq!(world.state(key).await, "awaiting_confirmation");
    assert!(world.inbox().await.is_empty());
    assert!(world.received.dead_letters(10).is_empty());
}

#[tokio::test]
async fn a_genuine_webhook_of_another_time_is_refused_in_both_directions() {
    let standard = || {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        WebhookSignature::new(Scheme::StandardWebhooks, vec![secret]).unwrap()
    };
    let world = World::with(vec![hook("standard", "main", standard())]).await;
    let body = plain("e-1", "connected");
    for (away, status) in [
        (0, StatusCode::NO_CONTENT),
        (300, StatusCode::NO_CONTENT),
        (301, StatusCode::UNAUTHORIZED),
        (-300, StatusCode::NO_CONTENT),
        (-301, StatusCode::UNAUTHORIZED),
    ] {
        let id = format!("msg_{away}");
        let headers = standard().sign(Some(&id), NOW + away, body.as_bytes()).unwrap();
        assert_eq!(world.post("standard", &headers, &body).await.status, status, "{away}");
    }
    assert_eq!(world.last().reason, Some("outside_window"));
    // The id that the signature covers outranks that of the body.
    let ids: Vec<String> = world.inbox().await.into_iter().map(|entry| entry.event).collect();
    assert_eq!(ids.len(), 3);
    assert!(["msg_0", "msg_300", "msg_-300"].iter().all(|id| ids.iter().any(|had| had == id)), "{ids:?}");
}

#[tokio::test]
async fn both_secrets_are_taken_during_a_rotation() {
    let rotating = signature(&[OTHER_SECRET, SECRET]);
    let world = World::with(vec![hook("signed", "main", rotating)]).await;
    for (secret, status) in [
        (SECRET, StatusCode::NO_CONTENT),
        (OTHER_SECRET, StatusCode::NO_CONTENT),
        ("a-third-secret-of-nobody", StatusCode::UNAUTHORIZED),
    ] {
        let body = plain(secret, "connected");
        let answer = world.post("signed", &signed_by(&signature(&[secret]), &body), &body).await;
        assert_eq!(answer.status, status, "{secret}");
    }
}

#[tokio::test]
async fn a_static_key_and_an_unsigned_hook_are_taken_as_configured() {
    let bearer = WebhookSignature::new(Scheme::Bearer, vec![SecretString::from(SECRET)]).unwrap();
    let unsigned = WebhookSignature::new(Scheme::Unsigned, Vec::new()).unwrap();
    let world = World::with(vec![hook("static", "main", bearer), hook("open", "main", unsigned)]).await;
    let body = plain("e-1", "connected");
    let key = with(&[("authorization", &format!("Bearer {SECRET}"))]);
    assert_eq!(world.post("static", &key, &body).await.status, StatusCode::NO_CONTENT);
    let wrong = with(&[("authorization", &format!("Bearer {OTHER_SECRET}"))]);
    assert_eq!(world.post("static", &wrong, &body).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.last().reason, Some("wrong_key"));
    assert_eq!(world.post("open", &[], &body).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_signature_is_over_the_bytes_as_they_came() {
    let world = World::begin().await;
    let body = plain("e-1", "connected");
    let headers = signed_by(&signature(&[SECRET]), &body);
    let spaced = body.replace("\"eventId\": ", "\"eventId\":  ");
    assert_eq!(world.post("signed", &headers, &spaced).await.status, StatusCode::UNAUTHORIZED);
    let mut without_type = request("signed", &headers, body);
    without_type.headers_mut().remove("content-type");
    assert_eq!(world.send(without_type).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn hooks_that_cannot_be_served_are_refused_at_the_start() {
    let world = World::begin().await;
    let of = |organisation: &str| hook("a", organisation, signature(&[SECRET]));
    let refused = Receiver::new(world.driver.clone(), vec![of("main"), of("main")]).unwrap_err();
    assert_eq!(refused, InvalidHook::NameTwice("a".into()));
    let refused = Receiver::new(world.driver, vec![of("nobody")]).unwrap_err();
    assert!(refused.to_string().contains("which is not configured"), "{refused}");
}
