//! The flow against a provider on loopback that does what it is told, also what no true one would do.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use axum::{
    Form, Json, Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::Algorithm;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::{
    forge::Signer,
    grants::{Grant, Role},
    refused::Whose,
};

/// What the provider knows, and how it behaves.
struct Behaviour {
    issuer: String,
    signer: Signer,
    published: Vec<Value>,
    /// What ID tokens say beside what they must, or in its place.
    says: Value,
    /// What is told of a person elsewhere.
    person: Value,
    /// The challenge and nonce of each code.
    codes: HashMap<String, (String, String)>,
    fetched_keys: usize,
}

#[derive(Clone)]
struct Double(Arc<Mutex<Behaviour>>);

impl Double {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let signer = Signer::new(Algorithm::ES256, "first");
        let published = vec![signer.published()];
        let (says, person) =
            (json!({ "groups": ["operators"], "name": "Ann" }), json!({ "sub": "person-1" }));
        let behaviour =
            Behaviour { issuer, signer, published, says, person, codes: HashMap::new(), fetched_keys: 0 };
        let double = Self(Arc::new(Mutex::new(behaviour)));
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route("/jwks", get(jwks))
            .route("/token", post(token_endpoint))
            .route(
                "/me",
                get(async |State(double): State<Double>| Json(double.with(|it| it.person.clone()))),
            );
        tokio::spawn(axum::serve(listener, routes.with_state(double.clone())).into_future());
        double
    }

    fn with<T>(&self, change: impl FnOnce(&mut Behaviour) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A service, or one more on the same configuration.
    fn service(&self) -> Provider {
        Provider::new(Settings {
            issuer: self.with(|it| it.issuer.clone()),
            client_id: "close out".to_owned(),
            client_secret: "s:e%cret".to_owned().into(),
            home: "https://closeout.example".to_owned(),
            scopes: vec!["openid".to_owned(), "profile".to_owned()],
            roles_claim: "groups".to_owned(),
            name_claim: "name".to_owned(),
            grants: vec![Grant {
                value: "operators".to_owned(),
                role: Role::Operate,
                organisations: vec!["main".to_owned()],
            }],
        })
        .unwrap()
    }

    /// What a person does at the provider: the query that the browser comes back with.
    fn person_agrees(&self, begun: &Begun) -> String {
        let to = Url::parse(&begun.to).unwrap();
        let asked: HashMap<_, _> = to.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], "close out");
        assert_eq!(asked["scope"], "openid profile");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["redirect_uri"], "https://closeout.example/console/login/oidc/back");
        let code = format!("code of {}", asked["state"]);
        let about = (asked["code_challenge"].clone(), asked["nonce"].clone());
        self.with(|it| it.codes.insert(code.clone(), about));
        form_urlencoded::Serializer::new(String::new())
            .append_pair("code", &code)
            .append_pair("state", &asked["state"])
            .finish()
    }

    /// A whole log-in at one service.
    async fn log_in(&self, service: &Provider) -> Result<Welcome, Refused> {
        let begun = service.begin("/console/closures").await?;
        service.finish(&self.person_agrees(&begun), &[begun.kept]).await
    }
}

async fn document(State(double): State<Double>) -> Json<Value> {
    let at = double.with(|it| it.issuer.clone());
    Json(
        json!({ "issuer": at, "authorization_endpoint": format!("{at}/auth?realm=1"), "jwks_uri": format!("{at}/jwks"),
        "token_endpoint": format!("{at}/token"), "userinfo_endpoint": format!("{at}/me"),
        "end_session_endpoint": format!("{at}/leave") }),
    )
}

async fn jwks(State(double): State<Double>) -> Json<Value> {
    double.with(|it| {
        it.fetched_keys += 1;
        Json(json!({ "keys": it.published }))
    })
}

async fn token_endpoint(
    State(double): State<Double>,
    headers: axum::http::HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let proof = format!("Basic {}", STANDARD.encode("close+out:s%3Ae%25cret"));
    if headers[AUTHORIZATION] != proof.as_str() {
        return refused("invalid_client");
    }
    assert_eq!(form["redirect_uri"], "https://closeout.example/console/login/oidc/back");
    double.with(|it| {
        let Some((challenge, nonce)) = it.codes.remove(&form["code"]) else {
            return refused("invalid_grant");
        };
        let proven = Flow { verifier: form["code_verifier"].clone(), ..Flow::begin("/", 0) };
        if proven.challenge() != challenge {
            return refused("invalid_grant");
        }
        let mut claims = json!({ "iss": it.issuer, "sub": "person-1", "aud": "close out", "nonce": nonce,
            "iat": now(), "exp": now() + 60 });
        for (name, value) in it.says.as_object().unwrap() {
            claims[name] = value.clone();
        }
        Json(json!({ "id_token": it.signer.sign(&claims), "access_token": "at", "token_type": "Bearer" }))
            .into_response()
    })
}

/// Lets time pass for what was fetched, and for nothing that is under way.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn whoever_is_granted_a_role_is_let_in_and_led_to_where_the_log_in_began() {
    let double = Double::start().await;
    let welcome = double.log_in(&double.service()).await.unwrap();
    assert_eq!((welcome.person.name.as_str(), welcome.person.role), ("oidc:Ann", Role::Operate));
    assert_eq!(
        (welcome.person.organisations, welcome.next.as_str()),
        (vec!["main".to_owned()], "/console/closures")
    );
    let leave = Url::parse(welcome.leave.unwrap().expose_secret()).unwrap();
    let says: HashMap<_, _> = leave.query_pairs().into_owned().collect();
    assert_eq!(
        (leave.path(), says["post_logout_redirect_uri"].as_str()),
        ("/leave", "https://closeout.example/console/login")
    );
    assert!(says["id_token_hint"].split('.').count() == 3 && says["client_id"] == "close out");
}

#[tokio::test]
async fn a_log_in_is_finished_by_the_browser_that_began_it_once_and_in_time() {
    let double = Double::start().await;
    let service = double.service();
    let begun = service.begin("/").await.unwrap();
    let other = service.begin("/").await.unwrap();
    let query = double.person_agrees(&begun);
    for kept in [vec![], vec![other.kept.clone()], vec!["forged.seal".to_owned()]] {
        let refused = service.finish(&query, &kept).await.unwrap_err();
        assert_eq!(refused.whose, Whose::Browser, "{kept:?}");
    }
    let twice = format!("{query}&state=another");
    assert_eq!(
        service.finish(&twice, std::slice::from_ref(&begun.kept)).await.unwrap_err().whose,
        Whose::Browser
    );
    service.finish(&query, &[other.kept, begun.kept.clone()]).await.unwrap();
    let again = service.finish(&query, &[begun.kept]).await.unwrap_err();
    assert!(again.whose == Whose::Browser && again.detail.contains("second time"), "{again}");
}

#[tokio::test]
async fn it_may_come_back_to_another_service_and_a_code_is_used_once_among_all() {
    let double = Double::start().await;
    let (one, two) = (double.service(), double.service());
    let begun = one.begin("/").await.unwrap();
    let query = double.person_agrees(&begun);
    two.finish(&query, std::slice::from_ref(&begun.kept)).await.unwrap();
    let again = one.finish(&query, &[begun.kept]).await.unwrap_err();
    assert!(again.whose == Whose::Browser && again.detail.contains("invalid_grant"), "{again}");
}

#[tokio::test]
async fn a_code_that_was_caught_is_of_no_use_in_the_log_in_of_another() {
    let double = Double::start().await;
    let service = double.service();
    let (theirs, ours) = (service.begin("/").await.unwrap(), service.begin("/").await.unwrap());
    let caught = double.person_agrees(&theirs);
    let code =
        form_urlencoded::parse(caught.as_bytes()).find(|(name, _)| name == "code").unwrap().1.into_owned();
    let state =
        Url::parse(&ours.to).unwrap().query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &code)
        .append_pair("state", &state)
        .finish();
    let refused = service.finish(&query, &[ours.kept]).await.unwrap_err();
    assert!(refused.detail.contains("invalid_grant"), "the verifier is another: {refused}");
}

#[tokio::test]
async fn new_keys_are_fetched_when_a_token_names_one_and_old_ones_are_forgotten() {
    let double = Double::start().await;
    let service = double.service();
    double.log_in(&service).await.unwrap();
    double.log_in(&service).await.unwrap();
    assert_eq!(double.with(|it| it.fetched_keys), 1, "they are kept for a while");
    let withdrawn = double.with(|it| {
        let new = Signer::new(Algorithm::RS256, "second");
        it.published = vec![new.published()];
        std::mem::replace(&mut it.signer, new)
    });
    assert!(double.log_in(&service).await.is_err(), "not for every token at once");
    pass(BETWEEN_KEYS).await;
    double.log_in(&service).await.unwrap();
    double.with(|it| it.signer = withdrawn);
    pass(BETWEEN_KEYS).await;
    let refused = double.log_in(&service).await.unwrap_err();
    assert!(refused.whose == Whose::Provider && refused.detail.contains("does not publish"), "{refused}");
}

#[tokio::test]
async fn whom_nothing_is_granted_and_whom_the_token_does_not_prove_is_refused() {
    let double = Double::start().await;
    let service = double.service();
    for (says, whose) in [
        (json!({ "groups": ["guests"] }), Whose::Nobody),
        (json!({}), Whose::Nobody),
        (json!({ "groups": ["operators"], "nonce": "another" }), Whose::Provider),
        (json!({ "groups": ["operators"], "aud": "another" }), Whose::Provider),
        (json!({ "groups": ["operators"], "iss": "https://evil.example" }), Whose::Provider),
        (json!({ "groups": ["operators"], "exp": 1 }), Whose::Provider),
    ] {
        double.with(|it| it.says = says.clone());
        assert_eq!(double.log_in(&service).await.unwrap_err().whose, whose, "{says}");
    }
}

#[tokio::test]
async fn what_the_token_does_not_say_is_asked_for_and_must_be_of_the_same_person() {
    let double = Double::start().await;
    let service = double.service();
    double.with(|it| {
        it.says = json!({});
        it.person = json!({ "sub": "person-1", "groups": ["operators"], "name": "Ann" });
    });
    assert_eq!(double.log_in(&service).await.unwrap().person.name, "oidc:Ann");
    double.with(|it| it.person["sub"] = json!("person-2"));
    let refused = double.log_in(&service).await.unwrap_err();
    assert!(refused.whose == Whose::Provider && refused.detail.contains("somebody else"), "{refused}");
    double.with(|it| it.says = json!({ "groups": ["guests"], "name": "Bob" }));
    assert_eq!(
        double.log_in(&service).await.unwrap_err().whose,
        Whose::Nobody,
        "what the token says is not overruled"
    );
}

#[tokio::test]
async fn what_the_provider_says_in_place_of_a_code_is_a_sentence_and_the_rest_is_for_the_log() {
    let double = Double::start().await;
    let service = double.service();
    for error in ["access_denied", "server_error", "invalid_scope\n<b>"] {
        let begun = service.begin("/").await.unwrap();
        let state = Url::parse(&begun.to)
            .unwrap()
            .query_pairs()
            .find(|(name, _)| name == "state")
            .unwrap()
            .1
            .into_owned();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("error", error)
            .append_pair("error_description", "for\nwhoever runs it")
            .append_pair("state", &state)
            .finish();
        let refused = service.finish(&query, &[begun.kept]).await.unwrap_err();
        assert!(!refused.sentence.contains("whoever runs it\n") && !refused.sentence.contains("<b>"));
        assert!(
            refused.detail.contains("for\u{fffd}whoever runs it") && !refused.detail.contains('\n'),
            "{refused}"
        );
        let whose = if error == "access_denied" { Whose::Nobody } else { Whose::Provider };
        assert_eq!(refused.whose, whose, "{error}");
        assert!(!refused.sentence.contains(error), "{}", refused.sentence);
    }
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_in_a_sentence_and_asked_again_later() {
    let double = Double::start().await;
    let service = double.service();
    let true_issuer = double.with(|it| std::mem::replace(&mut it.issuer, "https://other.example".to_owned()));
    let refused = service.begin("/").await.unwrap_err();
    assert!(refused.whose == Whose::Provider && refused.detail.contains("letter by letter"), "{refused}");
    double.with(|it| it.issuer = true_issuer);
    assert!(service.begin("/").await.is_err(), "not at once");
    pass(AFTER_FAILURE).await;
    double.log_in(&service).await.unwrap();
}

#[tokio::test]
async fn how_a_provider_stands_is_told_without_a_log_in() {
    let double = Double::start().await;
    let standing = double.service().standing().await.unwrap();
    assert_eq!(standing, Standing { keys: 1, client: Believed::Yes, ends_sessions: true });
    let mut settings = double.service().settings;
    settings.client_secret = "another".to_owned().into();
    let standing = Provider::new(settings).unwrap().standing().await.unwrap();
    assert!(matches!(standing.client, Believed::No(_)), "{standing:?}");
    double.with(|it| it.published = vec![json!({ "kty": "oct", "k": "c2VjcmV0" }), json!({ "kty": "?" })]);
    assert_eq!(double.service().standing().await.unwrap().keys, 0);
    double.with(|it| it.issuer = "https://other.example".to_owned());
    let mut elsewhere = double.service().settings;
    elsewhere.issuer = "http://127.0.0.1:1".to_owned();
    assert!(Provider::new(elsewhere).unwrap().standing().await.is_err());
}

#[tokio::test]
async fn no_secret_shows() {
    let service = Double::start().await.service();
    assert!(!format!("{service:?}").contains("s:e%cret"));
}

#[tokio::test]
async fn whoever_makes_up_codes_does_not_have_the_provider_asked_without_end() {
    let double = Double::start().await;
    let service = double.service();
    let made_up = async || {
        let begun = service.begin("/").await.unwrap();
        let to = Url::parse(&begun.to).unwrap();
        let state = to.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        service.finish(&format!("code=x&state={state}"), &[begun.kept]).await.unwrap_err()
    };
    let mut asked = 0;
    while made_up().await.whose == Whose::Browser {
        asked += 1;
    }
    // One more for every second that a slow machine takes.
    assert!((30..60).contains(&asked), "{asked}");
    let refused = made_up().await;
    assert!(refused.whose == Whose::Many && refused.sentence.contains("log in with a key"), "{refused:?}");
    pass(Duration::from_secs(5)).await;
    double.log_in(&service).await.unwrap();
}
