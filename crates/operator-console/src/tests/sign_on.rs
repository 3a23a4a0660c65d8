//! The way in beside a key, with somebody else who is a double here; the true one is there in `tests/console`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{Request, StatusCode, header};
use tokio_util::sync::CancellationToken;

use super::{Acts, send, stand_in};
use crate::{Begun, Guest, NotLetIn, Options, SignOn, router};

/// Lets everybody in who brings what it gave, and whose query says so.
#[derive(Debug)]
struct Double {
    next: &'static str,
    held: Arc<()>,
}

#[async_trait]
impl SignOn for Double {
    fn button(&self) -> &str {
        "Log in with <staff>"
    }

    fn home(&self) -> &str {
        "https://closeout.example"
    }

    async fn begin(&self, next: &str) -> Result<Begun, NotLetIn> {
        Ok(Begun { to: format!("https://id.example/auth?of={next}"), kept: "sealed.flow".to_owned() })
    }

    async fn finish(&self, query: &str, kept: &[String]) -> Result<Guest, NotLetIn> {
        if query != "code=good" || !kept.iter().any(|kept| kept == "sealed.flow") {
            return Err(NotLetIn { status: StatusCode::FORBIDDEN, sentence: "Not <b>you</b>.".to_owned() });
        }
        Ok(Guest {
            key: "ck_operate".into(),
            held: Box::new(Arc::clone(&self.held)),
            next: self.next.to_owned(),
            longest: Duration::from_secs(3_600),
            leave: Some("https://id.example/leave?hint=a&of=b".into()),
        })
    }
}

fn console(next: &'static str) -> (axum::Router, Arc<()>) {
    let held = Arc::new(());
    let double = Arc::new(Double { next, held: Arc::clone(&held) });
    (router(stand_in(&Acts::default()), Options::default(), Some(double), CancellationToken::new()), held)
}

fn location(response: &axum::response::Response) -> &str {
    response.headers()[header::LOCATION].to_str().unwrap()
}

fn cookies(response: &axum::response::Response) -> Vec<&str> {
    response.headers().get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect()
}

#[tokio::test]
async fn somebody_comes_in_by_another_way_and_leaves_by_it() {
    let (console, held) = console("/console/closures?state=ghost");
    let (_, _, page) = send(&console, Request::get("/console/login?next=%2Fconsole%2Faudit"), "").await;
    let button = "<a class=\"button\" href=\"https://closeout.example/console/login/oidc?next=%2Fconsole%2Faudit\">Log in with &#60;staff&#62;</a>";
    assert!(page.contains(button), "{page}");

    let (status, response, _) =
        send(&console, Request::get("/console/login/oidc?next=%2Fconsole%2Faudit"), "").await;
    assert_eq!(
        (status, location(&response)),
        (StatusCode::SEE_OTHER, "https://id.example/auth?of=/console/audit")
    );
    assert_eq!(
        cookies(&response),
        ["closeout-8080-login=sealed.flow; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"]
    );

    let back = Request::get("/console/login/oidc/back?code=good")
        .header("cookie", "closeout-8080-login=sealed.flow");
    let (status, response, _) = send(&console, back, "").await;
    assert_eq!((status, location(&response)), (StatusCode::SEE_OTHER, "/console/closures?state=ghost"));
    let [session, gone] = cookies(&response)[..] else { panic!("two cookies") };
    assert!(gone.starts_with("closeout-8080-login=;") && gone.contains("Max-Age=0"), "{gone}");
    assert_eq!(Arc::strong_count(&held), 3, "the console, the double's, the session's");

    let cookie = session.split(';').next().unwrap();
    let (_, _, page) = send(&console, Request::get("/").header("cookie", cookie), "").await;
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let leave = Request::post("/console/logout").header("cookie", cookie);
    let (status, response, page) = send(&console, leave, &format!("csrf={csrf}")).await;
    let address = "https://id.example/leave?hint=a&#38;of=b";
    assert!(
        page.contains(&format!("content=\"0; url={address}\""))
            && page.contains(&format!("href=\"{address}\"")),
        "{page}"
    );
    assert!(status == StatusCode::OK && cookies(&response)[0].contains("Max-Age=0"));
    assert_eq!(send(&console, Request::get("/").header("cookie", cookie), "").await.0, StatusCode::SEE_OTHER);
    assert_eq!(Arc::strong_count(&held), 2, "the key is given back");
}

#[tokio::test]
async fn a_log_in_that_was_begun_elsewhere_takes_the_place_of_nobody_else() {
    let (console, held) = console("/");
    let back = async |session: &str| {
        let request = Request::get("/console/login/oidc/back?code=good")
            .header("cookie", format!("closeout-8080-login=sealed.flow; {session}"));
        send(&console, request, "").await
    };
    let (eve, csrf) = super::log_in(&console, "ck_admin").await;
    let (status, response, page) = back(&eve).await;
    assert_eq!(status, StatusCode::CONFLICT, "{page}");
    assert!(page.contains("is logged in as eve, and the provider says that you are ann."), "{page}");
    assert!(page.contains("/console/logout") && !page.contains("code=good"), "{page}");
    assert!(cookies(&response).iter().all(|cookie| cookie.starts_with("closeout-8080-login=;")));
    assert_eq!(Arc::strong_count(&held), 2, "no key is lent");
    assert_eq!(send(&console, Request::get("/").header("cookie", &eve), "").await.0, StatusCode::OK);

    send(&console, Request::post("/console/logout").header("cookie", &eve), &format!("csrf={csrf}")).await;
    assert_eq!(back(&eve).await.0, StatusCode::SEE_OTHER, "what is over is in nobody's way");
    // The same person begins a new session in place of the old one.
    let (ann, _) = super::log_in(&console, "ck_read").await;
    assert_eq!(back(&ann).await.0, StatusCode::SEE_OTHER);
    assert_eq!(send(&console, Request::get("/").header("cookie", &ann), "").await.0, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_why_and_the_log_in_is_over() {
    let (console, _) = console("/");
    for (query, cookie) in
        [("code=bad", "closeout-8080-login=sealed.flow"), ("code=good", "closeout-80-login=sealed.flow")]
    {
        let back = Request::get(format!("/console/login/oidc/back?{query}")).header("cookie", cookie);
        let (status, response, page) = send(&console, back, "").await;
        assert!(
            status == StatusCode::FORBIDDEN && page.contains("Not &#60;b&#62;you&#60;/b&#62;."),
            "{page}"
        );
        assert!(
            page.contains("name=\"key\"") && page.contains("/console/login/oidc?next="),
            "both ways in are there"
        );
        let [gone] = cookies(&response)[..] else { panic!("no session") };
        assert!(gone.starts_with("closeout-8080-login=;"), "{gone}");
    }
}

#[tokio::test]
async fn no_log_in_leads_to_another_site() {
    for next in ["https://evil.example/", "//evil.example", "/v1/closures", "/console/\r\nx: y"] {
        let (console, _) = console(next);
        let back = Request::get("/console/login/oidc/back?code=good")
            .header("cookie", "closeout-8080-login=sealed.flow");
        let (status, response, _) = send(&console, back, "").await;
        assert_eq!((status, location(&response)), (StatusCode::SEE_OTHER, "/"), "{next:?}");
    }
    let (console, _) = console("/");
    for next in ["https%3A%2F%2Fevil.example".to_owned(), format!("%2Fconsole%2F{}", "x".repeat(2_000))] {
        let begin = Request::get(format!("/console/login/oidc?next={next}"));
        let (_, response, _) = send(&console, begin, "").await;
        assert_eq!(location(&response), "https://id.example/auth?of=/", "{next}");
    }
}

#[tokio::test]
async fn without_it_there_is_no_button_and_no_way() {
    let (console, _) = super::console(Options::default());
    let (_, _, page) = send(&console, Request::get("/console/login"), "").await;
    assert!(!page.contains("oidc"), "{page}");
    for path in ["/console/login/oidc", "/console/login/oidc/back?code=good"] {
        assert_eq!(send(&console, Request::get(path), "").await.0, StatusCode::NOT_FOUND, "{path}");
    }
}
