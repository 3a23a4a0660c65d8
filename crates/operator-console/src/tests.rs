//! Who is let in, what a form must have, and what is shown of what strangers wrote. The interface behind is a stand-in that notes what it
//! is asked; the true one is there in the tests of the program.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::Request as Asked,
    response::{IntoResponse as _, Response},
};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Options, Who, router, routes};

mod pages;
mod reading;
mod sign_on;

/// What the stand-in was asked to do: the path of everything but looks, and the reason that was given.
type Acts = Arc<Mutex<Vec<String>>>;

const HOSTILE: &str = "<script>alert(1)</script>";

/// A conversation of which no end was asked for.
const NOBODYS: &str = "00000000-0000-4000-8000-000000000001";

/// What is advised beside the acts of a closure.
const RESUME: &str = "POST /v1/outgoing/resume {\"organisation\":\"main\"}";
const CLOSE: &str = "POST /v1/closures {\"conversationId\":\"c1\"}";

fn stand_in(acts: &Acts) -> Router {
    let acts = Arc::clone(acts);
    Router::new().fallback(move |asked: Asked| {
        let acts = Arc::clone(&acts);
        async move {
            let bearer = asked.headers().get(header::AUTHORIZATION).and_then(|key| key.to_str().ok()).unwrap_or_default();
            let role = match bearer {
                "Bearer ck_read" => "read",
                "Bearer ck_operate" => "operate",
                "Bearer ck_admin" => "admin",
                "Bearer ck_submit" => "submit",
                "Bearer ck_leaving" if acts.lock().unwrap().is_empty() => "operate",
                _ => return (StatusCode::UNAUTHORIZED, Json(json!({ "detail": "no such key" }))).into_response(),
            };
            if asked.method() == "POST" {
                let refused = asked.uri().query().is_some_and(|query| query.contains("refusing"));
                if refused {
                    let problem = json!({ "detail": "The rows cannot be taken.", "code": "unreadable_batch" });
                    return (StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response();
                }
                if asked.uri().query().is_some_and(|query| query.contains("manifold")) {
                    let problem = json!({ "detail": "At least 10001 closures match.", "code": "unreadable_batch",
                        "filter": { "state": ["ghost"], "labels": { HOSTILE: "x" }, "until": "2026-11-28T10:00:00.000Z" } });
                    return (StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response();
                }
                let path = asked.uri().to_string();
                let is_text = asked.headers()[header::CONTENT_TYPE] == "text/plain";
                let body = to_bytes(asked.into_body(), usize::MAX).await.unwrap();
                if is_text {
                    acts.lock().unwrap().push(format!("{path} of {}", String::from_utf8_lossy(&body)));
                    return Json(json!({ "id": "bt_new" })).into_response();
                }
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                let because = body["reason"].as_str().map(|reason| format!(" because of {reason}")).unwrap_or_default();
                acts.lock().unwrap().push(format!("{path}{because}"));
                return Json(json!({ "id": "cl_new" })).into_response();
            }
            if asked.uri().query().is_some_and(|query| query.contains("nonsense")) {
                let problem = json!({ "detail": "That is no id.", "fix": "GET /openapi.json" });
                return (StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response();
            }
            if asked.uri().query().is_some_and(|query| query.contains(NOBODYS)) {
                return Json(json!({ "items": [], "nextCursor": null })).into_response();
            }
            let ghost = json!({ "id": "cl_1", "conversationId": HOSTILE, "state": "ghost", "version": 3, "timings": {},
                "ghost": { "reason": HOSTILE, "queueId": HOSTILE, "handling": { "claimed": { "by": HOSTILE } }, "suggested": [{ "what": HOSTILE }, { "act": "resolve", "what": HOSTILE }] } });
            let answer = match asked.uri().path() {
                "/v1/whoami" => json!({ "name": if role == "admin" { "eve" } else { "ann" }, "role": role, "organisations": ["main", "other"] }),
                "/v1/ghosts/summary" => json!({ "total": 1, "groups": [{ "reason": HOSTILE, "organisation": "main", "count": 1 }],
                    "byQueue": [{ "organisation": HOSTILE, "queueId": HOSTILE, "count": 1, "byReason": { HOSTILE: 1 } }] }),
                "/readyz" => json!({ "organisations": [{ "name": HOSTILE, "open": 1, "queued": 0 }], "adapters": [],
                    "lastReload": { "at": "2026-11-28T10:00:00.000Z", "accepted": false, "why": HOSTILE } }),
                // The pause that holds stands behind a page of those that were refused.
                "/v1/audit" if asked.uri().query().is_some_and(|query| query.contains("pause&subject=") && !query.contains("cursor=after")) =>
                    json!({ "items": [{ "by": "mallory", "outcome": "refused" }], "nextCursor": "after" }),
                "/v1/audit" if asked.uri().query().is_some_and(|query| query.contains("pause&subject=")) => json!({ "items": [{ "by": HOSTILE,
                    "why": HOSTILE, "at": "2026-11-28T10:00:00.000Z", "outcome": "done" }] }),
                "/v1/sources" => json!({ "items": [{ "name": "orders", "kind": "nats", "state": "paused", "paused": true,
                        "pausedBy": { "by": HOSTILE, "why": HOSTILE, "at": "2026-11-28T10:00:00.000Z" } },
                    { "name": "other", "kind": HOSTILE, "state": "unreachable", "fault": "the broker is away", "waiting": 7 }] }),
                "/v1/closures/cl_1" => ghost,
                "/v1/batches/bt_1" => json!({ "id": "bt_1", "state": "running", "organisation": HOSTILE, "reason": HOSTILE, "progress": {},
                    "filter": { "state": ["ghost"], "source": HOSTILE, "labels": { HOSTILE: HOSTILE }, "since": HOSTILE } }),
                "/v1/batches/bt_1/items" => json!({ "items": [{ "row": 2, "line": 5, "state": "skipped", "reason": "malformed", "text": HOSTILE }],
                    "nextCursor": "after" }),
                "/v1/closures/cl_closed" => json!({ "id": "cl_closed", "conversationId": "c1", "state": "closed", "timings": {},
                    "genesysPage": "https://apps.example/c1" }),
                "/v1/closures/cl_1/timeline" => json!({ "items": [{ "id": "ev_0000000000000012", "sequence": 1, "says": HOSTILE }] }),
                "/v1/hooks/received" => json!({ "items": [{ "hook": "relay", "result": "refused", "why": HOSTILE },
                    { "hook": "relay", "result": "unmatched", "conversationId": HOSTILE }] }),
                "/v1/deliveries" => json!({ "items": [{ "id": "dv_1", "closure": "cl_1", "eventId": "ev_0000000000000012-0", "event": HOSTILE }],
                    "nextCursor": "after" }),
                "/v1/closures/cl_1/explain" => json!({ "headline": HOSTILE, "missing": [HOSTILE], "next": [
                    { "act": "force", "what": HOSTILE, "command": HOSTILE },
                    { "act": null, "what": HOSTILE, "command": null, "http": null },
                    { "act": null, "what": HOSTILE, "command": HOSTILE, "http": RESUME },
                    { "act": null, "what": HOSTILE, "command": HOSTILE, "http": CLOSE }] }),
                _ => json!({ "items": [ghost], "nextCursor": "after" }),
            };
            Json(answer).into_response()
        }
    })
}

/// A console, and what was done by it.
fn console(options: Options) -> (Router, Acts) {
    let acts = Acts::default();
    (router(stand_in(&acts), options, None, CancellationToken::new()), acts)
}

/// A console of a service that needs nobody: it has nothing of anything.
fn quiet() -> (Router, Acts) {
    let acts = Acts::default();
    let stand_in = stand_in(&acts);
    let nothing = Router::new()
        .route("/v1/whoami", axum::routing::any_service(stand_in))
        .fallback(async || Json(json!({ "items": [], "total": 0 })));
    (router(nothing, Options::default(), None, CancellationToken::new()), acts)
}

async fn send(
    console: &Router,
    request: http::request::Builder,
    body: &str,
) -> (StatusCode, Response, String) {
    let request = request.header("host", "127.0.0.1:8080").body(Body::from(body.to_owned())).unwrap();
    let mut response = console.clone().oneshot(request).await.unwrap();
    let body = to_bytes(std::mem::take(response.body_mut()), usize::MAX).await.unwrap();
    (response.status(), response, String::from_utf8(body.into()).unwrap())
}

/// Logs in, and answers the cookie and the token of its forms.
async fn log_in(console: &Router, key: &str) -> (String, String) {
    let (status, response, _) =
        send(console, Request::post("/console/login"), &format!("key={key}&next=%2F")).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let cookie =
        response.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let (status, _, page) = send(console, Request::get("/").header("cookie", &cookie), "").await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    (cookie, csrf.to_owned())
}

#[tokio::test]
async fn nobody_is_shown_anything_without_a_key_and_comes_back_to_where_he_wanted() {
    let (console, _) = console(Options::default());
    for path in [
        "/",
        "/console/closures?state=ghost",
        "/console/closures/cl_1",
        "/console/settings",
        "/console/nowhere",
    ] {
        let (status, response, page) = send(&console, Request::get(path), "").await;
        let to = response.headers()[header::LOCATION].to_str().unwrap();
        assert!(
            status == StatusCode::SEE_OTHER && to.starts_with("/console/login?next="),
            "{path}: {to} {page}"
        );
    }
    let (status, _, page) = send(&console, Request::post("/console/login"), "key=ck_wrong").await;
    assert!(status == StatusCode::UNAUTHORIZED && page.contains("not known here"), "{page}");
    let (status, _, page) = send(&console, Request::post("/console/login"), "key=ck_submit").await;
    assert!(status == StatusCode::FORBIDDEN && page.contains("only request closures"), "{page}");
    let evil = Request::post("/console/login").header("origin", "https://evil.example");
    assert_eq!(send(&console, evil, "key=ck_read").await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_form_does_nothing_unless_a_page_of_the_session_sent_it_and_the_role_allows() {
    let act = |cookie: &str| Request::post("/console/closures/cl_1/act").header("cookie", cookie);
    let (allowed, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&allowed, "ck_operate").await;
    let (status, _, page) = send(&allowed, act(&cookie), "act=verify").await;
    assert!(status == StatusCode::FORBIDDEN && page.contains("nothing was done"), "{page}");
    let (other, _) = log_in(&allowed, "ck_operate").await;
    assert_eq!(
        send(&allowed, act(&other), &format!("act=verify&csrf={csrf}")).await.0,
        StatusCode::FORBIDDEN,
        "of another session"
    );
    let evil = act(&cookie).header("sec-fetch-site", "cross-site");
    assert_eq!(send(&allowed, evil, &format!("act=verify&csrf={csrf}")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(
        send(&allowed, act(&cookie), &format!("act=open&csrf={csrf}")).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(*acts.lock().unwrap(), [""; 0]);
    let (status, response, _) =
        send(&allowed, act(&cookie), &format!("act=verify&csrf={csrf}&next=%2Fconsole%2Fclosures%2Fcl_1"))
            .await;
    assert_eq!(
        (status, response.headers()[header::LOCATION].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/console/closures/cl_1")
    );
    assert_eq!(*acts.lock().unwrap(), ["/v1/closures/cl_1/verify"]);
    let (_, _, page) =
        send(&allowed, Request::get("/console/closures/cl_1").header("cookie", &cookie), "").await;
    assert!(
        page.contains("The conversation is being read; what that shows comes into the timeline."),
        "{page}"
    );

    for (options, key, why) in [
        (Options::default(), "ck_read", "Your role is read"),
        (Options { read_only: true }, "ck_admin", "(<code>server.console</code> is <code>read_only</code>)"),
    ] {
        let (looks, acts) = console(options);
        let (cookie, csrf) = log_in(&looks, key).await;
        let (_, _, page) =
            send(&looks, Request::get("/console/closures/cl_1").header("cookie", &cookie), "").await;
        assert!(!page.contains("/console/closures/cl_1/act"), "no form that would be refused: {page}");
        assert_eq!(page.matches(why).count(), 2, "above what can be done, and behind the name: {page}");
        for path in ["/", "/console/closures", "/console/nowhere"] {
            let (_, _, page) = send(&looks, Request::get(path).header("cookie", &cookie), "").await;
            let told = page.contains("</span> Read-only: nothing can be done here, whatever the role.</p>");
            assert_eq!(told, options.read_only, "{path}: {page}");
        }
        let (refused, _, page) = send(&looks, act(&cookie), &format!("act=verify&csrf={csrf}")).await;
        assert_eq!((refused, acts.lock().unwrap().len()), (StatusCode::FORBIDDEN, 0), "{key}");
        assert!(page.contains("Nothing was done. ") && page.contains(why), "{page}");
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_it_is_for_and_nobody_else() {
    let (console, acts) = console(Options::default());
    let (read, read_csrf) = log_in(&console, "ck_read").await;
    let (operate, operate_csrf) = log_in(&console, "ck_operate").await;
    let (admin, admin_csrf) = log_in(&console, "ck_admin").await;
    for (who, method, path, _) in routes() {
        let is_missing = path.contains("{*rest}");
        let path = path.replace("{id}", "cl_1").replace("{name}", "orders").replace("{*rest}", "nowhere");
        let kind = match path.split('/').nth(2) {
            Some("closures") => "act=verify",
            Some("dead-letters") => "act=redrive",
            Some(_) | None => "act=pause&of=scan",
        };
        let request = |cookie: &str| Request::builder().method(&method).uri(&path).header("cookie", cookie);
        for (cookie, csrf, may_act) in [
            ("", "", false),
            (&read, read_csrf.as_str(), false),
            (&operate, &operate_csrf, true),
            (&admin, &admin_csrf, true),
        ] {
            let before = acts.lock().unwrap().len();
            let body =
                if method == Method::GET { String::new() } else { format!("{kind}&csrf={csrf}&next=%2F") };
            // A stream does not end, and leaving ends the session: each has a test of its own.
            if (path.ends_with("live") || path.ends_with("logout")) && !cookie.is_empty() {
                continue;
            }
            let (status, response, _) = send(&console, request(cookie), &body).await;
            let to = response.headers().get(header::LOCATION).map_or("", |to| to.to_str().unwrap());
            let did = acts.lock().unwrap().len() - before;
            let told = format!("{method} {path} with {cookie:?}: {status} {to:?}, {did} acts");
            match who {
                Who::Anybody => assert!(!to.contains("login") && did == 0, "{told}"),
                Who::Looks | Who::Acts if cookie.is_empty() => {
                    assert!(to.starts_with("/console/login") && did == 0, "{told}");
                }
                Who::Looks if is_missing => assert!(status == StatusCode::NOT_FOUND && did == 0, "{told}"),
                Who::Looks => assert!(status == StatusCode::OK && did == 0, "{told}"),
                Who::Acts if may_act => {
                    assert!(status == StatusCode::SEE_OTHER && did <= 1 && !to.contains("login"), "{told}");
                }
                Who::Acts => assert!(status == StatusCode::FORBIDDEN && did == 0, "{told}"),
            }
        }
    }
    assert!(!acts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_strangers_wrote_is_text_and_no_page_may_run_what_stands_in_it() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_operate").await;
    for path in [
        "/",
        "/console/closures",
        "/console/closures/cl_1",
        "/console/closures/cl_1/force",
        "/console/batches",
        "/console/batches/bt_1",
        "/console/sources",
        "/console/received",
        "/console/deliveries",
        "/console/audit",
        "/console/settings",
    ] {
        let (status, response, page) = send(&console, Request::get(path).header("cookie", &cookie), "").await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert!(
            !page.contains("alert(1)</script>") && !page.contains(" style=") && !page.contains(" onclick="),
            "{path}: {page}"
        );
    }
}

#[tokio::test]
async fn leaving_ends_the_session_and_a_key_that_is_gone_ends_it_too() {
    let (console, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&console, "ck_operate").await;
    let leave = Request::post("/console/logout").header("cookie", &cookie);
    send(&console, leave, &format!("csrf={csrf}")).await;
    let says = async |path: &str, cookie: &str| {
        let (status, response, _) = send(&console, Request::get(path).header("cookie", cookie), "").await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        let to = response.headers()[header::LOCATION].to_str().unwrap().to_owned();
        assert!(to.starts_with("/console/login?next=%2F"), "{to}");
        let (status, _, page) = send(&console, Request::get(&to), "").await;
        assert_eq!(status, StatusCode::OK);
        page
    };
    let page = says("/", &cookie).await;
    assert!(page.contains("Your session is over: ") && !page.contains("tokens.toml"), "{page}");
    let page = says("/", "").await;
    assert!(!page.contains("role=\"alert\""), "nobody was logged in: {page}");

    let (cookie, _) = log_in(&console, "ck_leaving").await;
    acts.lock().unwrap().push("the key is taken out".to_owned());
    let page = says("/console/closures/cl_1", &cookie).await;
    assert!(page.contains("your key is no longer in <code>tokens.toml</code>"), "{page}");
    let page = says("/", &cookie).await;
    assert!(page.contains("Your session is over: "), "its session ended with it: {page}");
    let (_, _, page) = send(&console, Request::get("/console/login?over=%3Cb%3E"), "").await;
    assert!(!page.contains("role=\"alert\""), "{page}");
}

#[tokio::test]
async fn whoever_logs_in_again_takes_the_place_of_the_session_before() {
    let (console, _) = console(Options::default());
    let (before, _) = log_in(&console, "ck_operate").await;
    let wrong = Request::post("/console/login").header("cookie", &before);
    assert_eq!(send(&console, wrong, "key=ck_wrong").await.0, StatusCode::UNAUTHORIZED);
    let page = async |cookie: &str| send(&console, Request::get("/").header("cookie", cookie), "").await.0;
    assert_eq!(page(&before).await, StatusCode::OK, "a key that is mistyped ends nothing");
    let again = Request::post("/console/login").header("cookie", &before);
    let (_, response, _) = send(&console, again, "key=ck_read").await;
    let after =
        response.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert_eq!((page(&before).await, page(&after).await), (StatusCode::SEE_OTHER, StatusCode::OK));
}

/// What a stream tells first.
async fn first_news(console: Router, cookie: &str, address: &str) -> String {
    let request = Request::get(address).header("host", "127.0.0.1:8080").header("cookie", cookie);
    let response = console.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let first = futures_util::StreamExt::next(&mut body).await.unwrap().unwrap();
    String::from_utf8(first.to_vec()).unwrap()
}

#[tokio::test]
async fn the_stream_tells_at_once_how_many_ghosts_there_are() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    let told = first_news(console, &cookie, "/console/live?on=%2Fv1%2Fghosts").await;
    assert_eq!(told, "data: <span data-ghosts-now=\"1\"></span>\n\n");
}

#[tokio::test]
async fn the_stream_tells_of_what_happened_before_it_began() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    let (_, _, page) =
        send(&console, Request::get("/console/batches/bt_1").header("cookie", &cookie), "").await;
    let live = page.split("data-live=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    assert!(live.starts_with("/console/live?on=%2Fv1%2Fbatches%2Fbt_1&since="), "{live}");
    for (address, is_told) in [(live.clone(), false), (format!("{live}0"), true)] {
        let told = first_news(console.clone(), &cookie, &address).await;
        assert_eq!(told.contains("1 changed."), is_told, "{address}: {told}");
    }
}

#[tokio::test]
async fn the_stream_of_a_batch_tells_how_far_it_is() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    let (_, _, page) =
        send(&console, Request::get("/console/batches/bt_1").header("cookie", &cookie), "").await;
    let shown = page.split("<div id=\"progress\">").nth(1).unwrap().split("</div>").next().unwrap();
    let told = first_news(console, &cookie, "/console/live?on=%2Fv1%2Fbatches%2Fbt_1").await;
    let told: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let told = told.join("\n");
    assert!(told.contains(&format!("<div data-for=\"progress\" hidden>{shown}</div>")), "{told}");
    assert!(told.contains("<div data-for=\"state\" hidden>") && told.contains("running"), "{told}");
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_says_so() {
    let (console, _) = console(Options::default());
    let (status, _, text) = send(&console, Request::get("/console/live?on=%2Fv1%2Fghosts"), "").await;
    assert_eq!(
        (status, text.as_str()),
        (StatusCode::OK, "event: over\ndata: over\n\n"),
        "nobody is logged in"
    );
    let (cookie, csrf) = log_in(&console, "ck_read").await;
    let request = Request::get("/console/live").header("host", "127.0.0.1:8080").header("cookie", &cookie);
    let response = console.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let mut body = response.into_body().into_data_stream();
    futures_util::StreamExt::next(&mut body).await.unwrap().unwrap();
    send(&console, Request::post("/console/logout").header("cookie", &cookie), &format!("csrf={csrf}")).await;
    let last = futures_util::StreamExt::next(&mut body).await.unwrap().unwrap();
    assert_eq!(String::from_utf8(last.to_vec()).unwrap(), "event: over\ndata: over\n\n");
    assert!(futures_util::StreamExt::next(&mut body).await.is_none());
}

#[tokio::test]
async fn odd_fields_are_refused_in_words() {
    let (console, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&console, "ck_operate").await;
    for (form, expected) in [
        ("act=snooze&hours=9223372036854775807", StatusCode::UNPROCESSABLE_ENTITY),
        ("act=snooze", StatusCode::UNPROCESSABLE_ENTITY),
        ("act=verify&version=1%0a2", StatusCode::SEE_OTHER),
    ] {
        let request = Request::post("/console/closures/cl_1/act").header("cookie", &cookie);
        let (status, _, page) = send(&console, request, &format!("csrf={csrf}&{form}")).await;
        assert_eq!(status, expected, "{form}: {page}");
    }
    assert_eq!(*acts.lock().unwrap(), [""; 0]);
    let large = Request::post("/console/login");
    assert_eq!(send(&console, large, &"a&".repeat(10_000)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn files_are_kept_by_their_hash() {
    let (console, _) = console(Options::default());
    for asset in crate::assets::scripts().into_iter().chain([crate::assets::style()]) {
        let (status, response, text) = send(&console, Request::get(&asset.address), "").await;
        assert!(status == StatusCode::OK && !text.is_empty());
        assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    }
    assert_eq!(
        send(&console, Request::get("/console/assets/console.000.js"), "").await.0,
        StatusCode::NOT_FOUND
    );
}
