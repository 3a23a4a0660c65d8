//! Planted secrets and personal data: whatever the service writes, answers, shows or stores, they are nowhere in it.

use std::{
    fs,
    time::{Duration, UNIX_EPOCH},
};

use closeout_tests::{
    RECEIVER_SECRET, Receiver, Scene, SceneOptions, Search, search_the_command_line, search_the_console,
    search_the_files, search_the_interface, wait_until,
};
use genesys_simulator::{
    AgentPresence, ChaosSpec, DEFAULT_QUEUE, FaultRule, NewConversation, Preset, Signing, SocketAct,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use webhook_signature::{Scheme, WebhookSignature};

/// What a producer says of a closure, and is to be told again: it is given by the same doors as what is planted.
const LABEL: &str = "canarylabel";

/// What a guest is called, and what a guest wrote. Each is one word, which no page writes in another way.
const PERSONAL: [&str; 5] =
    ["Canarygivenname", "Canaryfamilyname", "4915canaryphone", "canarymailbox", "canarymessagetext"];

/// Keys that callers sent, none of them right.
const OF_CALLERS: [&str; 3] = ["canary-of-a-stranger", "canarysignature", "canarycookie"];

fn hook_secret(scene: &Scene) -> String {
    let Signing::HubSha256Base64 { secret } = &scene.relay.signing else {
        panic!("the relay of a scene signs with hub-sha256-base64");
    };
    secret.expose_secret().to_owned()
}

fn options(receiver: &Receiver) -> SceneOptions {
    let everything = vec![("RUST_LOG".to_owned(), "trace".to_owned())];
    SceneOptions { environment: everything, ..receiver.tables("") }
}

/// A guest with all that one tells of oneself.
fn guest() -> NewConversation {
    let [given, family, phone, mail, _] = PERSONAL;
    let mut guest = NewConversation::default();
    for (name, value) in [("name", given), ("family", family), ("phone", phone), ("mail", mail)] {
        guest.attributes.insert(name.to_owned(), value.to_owned());
    }
    guest
}

/// Posts a body to the hook of the relay, signed with its secret; answers the status.
pub async fn deliver(scene: &Scene, body: &str) -> u16 {
    let secret = SecretString::from(hook_secret(scene));
    let hook = WebhookSignature::new(Scheme::HubSha256Base64, vec![secret]).unwrap();
    let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let mut request = reqwest::Client::new()
        .post(format!("{}/hooks/relay", scene.base))
        .header("content-type", "application/json")
        .body(body.to_owned());
    for (name, value) in hook.sign(None, now, body.as_bytes()).unwrap() {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status().as_u16()
}

/// Events and messages with all that Genesys tells of a guest, of forms that are understood and of some that are not.
async fn tell_of_a_guest(scene: &Scene, conversation: &str) {
    let [given, family, phone, mail, text] = PERSONAL;
    let guest = json!({
        "id": "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01", "purpose": "customer", "state": "connected", "name": given,
        "address": format!("{mail}@example.invalid"), "attributes": { "phone": phone, "family": family },
        "messages": [{ "id": "5b2f9f3c-88d1-4a7e-bb55-0d7c54e2aa10", "state": "connected",
                       "fromAddress": { "name": given, "addressNormalized": phone }, "textBody": text }],
    });
    let notification = json!({
        "topicName": format!("v2.users.5f0f2a1c-9c55-4a63-8e2a-2a0d1c7f6b04.conversations.messages"),
        "eventBody": { "id": conversation, "participants": [guest] },
    });
    let plain = json!({
        "eventId": "e-1", "conversationId": conversation, "state": "parked", "name": given, "phone": phone,
    });
    let message = json!({
        "id": "m-1", "type": "Text", "text": text, "direction": "Inbound",
        "channel": { "from": { "nickname": given, "lastName": family, "id": mail } },
    });
    for body in [notification.to_string(), plain.to_string(), message.to_string()] {
        let status = deliver(scene, &body).await;
        assert!(matches!(status, 204 | 400), "{status} for {body}");
    }
    // Unreadable, each in another way.
    let twice = format!(r#"{{"name": "{given}", "name": "{family}"}}"#);
    let broken = format!(r#"{{"conversationId": "{mail}", "state": "{text}""#);
    let no_id =
        json!({ "conversationId": mail, "participantId": phone, "state": "disconnected" }).to_string();
    for body in [twice, broken, no_id, format!("\"{text}\"")] {
        assert_eq!(deliver(scene, &body).await, 400, "{body}");
    }
}

/// Requests of strangers: forged deliveries, wrong keys, wrong cookies.
async fn knock(scene: &Scene) {
    let [stranger, signature, cookie] = OF_CALLERS;
    let client = reqwest::Client::new();
    let post =
        |path: &str| client.post(format!("{}{path}", scene.base)).header("content-type", "application/json");
    let forged = post("/hooks/relay").header("x-hub-signature-256", format!("sha256={signature}"));
    let login = client.post(format!("{}/console/login", scene.base)).form(&[("key", stranger)]);
    let look =
        client.get(format!("{}/console/audit", scene.base)).header("cookie", format!("closeout={cookie}"));
    let other = post("/v1/closures").bearer_auth(stranger).body("{}");
    let basic = post("/v1/closures").basic_auth(stranger, Some(stranger)).body("{}");
    let text = PERSONAL[4];
    for request in [forged.body(format!("{{\"text\": \"{text}\"}}")), login, look, other, basic] {
        let status = request.send().await.unwrap().status();
        assert!(!status.is_server_error(), "{status}");
    }
}

#[tokio::test]
async fn planted_secrets_and_personal_data_are_found_nowhere() {
    let receiver = Receiver::listen().await;
    let mut scene = Scene::begin(options(&receiver)).await;
    let guest = guest();
    let agent = guest.clone().agent(AgentPresence::Connected);
    let made = scene.simulator.create(&guest).unwrap()[0];
    let with_agent = scene.simulator.create(&agent).unwrap()[0];
    let conversation = made.conversation_id.to_string();
    let wish = json!({
        "conversationId": conversation,
        "callback": { "url": receiver.url() },
        "labels": { "team": LABEL },
    });
    let (status, closure) = scene.ask("POST", "/v1/closures?wait=20s", Some(wish)).await;
    assert_eq!((status, &closure["state"]), (200, &json!("closed")), "{closure}");
    scene.close(with_agent.conversation_id, "20s").await;
    let unknown: Value = json!({ "conversationId": conversation, "policy": { "order": PERSONAL[4] } });
    assert_eq!(scene.ask("POST", "/v1/closures", Some(unknown)).await.0, 422);
    tell_of_a_guest(&scene, &conversation).await;
    knock(&scene).await;

    let [_, (_, key)] = scene.environment();
    let secrets = [
        hook_secret(&scene),
        key.to_owned(),
        RECEIVER_SECRET.to_owned(),
        genesys_simulator::DEFAULT_CLIENT_SECRET.to_owned(),
    ];
    let configured = fs::read_to_string(scene.configuration()).unwrap();
    for secret in [&secrets[0], &secrets[2]] {
        assert!(configured.contains(secret.as_str()), "what is searched for is what was planted");
    }
    let words = PERSONAL.into_iter().chain(OF_CALLERS).map(str::to_owned);
    let mut search = Search::of(secrets.into_iter().chain(words), LABEL);
    let told = wait_until(Duration::from_secs(20), || async { receiver.got().pop() });
    assert!(told.await.is_some(), "nothing was told: {}", scene.log());
    search.look_at_what_was_told(&receiver.got().concat());
    let id = closure["id"].as_str().unwrap();
    search_the_interface(&scene, &mut search, id, &conversation).await;
    search_the_console(&scene, &mut search).await;
    search_the_command_line(&scene, &mut search, id).await;
    assert_eq!(scene.terminate(), 0);
    search_the_files(&scene, &mut search);
    let log = scene.log();
    assert!(log.contains("TRACE") && log.contains(&conversation), "everything is logged");
    assert!(search.places > 60, "only {} places were searched", search.places);
}

#[tokio::test]
async fn a_ghost_and_the_notification_socket_tell_nothing_of_guests_and_secrets() {
    let confirm =
        format!("[[confirm]]\nname = \"socket\"\nkind = \"notifications\"\nqueues = [\"{DEFAULT_QUEUE}\"]\n");
    let closing = "confirm_within = \"1s\"\ndeadline = \"4s\"\nstale_read_gap = \"500ms\"\n".to_owned();
    let receiver = Receiver::listen().await;
    let options = SceneOptions { confirm: Some(confirm), closing, ..options(&receiver) };
    let mut scene = Scene::begin(options).await;
    scene.simulator.set_webhooks(Vec::new()).unwrap();
    let listens = wait_until(Duration::from_secs(20), || async {
        let (_, ready) = scene.ask("GET", "/readyz?verbose", None).await;
        ready["adapters"][0]["connectedSince"].is_string().then_some(())
    });
    assert!(listens.await.is_some(), "the adapter does not listen: {}", scene.log());
    let told = scene.simulator.create(&guest()).unwrap()[0];
    let closed = scene.close(told.conversation_id, "20s").await;
    assert_eq!(closed["confirmedBy"]["kind"], "notification", "{closed}");
    let never = ChaosSpec::none().with(FaultRule::new(Preset::AcceptedButOpen).times(u32::MAX));
    let stuck = NewConversation { chaos: Some(never), ..guest() };
    let made = scene.simulator.create(&stuck).unwrap()[0];
    let wish = json!({
        "conversationId": made.conversation_id,
        "callback": { "url": receiver.url(), "on": ["ghost"] },
        "labels": { "team": LABEL },
    });
    let (status, asked) = scene.ask("POST", "/v1/closures", Some(wish)).await;
    assert_eq!(status, 202, "{asked}");
    let id = asked["id"].as_str().unwrap().to_owned();
    scene.settled(&id, &["ghost"]).await;
    let (status, claimed) = scene.ask("POST", &format!("/v1/ghosts/{id}/claim"), Some(json!({}))).await;
    assert_eq!(status, 200, "{claimed}");
    let mut channels: Vec<_> = scene.simulator.channels().into_iter().map(|channel| channel.id).collect();
    assert_eq!(scene.simulator.act_on_sockets(SocketAct::Cut, None), 1);
    let again = wait_until(Duration::from_secs(20), || async {
        let (_, ready) = scene.ask("GET", "/readyz?verbose", None).await;
        (ready["adapters"][0]["gaps"] == 2).then_some(())
    });
    assert!(again.await.is_some(), "{}", scene.log());
    channels.extend(scene.simulator.channels().into_iter().map(|channel| channel.id));
    assert!(!channels.is_empty(), "a socket has an address, which is a secret");

    let [_, (_, key)] = scene.environment();
    let secrets =
        [key.to_owned(), RECEIVER_SECRET.to_owned(), genesys_simulator::DEFAULT_CLIENT_SECRET.to_owned()];
    let words = PERSONAL.into_iter().map(str::to_owned);
    let mut search = Search::of(secrets.into_iter().chain(words).chain(channels), LABEL);
    let told = wait_until(Duration::from_secs(20), || async { receiver.got().pop() });
    assert!(told.await.is_some(), "nothing was told: {}", scene.log());
    search.look_at_what_was_told(&receiver.got().concat());
    search_the_interface(&scene, &mut search, &id, &made.conversation_id.to_string()).await;
    search_the_console(&scene, &mut search).await;
    search_the_command_line(&scene, &mut search, &id).await;
    assert_eq!(scene.terminate(), 0);
    search_the_files(&scene, &mut search);
    let log = scene.log();
    assert!(log.contains("TRACE") && log.contains(&made.conversation_id.to_string()), "everything is logged");
    assert!(search.places > 60, "only {} places were searched", search.places);
}
