//! Tokens: fetched once for all, renewed early, replaced when refused.

use std::{sync::atomic::Ordering, time::Duration};

use genesys_client::{Answer, Client, Credentials, Fault, FaultKind};

use crate::stub::{CONVERSATION, GUEST, Stub, permit, reply, reply_with, sample};

async fn disconnect(client: Client) -> Result<Answer<()>, Fault> {
    let permit = permit(&client);
    client.disconnect_participant(permit, CONVERSATION.parse().unwrap(), GUEST.parse().unwrap()).await
}

async fn disconnect_by(client: &Client, callers: usize) -> Vec<Result<Answer<()>, Fault>> {
    let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(disconnect(client.clone()))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(tokio::time::timeout(Duration::from_secs(20), task).await.unwrap().unwrap());
    }
    results
}

#[tokio::test]
async fn a_token_is_asked_for_by_basic_and_form() {
    let stub = Stub::start().await;
    disconnect(stub.client()).await.unwrap();
    let asked = stub.tokens_asked.lock().unwrap()[0].clone();
    assert_eq!(asked.headers["authorization"], "Basic Y2xpZW50OmNhbmFyeS1zZWNyZXQ=");
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(&*asked.body, b"grant_type=client_credentials");
}

#[tokio::test]
async fn a_hundred_callers_share_one_token() {
    let stub = Stub::start().await;
    stub.token_delay_ms.store(100, Ordering::Relaxed);
    let results = disconnect_by(&stub.client(), 100).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(stub.tokens_asked(), 1);
    assert_eq!(stub.asked().len(), 100);
}

#[tokio::test]
async fn a_hundred_callers_share_one_renewal_after_a_401() {
    let stub = Stub::start().await;
    let client = stub.client();
    disconnect(client.clone()).await.unwrap();
    *stub.good_token.lock().unwrap() = Some("canary-token-2".to_owned());
    stub.token_delay_ms.store(100, Ordering::Relaxed);
    let results = disconnect_by(&client, 100).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(stub.tokens_asked(), 2, "one at first, one for all hundred");
}

#[tokio::test]
async fn a_hundred_callers_share_one_failure() {
    let stub = Stub::start().await;
    stub.token_delay_ms.store(100, Ordering::Relaxed);
    stub.answers_to_token(reply(401, sample("oauth-token-401-bad-secret.json")));
    let results = disconnect_by(&stub.client(), 100).await;
    for result in results {
        let fault = result.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unauthenticated);
        assert!(fault.message.contains("secret is wrong"), "{fault}");
    }
    assert_eq!(stub.tokens_asked(), 1);
    assert_eq!(stub.asked().len(), 0);
}

#[tokio::test]
async fn a_hundred_callers_share_one_outage() {
    let stub = Stub::start().await;
    stub.token_delay_ms.store(100, Ordering::Relaxed);
    stub.answers_to_token(reply(503, ""));
    let results = disconnect_by(&stub.client(), 100).await;
    for result in results {
        assert_eq!(result.unwrap_err().kind, FaultKind::NotSent);
    }
    assert_eq!(stub.tokens_asked(), 1);
}

#[tokio::test]
async fn a_second_401_ends_the_call() {
    let stub = Stub::start().await;
    *stub.good_token.lock().unwrap() = Some("none of ours".to_owned());
    let fault = disconnect(stub.client()).await.unwrap_err();
    assert_eq!((fault.kind.clone(), fault.status), (FaultKind::Unauthenticated, Some(401)));
    assert_eq!(fault.code.as_deref(), Some("credentials.expired"));
    assert_eq!((stub.asked().len(), stub.tokens_asked()), (2, 2));
}

#[tokio::test]
async fn an_unknown_client_is_told_apart_from_a_wrong_secret() {
    let stub = Stub::start().await;
    stub.answers_to_token(reply(400, sample("oauth-token-400-unknown-client.json")));
    let fault = disconnect(stub.client()).await.unwrap_err();
    assert_eq!((fault.kind.clone(), fault.status), (FaultKind::Unauthenticated, Some(400)));
    assert!(fault.message.contains("does not know this OAuth client"), "{fault}");
    assert!(!format!("{fault:?}").contains("canary"));
}

#[tokio::test]
async fn a_failing_login_service_means_not_sent() {
    let stub = Stub::start().await;
    for answer in [reply(503, ""), reply(200, "<html>"), reply(200, "{}")] {
        stub.answers_to_token(answer);
        let fault = disconnect(stub.client()).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::NotSent, "{fault}");
    }
    stub.answers_to_token(reply_with(429, &[("retry-after", "9")], ""));
    let client = stub.client();
    let fault = disconnect(client.clone()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::RateLimited { retry_after: Duration::from_secs(9) });
    assert!(client.quota().paused().is_some());
    assert_eq!(stub.asked().len(), 0);
}

#[tokio::test]
async fn refused_credentials_are_not_tried_again_at_once_but_replaced_ones_are() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers_to_token(reply(401, sample("oauth-token-401-bad-secret.json")));
    disconnect(client.clone()).await.unwrap_err();
    disconnect(client.clone()).await.unwrap_err();
    assert_eq!(stub.tokens_asked(), 1);
    let other = Credentials::Client { id: "client".into(), secret: "another-secret".into() };
    client.replace_credentials(&other).unwrap();
    disconnect(client).await.unwrap();
    assert_eq!(stub.tokens_asked(), 2);
}

#[tokio::test]
async fn a_replacement_under_way_loses_no_call() {
    let stub = Stub::start().await;
    let client = stub.client();
    disconnect(client.clone()).await.unwrap();
    *stub.good_token.lock().unwrap() = Some("static".to_owned());
    let calls = disconnect_by(&client, 20);
    let replacing = async {
        tokio::task::yield_now().await;
        client.replace_credentials(&Credentials::AccessToken("static".into())).unwrap();
    };
    let (results, ()) = tokio::join!(calls, replacing);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[tokio::test]
async fn a_static_token_is_used_as_it_is_and_not_renewed() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.credentials = Credentials::AccessToken("canary-static".into());
    let client = Client::new(config).unwrap();
    disconnect(client.clone()).await.unwrap();
    assert_eq!(stub.asked()[0].headers["authorization"], "Bearer canary-static");
    *stub.good_token.lock().unwrap() = Some("another".to_owned());
    let fault = disconnect(client).await.unwrap_err();
    assert_eq!((fault.kind.clone(), fault.status), (FaultKind::Unauthenticated, Some(401)));
    assert_eq!((stub.asked().len(), stub.tokens_asked()), (2, 0));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.token_life.store(1, Ordering::Relaxed);
    disconnect(client.clone()).await.unwrap();
    assert_eq!(stub.tokens_asked(), 1);
    // The token of one second is due for renewal after nine tenths of it; the bound is the wait's, not a guess.
    tokio::time::timeout(Duration::from_secs(10), async {
        while stub.tokens_asked() < 2 {
            disconnect(client.clone()).await.unwrap();
        }
    })
    .await
    .unwrap();
    let last = stub.asked().pop().unwrap();
    assert_eq!(last.headers["authorization"], "Bearer canary-token-2");
}
