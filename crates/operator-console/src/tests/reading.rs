//! Pages as somebody reads them who has nothing else.

use http::{Request, StatusCode, header};

use super::{NOBODYS, console, log_in, quiet, send};
use crate::Options;

#[tokio::test]
async fn a_list_is_narrowed_by_what_it_shows() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    let address = "/console/closures?reason=no+confirmation&since=2026-11-30+00%3A12%3A00+UTC";
    let (status, _, page) = send(&console, Request::get(address).header("cookie", &cookie), "").await;
    assert_eq!(status, StatusCode::OK);
    for part in [
        "<option value=\"no_confirmation\" selected>no confirmation</option>",
        "/v1/closures?reason=no_confirmation&#38;since=2026-11-30T00%3A12%3A00Z&#38;limit=50",
        ">permission</option>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let request = Request::get("/console/closures?state=ghost&reason=nonsense").header("cookie", &cookie);
    let (_, _, page) = send(&console, request, "").await;
    assert!(!page.contains(">permission</option>"), "that makes no ghost: {page}");
    assert!(page.contains("<option value=\"nonsense\" selected>"), "what was asked for stays: {page}");
}

#[tokio::test]
async fn a_conversation_that_nobody_asked_to_close_is_closed_from_the_search() {
    let (console, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&console, "ck_operate").await;
    let page = async |cookie: &str, query: &str| {
        let request = Request::get(format!("/console/closures?{query}")).header("cookie", cookie);
        send(&console, request, "").await.2
    };
    let found = page(&cookie, &format!("q={NOBODYS}")).await;
    let form = found.split("data-testid=\"close-unknown\">").nth(1).unwrap().split("</form>").next().unwrap();
    for part in [
        "name=\"csrf\"".to_owned(),
        "name=\"of\" value=\"rows\"".to_owned(),
        format!("name=\"rows\" value=\"{NOBODYS}\""),
        "<option>main</option><option>other</option>".to_owned(),
        "nothing is done before you say so".to_owned(),
    ] {
        assert!(form.contains(&part), "{part}: {form}");
    }
    let form = format!("csrf={csrf}&of=rows&rows={NOBODYS}&organisation=other");
    let (status, response, _) =
        send(&console, Request::post("/console/batches").header("cookie", &cookie), &form).await;
    assert_eq!(
        (status, &response.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/console/batches/bt_new".parse().unwrap())
    );
    assert_eq!(*acts.lock().unwrap(), [format!("/v1/batches?organisation=other of {NOBODYS}")]);
    let (read, _) = log_in(&console, "ck_read").await;
    for (cookie, query) in [
        (&read, format!("q={NOBODYS}")),
        (&cookie, format!("q={NOBODYS}&state=closed")),
        (&cookie, "q=3fb0a3b5-5f5a-4c43-8a3b-0d2c3c1f9a10".to_owned()),
    ] {
        assert!(!page(cookie, &query).await.contains("close-unknown"), "{query}");
    }
}

#[tokio::test]
async fn the_first_page_names_the_act_and_leads_to_where_it_is_pressed() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_operate").await;
    let page = async |path: &str| send(&console, Request::get(path).header("cookie", &cookie), "").await.2;
    let hostile = "&#60;script&#62;alert(1)&#60;/script&#62;";
    let way = format!(
        "{hostile} <a href=\"/console/closures/cl_1#act-resolve\">Resolve</a>: settle by your word</td>"
    );
    let home = page("/").await;
    assert!(home.contains(&way), "what is to be done elsewhere first, and what can be pressed: {home}");
    let closure = page("/console/closures/cl_1").await;
    assert!(closure.contains("<li id=\"act-force\" class=\"grave\">"), "{closure}");
    let (cookie, _) = log_in(&console, "ck_read").await;
    let home = send(&console, Request::get("/").header("cookie", &cookie), "").await.2;
    let told = format!("{hostile} Resolve: settle by your word</td>");
    assert!(home.contains(&told), "whoever only looks is told, and not led to it: {home}");
}

#[tokio::test]
async fn whoever_only_looks_is_not_led_to_a_form_that_is_not_there() {
    let (console, _) = quiet();
    for (key, leads) in [("ck_read", false), ("ck_operate", true)] {
        let (cookie, _) = log_in(&console, key).await;
        let page =
            async |path: &str| send(&console, Request::get(path).header("cookie", &cookie), "").await.2;
        let home = page("/").await;
        assert!(home.contains("data-testid=\"quiet\"") && home.contains("found by a scan"), "{home}");
        assert_eq!(home.contains("/console/batches#scan"), leads, "{home}");
        assert_eq!(page("/console/batches").await.contains("id=\"scan\""), leads);
    }
}

#[tokio::test]
async fn nothing_is_offered_where_there_is_nothing_to_do_it_with() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_operate").await;
    let page = async |path: &str| send(&console, Request::get(path).header("cookie", &cookie), "").await.2;
    for (path, can_choose) in
        [("/", false), ("/console/closures", false), ("/console/closures?organisation=main", true)]
    {
        assert_eq!(page(path).await.contains("<kbd>x</kbd>"), can_choose, "{path}");
    }
    let claimed = page("/console/closures/cl_1").await;
    assert!(
        claimed.contains("also from &#60;script&#62;alert(1)&#60;/script&#62;, who has claimed it"),
        "{claimed}"
    );
    let free = page("/console/closures/cl_closed").await;
    assert!(!free.contains("takeOver"), "{free}");
}
