//! Planted secrets and personal data: whatever the service writes, answers, shows or stores, they are nowhere in it.

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    time::{Duration, UNIX_EPOCH},
};

use closeout_tests::{Scene, SceneOptions};
use genesys_simulator::{AgentPresence, NewConversation, Signing};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use webhook_signature::{Scheme, WebhookSignature};

const CALLBACK_SECRET: &str = "whsec_Q0FOQVJZLWNhbmFyeS1DQU5BUlktY2FuYXJ5";

/// What a guest is called, and what a guest wrote. Each is one word, which no page writes in another way.
const PERSONAL: [&str; 5] =
    ["Canarygivenname", "Canaryfamilyname", "4915canaryphone", "canarymailbox", "canarymessagetext"];

/// Keys that callers sent, none of them right.
const OF_CALLERS: [&str; 3] = ["canary-of-a-stranger", "canarysignature", "canarycookie"];

/// Pages of the console that are looked at, at most.
const MOST_PAGES: usize = 80;

/// What was planted, and all places that were searched so far.
struct Search {
    needles: Vec<String>,
    places: usize,
}

impl Search {
    fn look(&mut self, place: &str, bytes: &[u8]) {
        self.places += 1;
        // Everything planted is ASCII, so it is found in what is no text, too.
        let text = String::from_utf8_lossy(bytes);
        for needle in &self.needles {
            assert!(!text.contains(needle.as_str()), "{place} holds {needle}");
        }
        // The simulator's access tokens: `sim-` and 32 hexadecimal digits.
        let is_token = |rest: &str| rest.bytes().take(32).filter(u8::is_ascii_hexdigit).count() == 32;
        assert!(!text.split("sim-").skip(1).any(is_token), "{place} holds an access token");
    }
}

fn hook_secret(scene: &Scene) -> String {
    let Signing::HubSha256Base64 { secret } = &scene.relay.signing else {
        panic!("the relay of a scene signs with hub-sha256-base64");
    };
    secret.expose_secret().to_owned()
}

fn options() -> SceneOptions {
    SceneOptions {
        environment: vec![("RUST_LOG".to_owned(), "trace".to_owned())],
        callbacks: format!(
            "[callbacks]\nallowed_hosts = [\"127.0.0.1:9\"]\nsecret = \"{CALLBACK_SECRET}\"\n"
        ),
        ..SceneOptions::default()
    }
}

/// Posts a body to the hook of the relay, signed with its secret; answers the status.
async fn deliver(scene: &Scene, body: &str) -> u16 {
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

/// What comes within a second, or all of it if that is sooner: streams of events have no end.
async fn fetch(request: reqwest::RequestBuilder) -> Vec<u8> {
    let mut answer = request.send().await.unwrap();
    let mut all = format!("{:?}", answer.headers()).into_bytes();
    let reading = async {
        while let Ok(Some(piece)) = answer.chunk().await {
            all.extend_from_slice(&piece);
        }
    };
    tokio::time::timeout(Duration::from_secs(1), reading).await.ok();
    all
}

/// Every route that is described and only looks.
async fn search_the_interface(scene: &Scene, search: &mut Search, closure: &str, conversation: &str) {
    let [_, (_, key)] = scene.environment();
    let (_, description) = scene.ask("GET", "/openapi.json", None).await;
    let paths = description["paths"].as_object().unwrap();
    assert!(paths.len() > 30, "the interface is described");
    for path in paths.iter().filter(|(_, path)| path["get"].is_object()).map(|(path, _)| path) {
        let filled = path.replace("{id}", closure).replace("{conversationId}", conversation);
        let request = reqwest::Client::new().get(format!("{}{filled}", scene.base)).bearer_auth(key);
        search.look(&filled, &fetch(request).await);
    }
}

/// Every page of the console that links lead to.
async fn search_the_console(scene: &Scene, search: &mut Search) {
    let [_, (_, key)] = scene.environment();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let entered = client.post(format!("{}/console/login", scene.base)).form(&[("key", key), ("next", "/")]);
    let entered = entered.send().await.unwrap();
    let cookie = entered.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let (mut known, mut ahead) = (BTreeSet::new(), VecDeque::from(["/".to_owned()]));
    while let Some(path) = ahead.pop_front().filter(|_| known.len() < MOST_PAGES) {
        if !known.insert(path.clone()) {
            continue;
        }
        let page = fetch(client.get(format!("{}{path}", scene.base)).header("cookie", &cookie)).await;
        // The key is what its owner has typed; no page shows it.
        search.look(&path, &page);
        let text = String::from_utf8_lossy(&page).into_owned();
        let links = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        ahead.extend(links.filter(|link| link.starts_with('/')).map(|link| link.replace("&amp;", "&")));
    }
    assert!(known.len() > 10, "there are more pages than {known:?}");
}

/// What the command line prints for operators, and exports.
async fn search_the_command_line(scene: &Scene, search: &mut Search, closure: &str) {
    for arguments in [
        &["bundle", closure][..],
        &["get", closure],
        &["timeline", closure],
        &["explain", closure],
        &["list", "-o", "csv"],
        &["hooks", "received"],
        &["ghosts", "report", "-o", "html"],
        &["config", "show", "--config", "closeout.toml"],
    ] {
        let ended = scene.closeout(arguments).await;
        search.look(&format!("closeout {arguments:?}"), ended.stdout.as_bytes());
        search.look(&format!("closeout {arguments:?} on stderr"), ended.stderr.as_bytes());
    }
}

/// Everything in the folder but the two files that were given the secrets.
fn search_the_files(scene: &Scene, search: &mut Search) {
    let mut names = Vec::new();
    for entry in fs::read_dir(scene.folder.path()).unwrap() {
        let (name, path) = entry.map(|entry| (entry.file_name(), entry.path())).unwrap();
        let name = name.to_string_lossy().into_owned();
        if !["closeout.toml", "client-secret"].contains(&name.as_str()) && path.is_file() {
            search.look(&name, &fs::read(path).unwrap());
            names.push(name);
        }
    }
    for file in ["closeout.db", "service.log"] {
        assert!(names.iter().any(|name| name == file), "{file} is not in {names:?}");
    }
}

#[tokio::test]
async fn planted_secrets_and_personal_data_are_found_nowhere() {
    let mut scene = Scene::begin(options()).await;
    let [given, family, phone, mail, _] = PERSONAL;
    let mut guest = NewConversation::default();
    for (name, value) in [("name", given), ("family", family), ("phone", phone), ("mail", mail)] {
        guest.attributes.insert(name.to_owned(), value.to_owned());
    }
    let agent = guest.clone().agent(AgentPresence::Connected);
    let made = scene.simulator.create(&guest).unwrap()[0];
    let with_agent = scene.simulator.create(&agent).unwrap()[0];
    let conversation = made.conversation_id.to_string();
    let wish = json!({
        "conversationId": conversation,
        "callback": { "url": "http://127.0.0.1:9/closed" },
        "labels": { "team": "checkout" },
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
        CALLBACK_SECRET.to_owned(),
        genesys_simulator::DEFAULT_CLIENT_SECRET.to_owned(),
    ];
    let configured = fs::read_to_string(scene.configuration()).unwrap();
    for secret in [&secrets[0], &secrets[2]] {
        assert!(configured.contains(secret.as_str()), "what is searched for is what was planted");
    }
    let words = PERSONAL.into_iter().chain(OF_CALLERS).map(str::to_owned);
    let mut search = Search { needles: secrets.into_iter().chain(words).collect(), places: 0 };
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
