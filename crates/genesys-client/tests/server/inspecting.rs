//! The look at an organisation: what goes out, and what is told of what is in the way.

use genesys_client::{
    ClientConfig, Disconnect, FaultKind, Host, Inspector, Obstacle, Region, is_another_address,
};

use crate::stub::{CONVERSATION, Stub, reply, reply_with, sample};

fn inspector(stub: &Stub) -> Inspector {
    Inspector::new(&stub.config()).unwrap()
}

fn elsewhere(stub: &Stub, region: &str) -> Inspector {
    let config = ClientConfig { region: Region::parse(region).unwrap(), ..stub.config() };
    Inspector::new(&config).unwrap()
}

#[tokio::test]
async fn a_knock_carries_no_credentials_and_reads_the_clock() {
    let stub = Stub::start().await;
    stub.answers(reply_with(404, &[("date", "Sat, 21 Nov 2026 09:00:00 GMT")], ""));
    let heard = inspector(&stub).reach(Host::Api).await.unwrap();
    assert_eq!(heard.clocks.unwrap().theirs, "2026-11-21T09:00:00Z".parse().unwrap());
    let asked = stub.asked();
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("HEAD", "/"));
    assert!(!asked[0].headers.contains_key("authorization"));
    assert_eq!(stub.tokens_asked(), 0);
}

#[tokio::test]
async fn what_is_in_the_way_of_an_answer_is_told_apart() {
    let stub = Stub::start().await;
    let plain = stub.address.replace("http://", "https://");
    for (region, obstacle) in [
        ("http://127.0.0.1:9", Obstacle::Connection),
        ("https://no-such-host.invalid", Obstacle::Name),
        (plain.as_str(), Obstacle::Tls),
    ] {
        let unreached = elsewhere(&stub, region).reach(Host::Login).await.unwrap_err();
        assert_eq!(unreached.obstacle, obstacle, "{region}: {unreached:?}");
        assert!(!unreached.cause.is_empty() && !unreached.cause.contains("://"), "{unreached:?}");
    }
}

#[tokio::test]
async fn refused_logins_keep_their_status() {
    for (status, body) in
        [(400, "oauth-token-400-unknown-client.json"), (401, "oauth-token-401-bad-secret.json")]
    {
        let stub = Stub::start().await;
        stub.answers_to_token(reply(status, sample(body)));
        let fault = inspector(&stub).log_in().await.unwrap_err();
        assert_eq!((fault.kind, fault.status), (FaultKind::Unauthenticated, Some(status)));
    }
    let stub = Stub::start().await;
    stub.answers_to_token(reply(404, "<html>"));
    assert!(is_another_address(&inspector(&stub).log_in().await.unwrap_err()));
}

#[tokio::test]
async fn every_call_is_a_get_with_the_token() {
    let stub = Stub::start().await;
    let configuration = r#"{"messenger": {"apps": {"conversations": {}}}}"#;
    stub.answers(reply(200, "{}"))
        .answers(reply(200, r#"{"grants": []}"#))
        .answers(reply(404, sample("error-404-conversation-not-found.json")))
        .answers(reply(200, r#"{"entities": []}"#))
        .answers(reply(200, r#"{"entities": [{"id": "a/b"}]}"#))
        .answers(reply(200, format!(r#"{{"configurationVersion": {configuration}}}"#)));
    let inspector = inspector(&stub);
    inspector.token().await.unwrap();
    assert!(inspector.grants().await.unwrap().complete);
    let missing = inspector.read_conversation(CONVERSATION.parse().unwrap()).await.unwrap_err();
    assert_eq!(missing.kind, FaultKind::NotFound);
    inspector.limits().await.unwrap();
    let deployments = inspector.deployments().await.unwrap();
    assert_eq!(inspector.disconnect_of(&deployments[0]).await.unwrap(), Disconnect::Off);
    let asked = stub.asked();
    assert!(asked.iter().all(|asked| asked.method == "GET" && asked.body.is_empty()));
    assert!(asked.iter().all(|asked| asked.headers["authorization"] == "Bearer canary-token-1"));
    let paths: Vec<_> = asked.iter().map(|asked| asked.path.as_str()).collect();
    let conversation = format!("/api/v2/conversations/{CONVERSATION}");
    assert_eq!(
        paths,
        [
            "/api/v2/tokens/me",
            "/api/v2/authorization/subjects/me?includeFullRoles=true",
            conversation.as_str(),
            "/api/v2/organizations/limits/namespaces/platform.api",
            "/api/v2/webdeployments/deployments?expand=configuration",
            "/api/v2/webdeployments/deployments/a%2Fb/configurations",
        ]
    );
}

#[tokio::test]
async fn a_refusal_keeps_its_kind_and_a_page_is_no_answer() {
    let stub = Stub::start().await;
    stub.answers(reply(403, sample("error-403-missing-any-permissions.json")))
        .answers(reply(200, "<html>"))
        .answers(reply(200, "[]"));
    let inspector = inspector(&stub);
    let fault = inspector.grants().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Forbidden { missing: Some(_) }), "{fault}");
    for _ in 0..2 {
        let fault = inspector.token().await.unwrap_err();
        assert_eq!((fault.kind, fault.status), (FaultKind::OutcomeUnknown, Some(200)));
    }
}
