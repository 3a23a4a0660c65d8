//! What the simulated organisation tells of itself: roles, limits, Messenger deployments, and the time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use genesys_simulator::{ConversationDisconnect, DisconnectNotice, MessengerSetting, OauthClient, Quota};
use serde_json::{Value, json};
use support::{Remote, quick};

const DEPLOYMENTS: &str = "/api/v2/webdeployments/deployments";

async fn with_permissions<const N: usize>(permissions: [&str; N]) -> Remote {
    let client = OauthClient::new("closer", "s").with_permissions(permissions);
    let mut remote = Remote::start_logged_out(quick().client(client)).await;
    remote.token = remote.log_in("closer", "s").await;
    remote
}

#[tokio::test]
async fn a_subject_shows_the_policies_of_its_roles_on_request_only() {
    let remote =
        with_permissions(["conversation:communication:view", "conversation:communication:disconnect"]).await;
    let brief = remote.get("/api/v2/authorization/subjects/me").await.json();
    assert_eq!(brief["grants"][0]["division"]["id"], "*");
    assert_eq!(brief["grants"][0]["role"].get("policies"), None);
    let full = remote.get("/api/v2/authorization/subjects/me?includeFullRoles=true").await.json();
    assert_eq!(
        full["grants"][0]["role"]["policies"],
        json!([{ "domain": "conversation", "entityName": "communication", "actions": ["disconnect", "view"] }])
    );
    let all = Remote::start(quick()).await;
    let full = all.get("/api/v2/authorization/subjects/me?includeFullRoles=true").await.json();
    assert_eq!(full["grants"][0]["role"]["policies"][0]["entityName"], "*");
}

#[tokio::test]
async fn the_limits_name_that_of_the_token() {
    let remote = Remote::start(quick().quota(Quota::per_minute(120))).await;
    let limits = remote.get("/api/v2/organizations/limits/namespaces/platform.api").await.json();
    assert_eq!(
        limits["entities"][0],
        json!({ "key": "client.credentials.token.rate.per.minute", "namespace": "platform.api", "value": 120 })
    );
    assert_eq!(remote.get("/api/v2/organizations/limits/namespaces/elsewhere").await.status, 404);
}

#[tokio::test]
async fn a_deployment_tells_its_messenger_setting() {
    let off = ConversationDisconnect { enabled: false, kind: DisconnectNotice::Send };
    let remote = Remote::start(quick().messenger(MessengerSetting { conversation_disconnect: off })).await;
    let setting = |configuration: &Value| {
        configuration["messenger"]["apps"]["conversations"]["conversationDisconnect"].clone()
    };
    let brief = remote.get(DEPLOYMENTS).await.json()["entities"][0].clone();
    assert_eq!((&brief["status"], setting(&brief["configuration"])), (&json!("Active"), Value::Null));
    let full = remote.get(&format!("{DEPLOYMENTS}?expand=configuration")).await.json();
    let told = setting(&full["entities"][0]["configuration"]);
    assert_eq!(told, json!({ "enabled": false, "type": "Send" }));
    let id = brief["id"].as_str().unwrap();
    let active = remote.get(&format!("{DEPLOYMENTS}/{id}/configurations")).await.json();
    assert_eq!(setting(&active["configurationVersion"]), told);
    let other = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11";
    assert_eq!(remote.get(&format!("{DEPLOYMENTS}/{other}/configurations")).await.status, 404);
}

#[tokio::test]
async fn deployments_need_a_permission_and_roles_none() {
    let remote = with_permissions(["conversation:communication:view"]).await;
    let refused = remote.get(DEPLOYMENTS).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("webDeployments:deployment:view"), "{refused:?}");
    assert_eq!(remote.get("/api/v2/authorization/subjects/me").await.status, 200);
}

#[tokio::test]
async fn the_date_is_that_of_the_simulated_clock() {
    let remote = Remote::start(quick()).await;
    let hour = |answer: &support::Answer| answer.header("date").unwrap()[17..19].parse::<u32>().unwrap();
    let before = hour(&remote.get("/api/v2/tokens/me").await);
    remote.simulator.advance_clock(Duration::from_secs(2 * 3_600));
    let after = hour(&remote.get("/api/v2/tokens/me").await);
    // The hour may have turned meanwhile.
    assert!([(before + 2) % 24, (before + 3) % 24].contains(&after), "{before} {after}");
}
