//! Answers that nobody should have to bear.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use genesys_client::{Answer, Class, Client, ClientConfig, Credentials, Fault, FaultKind, Region};
use genesys_types::Snapshot;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::stub::{CONVERSATION, GUEST, Stub, permit, reply, reply_with, sample};

async fn read(client: &Client) -> Result<Answer<Snapshot>, Fault> {
    client.conversation(permit(client), CONVERSATION.parse().unwrap()).await
}

async fn disconnect(client: &Client) -> Result<Answer<()>, Fault> {
    client.disconnect_participant(permit(client), CONVERSATION.parse().unwrap(), GUEST.parse().unwrap()).await
}

/// A body without a length, in pieces of 64 KiB.
fn endless(pieces: usize) -> Body {
    let piece = Bytes::from(vec![b' '; 64 * 1024]);
    Body::from_stream(stream::iter((0..pieces).map(move |_| Ok::<_, std::io::Error>(piece.clone()))))
}

fn silent_after(start: &'static str) -> Body {
    let start = stream::once(async move { Ok::<_, std::io::Error>(Bytes::from_static(start.as_bytes())) });
    Body::from_stream(start.chain(stream::pending()))
}

#[tokio::test]
async fn a_body_of_more_than_a_mebibyte_is_not_read() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, vec![b' '; 1024 * 1024 + 1]));
    stub.answers(reply(200, endless(100_000)));
    for _ in 0..2 {
        let fault = read(&client).await.unwrap_err();
        assert_eq!((fault.kind.clone(), fault.status), (FaultKind::OutcomeUnknown, Some(200)));
        assert!(fault.message.contains("larger than 1 MiB"), "{fault}");
    }
    stub.answers(reply(202, endless(100_000)));
    assert_eq!(disconnect(&client).await.unwrap_err().kind, FaultKind::OutcomeUnknown);
    stub.answers(reply(404, endless(100_000)));
    assert_eq!(disconnect(&client).await.unwrap_err().kind, FaultKind::NotFound);
}

#[tokio::test]
async fn a_body_of_a_mebibyte_is_read() {
    let stub = Stub::start().await;
    let client = stub.client();
    let mut body = sample("conversation-connected.json").into_bytes();
    body.resize(1024 * 1024, b' ');
    let chunks: Vec<_> =
        body.chunks(1_000).map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk))).collect();
    stub.answers(reply(200, body)).answers(reply(200, Body::from_stream(stream::iter(chunks))));
    for _ in 0..2 {
        assert_eq!(read(&client).await.unwrap().value.legs.len(), 2);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_given_up_in_time() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.request_timeout = Duration::from_millis(300);
    let client = Client::new(config).unwrap();
    stub.answers(reply(200, silent_after("{\"participants\": [")));
    let started = Instant::now();
    let fault = read(&client).await.unwrap_err();
    assert_eq!((fault.kind.clone(), fault.status), (FaultKind::OutcomeUnknown, Some(200)));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_login_service_that_is_silent_means_not_sent_in_time() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.request_timeout = Duration::from_millis(300);
    let client = Client::new(config).unwrap();
    stub.answers_to_token(reply(200, silent_after("{")));
    let started = Instant::now();
    assert_eq!(disconnect(&client).await.unwrap_err().kind, FaultKind::NotSent);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(stub.asked().len(), 0);
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_an_unknown_outcome() {
    let stub = Stub::start().await;
    let client = stub.client();
    let html = "<html><body>Please log in to the network</body></html>";
    for body in [
        html,
        "{\"participants\": 7}",
        "",
        "[]",
        "\u{feff}{}",
        "{\"participants\": [{\"id\": \"x\", \"purpose\": \"customer\", \"state\": \"connected\"}]}",
    ] {
        stub.answers(reply_with(200, &[("inin-correlation-id", "c")], body));
        let fault = read(&client).await.unwrap_err();
        assert_eq!((fault.kind.clone(), fault.status), (FaultKind::OutcomeUnknown, Some(200)), "{body}");
        assert_eq!(fault.correlation_id.as_deref(), Some("c"));
    }
    stub.answers(reply_with(200, &[("content-type", "text/html")], html));
    assert_eq!(disconnect(&client).await.unwrap_err().kind, FaultKind::OutcomeUnknown);
    stub.answers(reply(200, html));
    let closed = client.disconnect_conversation(permit(&client), CONVERSATION.parse().unwrap()).await;
    assert_eq!(closed.unwrap_err().kind, FaultKind::OutcomeUnknown);
}

#[tokio::test]
async fn a_wrong_content_type_does_not_matter_when_the_body_is_right() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply_with(200, &[("content-type", "text/plain")], sample("conversation-connected.json")));
    assert!(read(&client).await.is_ok());
}

#[tokio::test]
async fn a_redirect_is_rejected_and_not_followed() {
    let stub = Stub::start().await;
    let client = stub.client();
    for status in [301, 302, 307, 308] {
        let elsewhere = format!("{}/elsewhere", stub.address);
        stub.answers(reply_with(status, &[("location", &elsewhere)], ""));
        let fault = disconnect(&client).await.unwrap_err();
        assert_eq!((fault.kind.clone(), fault.status), (FaultKind::Rejected, Some(status)));
    }
    assert!(stub.asked().iter().all(|asked| asked.path != "/elsewhere"));
}

fn config_for(address: &str) -> ClientConfig {
    let region = Region::parse(address).unwrap();
    ClientConfig::new("main".parse().unwrap(), region, Credentials::AccessToken("canary-static".into()))
}

/// A host that answers each connection with the next of these raw texts and closes it; with `None` it closes without.
async fn raw_host(answers: Vec<Option<&'static str>>) -> (String, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let host = tokio::spawn(async move {
        let mut requests = 0;
        for answer in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut head = [0; 4_096];
            if connection.read(&mut head).await.unwrap() > 0 {
                requests += 1;
            }
            if let Some(answer) = answer {
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        requests
    });
    (address, host)
}

fn permit_for(client: &Client) -> genesys_client::Permit {
    client.quota().try_take(Class::Confirmation).unwrap()
}

#[tokio::test]
async fn a_write_that_breaks_off_has_an_unknown_outcome_and_is_not_repeated() {
    for cut in [None, Some("HTTP/1.1 20"), Some("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"id\"")] {
        let (address, host) = raw_host(vec![cut]).await;
        let client = Client::new(config_for(&address)).unwrap();
        let fault = client
            .disconnect_participant(
                permit_for(&client),
                CONVERSATION.parse().unwrap(),
                GUEST.parse().unwrap(),
            )
            .await
            .unwrap_err();
        assert_eq!(fault.kind, FaultKind::OutcomeUnknown, "{cut:?}");
        assert_eq!(host.await.unwrap(), 1);
        assert!(!format!("{fault:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_read_that_breaks_off_is_repeated_once() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let (address, host) = raw_host(vec![None, Some(whole)]).await;
    let client = Client::new(config_for(&address)).unwrap();
    let conversation = CONVERSATION.parse().unwrap();
    client.conversation(permit_for(&client), conversation).await.unwrap();
    assert_eq!(host.await.unwrap(), 2);
    let (address, host) = raw_host(vec![None, None]).await;
    let client = Client::new(config_for(&address)).unwrap();
    let fault = client.conversation(permit_for(&client), conversation).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::OutcomeUnknown);
    assert_eq!(host.await.unwrap(), 2);
}

#[tokio::test]
async fn a_host_that_refuses_connections_means_not_sent_and_is_left_alone_after_a_while() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut config = config_for(&address);
    config.quota.requests_per_window = 0;
    let client = Client::new(config).unwrap();
    for _ in 0..10 {
        let fault = disconnect(&client).await.unwrap_err();
        assert_eq!((fault.kind.clone(), fault.status), (FaultKind::NotSent, None));
    }
    assert!(client.quota().host_is_down());
    assert!(client.quota().try_take(Class::Confirmation).is_err());
}

#[tokio::test]
async fn a_write_that_is_not_answered_has_an_unknown_outcome() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config_for(&format!("http://{}", listener.local_addr().unwrap()));
    config.request_timeout = Duration::from_millis(200);
    let client = Client::new(config).unwrap();
    let fault = client
        .disconnect_participant(permit_for(&client), CONVERSATION.parse().unwrap(), GUEST.parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::OutcomeUnknown);
    assert_eq!(&*fault.message, "no answer in time");
}

#[tokio::test]
async fn what_is_not_http_at_all_is_an_unknown_outcome() {
    let (address, host) = raw_host(vec![Some("220 mail.example ESMTP\r\n")]).await;
    let client = Client::new(config_for(&address)).unwrap();
    let fault =
        client.delete_conversation(permit_for(&client), CONVERSATION.parse().unwrap()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::OutcomeUnknown);
    host.await.unwrap();
}
