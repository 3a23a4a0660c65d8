//! Wrap-ups by name: which lists are asked for and how often, what is given, and what is said where nothing is.

use std::{sync::Arc, time::Duration};

use axum::http::Method;
use genesys_client::{AgentLeg, Answer, Class, Client, Fault, FaultKind, NotGiven, QuotaConfig};
use genesys_types::QueueId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stub::{COMMUNICATION, CONVERSATION, GUEST, Stub, permit, reply, sample};

const QUEUE: &str = "9bfb36aa-cde3-4706-9744-70f0645754cf";

fn queue() -> Option<QueueId> {
    Some(QUEUE.parse().unwrap())
}

fn code(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

fn rows(codes: &[(u128, &str)]) -> Vec<Value> {
    codes.iter().map(|(number, name)| json!({ "id": code(*number), "name": name })).collect()
}

/// A list on one page.
fn list(codes: &[(u128, &str)]) -> String {
    json!({ "entities": rows(codes), "pageSize": 100, "pageNumber": 1, "pageCount": 1 }).to_string()
}

fn not_valid() -> String {
    json!({ "status": 400, "code": "invalid.value", "message": "The value of [code] is not valid." })
        .to_string()
}

async fn find(client: &Client, name: &str) -> Result<String, Fault> {
    client.wrap_up_code_named(permit(client), queue(), name).await.map(|code| code.id.to_string())
}

async fn give(client: &Client, name: &str) -> Result<Answer<()>, NotGiven> {
    let leg = AgentLeg {
        participant: GUEST.parse().unwrap(),
        communication: COMMUNICATION.parse().unwrap(),
        queue: queue(),
    };
    client
        .give_wrap_up_named(permit(client), CONVERSATION.parse().unwrap(), leg, name, Some("order 8812"))
        .await
}

/// What was asked: `list` for a list, the code for a wrap-up.
fn asked(stub: &Arc<Stub>) -> Vec<String> {
    let word = |asked: &crate::stub::Asked| {
        if asked.method == Method::GET {
            return "list".to_owned();
        }
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        body["code"].as_str().unwrap().to_owned()
    };
    stub.asked().iter().map(word).collect()
}

#[tokio::test]
async fn a_name_is_looked_up_in_the_queue_and_given_by_its_id() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, list(&[(1, "Resolved"), (2, "Closed by backend")])));
    assert_eq!(give(&client, "closed by Backend").await.unwrap().status, 202);
    assert_eq!(give(&client, "Resolved").await.unwrap().status, 202);
    assert_eq!(asked(&stub), ["list".to_owned(), code(2), code(1)], "the list is kept");
    let requests = stub.asked();
    let path = format!("/api/v2/routing/queues/{QUEUE}/wrapupcodes?pageSize=100&pageNumber=1");
    assert_eq!(requests[0].path, path);
    let sample: Value = serde_json::from_str(&sample("request-post-communication-wrapup.json")).unwrap();
    let body: Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!((&body["notes"], requests[1].method.as_str()), (&json!("order 8812"), "POST"));
    assert!(sample["body"]["code"].is_string() && requests[1].path.ends_with("/wrapup"));
    assert_eq!(client.quota().in_flight(), 0);
}

#[tokio::test]
async fn without_a_queue_the_codes_of_the_organisation_are_asked_for() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, list(&[(1, "Resolved")])));
    let found = client.wrap_up_code_named(permit(&client), None, "Resolved").await.unwrap();
    assert_eq!(found.id.to_string(), code(1));
    assert_eq!(stub.asked()[0].path, "/api/v2/routing/wrapupcodes?pageSize=100&pageNumber=1");
}

#[tokio::test]
async fn all_pages_are_asked_for_up_to_a_bound() {
    let stub = Stub::start().await;
    let client = stub.client();
    let page = |number: u128| {
        let names: Vec<String> = (0..100).map(|row| format!("code {}", number * 100 + row)).collect();
        let codes: Vec<(u128, &str)> =
            names.iter().enumerate().map(|(row, name)| (number * 100 + row as u128, name.as_str())).collect();
        json!({ "entities": rows(&codes), "pageCount": 99 }).to_string()
    };
    for number in 0..10 {
        stub.answers(reply(200, page(number)));
    }
    assert_eq!(find(&client, "code 731").await.unwrap(), code(731));
    assert_eq!(stub.asked().len(), 10);
    for number in 0..10 {
        stub.answers(reply(200, page(number)));
    }
    let unknown = find(&client, "code 1500").await.unwrap_err();
    assert!(unknown.message.contains("among its first 1000"), "{unknown}");
    assert_eq!(stub.asked().len(), 20);
}

#[tokio::test]
async fn one_list_serves_all_who_wait_also_with_one_call_at_a_time() {
    let stub = Stub::start().await;
    let mut config = stub.config();
    config.quota = QuotaConfig { requests_per_window: 0, max_in_flight: 1, ..QuotaConfig::default() };
    let client = Client::new(config).unwrap();
    let half =
        |number: u32, codes| json!({ "entities": codes, "pageNumber": number, "pageCount": 2 }).to_string();
    stub.answers(reply(200, half(1, rows(&[(1, "Resolved")]))))
        .answers(reply(200, half(2, rows(&[(2, "Sold")]))));
    let find = || async {
        let permit = client.quota().take(Class::Confirmation).await;
        client.wrap_up_code_named(permit, queue(), "Sold").await.unwrap().id.to_string()
    };
    let waiting = futures_util::future::join_all((0..50).map(|_| find()));
    let found = tokio::time::timeout(Duration::from_secs(8), waiting).await.unwrap();
    assert!(found.iter().all(|found| *found == code(2)));
    assert_eq!(stub.asked().len(), 2);
    assert_eq!(client.quota().in_flight(), 0);
}

#[tokio::test]
async fn a_name_that_is_not_in_the_kept_list_is_looked_for_in_a_new_one_once() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, list(&[(1, "Resolved")])));
    assert_eq!(find(&client, "Resolved").await.unwrap(), code(1));
    stub.answers(reply(200, list(&[(1, "Resolved"), (2, "Sold")])));
    assert_eq!(give(&client, "Sold").await.unwrap().status, 202);
    assert_eq!(asked(&stub), ["list".to_owned(), "list".to_owned(), code(2)]);
    stub.answers(reply(200, list(&[(1, "Resolved"), (2, "Sold")])));
    for _ in 0..5 {
        let not_given = give(&client, "Lost").await.unwrap_err();
        assert!(!not_given.asked);
        assert_eq!(not_given.fault.kind, FaultKind::Rejected);
        let said =
            format!("the queue {QUEUE} has no wrap-up code named \"Lost\"; it has \"Resolved\", \"Sold\"");
        assert_eq!(&*not_given.fault.message, said);
    }
    assert_eq!(stub.asked().len(), 4, "a name that is nowhere costs one list, not one each time");
}

#[tokio::test]
async fn a_name_that_means_several_is_given_by_none_of_them() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, list(&[(1, "Done"), (2, "Done"), (3, "Sold")])));
    let not_given = give(&client, "Done").await.unwrap_err();
    assert!(!not_given.asked);
    for told in ["has 2 wrap-up codes named \"Done\"", &code(1), &code(2)] {
        assert!(not_given.fault.message.contains(told), "{not_given}");
    }
    assert_eq!(asked(&stub), ["list"]);
}

#[tokio::test]
async fn a_refused_code_is_looked_for_anew_and_given_if_its_name_means_another_by_now() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, list(&[(1, "Sold")])));
    assert_eq!(find(&client, "Sold").await.unwrap(), code(1));
    stub.answers(reply(400, not_valid())).answers(reply(200, list(&[(2, "Sold")])));
    assert_eq!(give(&client, "Sold").await.unwrap().status, 202);
    assert_eq!(asked(&stub), ["list".to_owned(), code(1), "list".to_owned(), code(2)]);
}

#[tokio::test]
async fn a_refused_code_that_the_queue_still_lists_is_not_tried_again() {
    let stub = Stub::start().await;
    let client = stub.client();
    let codes = [(1, "Sold"), (2, "Lost")];
    stub.answers(reply(200, list(&codes)));
    assert_eq!(find(&client, "Sold").await.unwrap(), code(1));
    stub.answers(reply(400, not_valid())).answers(reply(200, list(&codes)));
    let not_given = give(&client, "Sold").await.unwrap_err();
    assert!(not_given.asked);
    assert_eq!((&not_given.fault.kind, not_given.fault.status), (&FaultKind::Rejected, Some(400)));
    for told in [&code(1), "The value of [code] is not valid.", "has \"Sold\", \"Lost\""] {
        assert!(not_given.fault.message.contains(told), "{not_given}");
    }
    assert_eq!(asked(&stub), ["list".to_owned(), code(1), "list".to_owned()]);
}

#[tokio::test]
async fn a_list_that_may_not_be_read_names_its_permission() {
    for (queue, permission) in [(queue(), "routing:queue:view"), (None, "routing:wrapupCode:view")] {
        let stub = Stub::start().await;
        let client = stub.client();
        stub.answers(reply(403, "{}"));
        let fault = client.wrap_up_code_named(permit(&client), queue, "Sold").await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Forbidden { missing: Some(permission.into()) });
        assert!(fault.message.contains(&format!("the permission {permission} is missing")), "{fault}");
    }
}

#[tokio::test]
async fn a_list_that_fails_leaves_no_outcome_open_and_is_asked_for_again_next_time() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, "<html>")).answers(reply(503, ""));
    for _ in 0..2 {
        let not_given = give(&client, "Sold").await.unwrap_err();
        assert_eq!((not_given.asked, not_given.fault.kind), (false, FaultKind::Server));
    }
    stub.answers(reply(200, list(&[(1, "Sold")])));
    assert_eq!(give(&client, "Sold").await.unwrap().status, 202);
    assert_eq!(client.quota().in_flight(), 0);
}

#[tokio::test]
async fn what_becomes_of_the_wrap_up_itself_is_told_as_it_is() {
    let stub = Stub::start().await;
    let client = stub.client();
    stub.answers(reply(200, list(&[(1, "Sold")])));
    for (status, kind) in [
        (403, FaultKind::Forbidden { missing: None }),
        (404, FaultKind::NotFound),
        (409, FaultKind::Conflict),
        (504, FaultKind::OutcomeUnknown),
    ] {
        stub.answers(reply(status, ""));
        let not_given = give(&client, "Sold").await.unwrap_err();
        assert_eq!((not_given.asked, not_given.fault.kind), (true, kind));
    }
}
