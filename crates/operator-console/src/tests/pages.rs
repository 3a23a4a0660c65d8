//! What stands on the pages, and what their forms and links lead to.

use http::{Request, StatusCode, header};

use super::{CLOSE, RESUME, console, log_in, send};
use crate::Options;

#[tokio::test]
async fn a_batch_goes_to_the_organisation_that_was_shown() {
    let (console, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&console, "ck_operate").await;
    let page = async |path: &str| send(&console, Request::get(path).header("cookie", &cookie), "").await.2;
    assert!(
        !page("/console/closures?state=ghost").await.contains("All that match"),
        "of which organisation?"
    );
    let one = page("/console/closures?state=ghost&organisation=other").await;
    assert!(one.contains("name=\"organisation\" value=\"other\""), "{one}");
    let form = format!("csrf={csrf}&of=filter&state=ghost&organisation=other");
    send(&console, Request::post("/console/batches").header("cookie", &cookie), &form).await;
    assert_eq!(*acts.lock().unwrap(), ["/v1/batches?organisation=other"]);
}

#[tokio::test]
async fn whoever_names_a_queue_means_ghosts() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_operate").await;
    let page = async |path: &str| send(&console, Request::get(path).header("cookie", &cookie), "").await.2;
    let ghosts = page("/console/closures?queueId=none&organisation=other").await;
    for part in [
        "<th role=\"columnheader\" scope=\"col\">Queue</th>",
        "<option value=\"ghost\" selected>",
        "<input type=\"hidden\" name=\"state\" value=\"ghost\">",
        "<input type=\"hidden\" name=\"queueId\" value=\"none\">",
        "/v1/ghosts?queueId=none&#38;organisation=other&#38;limit=50",
    ] {
        assert!(ghosts.contains(part), "{part}: {ghosts}");
    }
    let all = page("/console/closures").await;
    assert!(all.contains(" scope=\"col\">Proof</th>") && !all.contains("Queue</th>"), "{all}");
}

#[tokio::test]
async fn what_is_advised_beside_the_acts_is_pressed_and_nothing_else() {
    let (console, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&console, "ck_operate").await;
    let (_, _, page) =
        send(&console, Request::get("/console/closures/cl_1").header("cookie", &cookie), "").await;
    assert!(
        !page.contains(">–</button>") && !page.contains("<code>–</code>") && !page.contains("act-–"),
        "{page}"
    );
    let mut ids: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "every id is there once: {page}");
    let press = async |request: &str| {
        let form = crate::parts::query([("csrf", csrf.as_str()), ("act", "advised"), ("request", request)]);
        let post = Request::post("/console/closures/cl_1/act").header("cookie", &cookie);
        let (status, response, page) = send(&console, post, &form).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
        response.headers()[header::LOCATION].to_str().unwrap().to_owned()
    };
    press(RESUME).await;
    assert_eq!(press(CLOSE).await, "/console/closures/cl_new");
    press("POST /v1/closures {\"conversationId\":\"of nobody\"}").await;
    press("POST /v1/closures/cl_1/force {}").await;
    assert_eq!(*acts.lock().unwrap(), ["/v1/outgoing/resume", "/v1/closures"]);
}

#[tokio::test]
async fn a_closure_is_forced_in_two_steps_of_which_the_first_says_what_it_does() {
    let (console, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&console, "ck_operate").await;
    let page = async |path: &str| send(&console, Request::get(path).header("cookie", &cookie), "").await.2;
    let closure = page("/console/closures/cl_1").await;
    assert!(closure.contains("<a class=\"button\" href=\"/console/closures/cl_1/force\""), "{closure}");
    assert!(!closure.contains("name=\"act\" value=\"force\""), "{closure}");
    let press = async |form: &str| {
        let post = Request::post("/console/closures/cl_1/act").header("cookie", &cookie);
        let form = format!("csrf={csrf}&next=%2Fconsole%2Fclosures%2Fcl_1&act=force&reason=gone&{form}");
        let (status, response, page) = send(&console, post, &form).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
        response.headers()[header::LOCATION].to_str().unwrap().to_owned()
    };
    assert_eq!(
        press("version=3").await,
        "/console/closures/cl_1/force",
        "the second step cannot be left out"
    );
    assert_eq!(*acts.lock().unwrap(), [""; 0]);
    let sure = page("/console/closures/cl_1/force").await;
    let hostile = "<li>&#60;script&#62;alert(1)&#60;/script&#62;</li>";
    for part in [
        "Nothing is done yet",
        hostile,
        "name=\"sure\" value=\"yes\"",
        "name=\"version\" value=\"3\"",
        "name=\"reason\" required",
    ] {
        assert!(sure.contains(part), "{part}: {sure}");
    }
    assert_eq!(press("version=3&sure=yes").await, "/console/closures/cl_1");
    assert_eq!(*acts.lock().unwrap(), ["/v1/closures/cl_1/force because of gone"]);
    let closed = page("/console/closures/cl_closed/force").await;
    assert!(
        closed.contains("It cannot be forced as it stands now.") && !closed.contains("name=\"sure\""),
        "{closed}"
    );

    let (cookie, _) = log_in(&console, "ck_read").await;
    let request = Request::get("/console/closures/cl_1/force").header("cookie", &cookie);
    let (_, _, page) = send(&console, request, "").await;
    assert!(page.contains("Your role is read") && !page.contains("name=\"sure\""), "{page}");
}

#[tokio::test]
async fn a_list_keeps_all_of_its_filter_and_refuses_what_it_does_not_know() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_operate").await;
    let page = async |path: &str| {
        let (status, _, page) = send(&console, Request::get(path).header("cookie", &cookie), "").await;
        (status, page)
    };
    let (_, known) =
        page("/console/closures?label.team=nothing&state=ghost&sort=acceptedAt&organisation=other").await;
    for part in [
        "/v1/ghosts?label.team=nothing&#38;sort=acceptedAt&#38;organisation=other&#38;limit=50",
        "<input id=\"label.team\" name=\"label.team\" value=\"nothing\"",
        "<input type=\"hidden\" name=\"label.team\" value=\"nothing\">",
        "<option value=\"acceptedAt\" selected>",
    ] {
        assert!(known.contains(part), "{part}: {known}");
    }
    for (address, said, kept) in [
        (
            "lable.team=nothing&state=ghost&organisation=other",
            "called &#34;lable.team&#34;",
            "<option value=\"ghost\" selected>",
        ),
        ("q=nonsense&organisation=other", "That is no id.", "name=\"q\" value=\"nonsense\""),
    ] {
        let (status, page) = page(&format!("/console/closures?{address}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{address}");
        assert!(page.contains(said) && page.contains(kept), "{said}: {page}");
        assert!(!page.contains("All that match") && !page.contains("data-row"), "nothing is offered: {page}");
    }
}

#[tokio::test]
async fn every_page_with_a_filter_refuses_what_it_does_not_know() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    for (address, said, kept) in [
        ("audit?actoin=closure.force&by=ann", "called &#34;actoin&#34;", "value=\"ann\""),
        ("audit?since=1h&since=2h", "&#34;since&#34; is given more than once.", "value=\"1h\""),
        ("audit?by=nonsense", "That is no id.", "value=\"nonsense\""),
        ("deliveries?state=failed&closure=cl_1", "called &#34;state&#34;", "value=\"cl_1\""),
        ("deliveries?id=dv_1&closure=cl_1", "An id names one delivery", "value=\"dv_1\""),
        ("closures?q=ev_adapter_1", "tells of an adapter", "value=\"ev_adapter_1\""),
        ("sources?state=any&letters=any", "There is letters.", "<option value=\"any\" selected>"),
        ("received?hook=relay&cursor=x", "called &#34;cursor&#34;", "value=\"relay\""),
    ] {
        let request = Request::get(format!("/console/{address}")).header("cookie", &cookie);
        let (status, _, page) = send(&console, request, "").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{address}");
        assert!(page.contains(said) && page.contains(kept), "{address}: {page}");
        assert!(page.contains("role=\"alert\"") && !page.contains("Earlier ones"), "{address}: {page}");
    }
}

#[tokio::test]
async fn nothing_behind_the_fields_that_are_read_is_passed_over() {
    let (console, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&console, "ck_operate").await;
    let dummies = "state=ghost&".repeat(64);
    for address in ["closures?organisation=main&", "audit?by=ann&", "settings?"] {
        let path = format!("/console/{address}{dummies}label.team=nobody");
        let (status, _, page) = send(&console, Request::get(path).header("cookie", &cookie), "").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{address}");
        assert!(page.contains("There are more than 64 fields") && !page.contains("data-row"), "{page}");
    }
    let empty = "q=&".repeat(64);
    let path = format!("/console/closures?{empty}organisation=main&state=ghost&label.team=nobody");
    let (status, _, page) = send(&console, Request::get(path).header("cookie", &cookie), "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("name=\"label.team\" value=\"nobody\""), "the filter is whole: {page}");
    for form in [
        format!("of=filter&act=retry&organisation=main&state=ghost&{dummies}label.team=nobody"),
        format!("of=closures&act=retry&organisation=main&{}", "closure=cl_1&".repeat(101)),
    ] {
        let request = Request::post("/console/batches").header("cookie", &cookie);
        let (status, _, page) = send(&console, request, &format!("csrf={csrf}&{form}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{page}");
        assert!(page.contains("There are more than"), "{page}");
    }
    assert_eq!(*acts.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_page_without_a_filter_takes_none() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    for address in ["/?state=ghost", "/console/settings?state=ghost", "/console/closures/cl_1?state=ghost"] {
        let (status, _, page) = send(&console, Request::get(address).header("cookie", &cookie), "").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{address}");
        assert!(page.contains("There is nothing called &#34;state&#34;"), "{address}: {page}");
    }
}

#[tokio::test]
async fn any_id_of_ours_leads_to_its_page() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    for (from, to) in [
        ("/console/closures?q=bt_1", "/console/batches/bt_1"),
        ("/console/closures?q=CL_1", "/console/closures/cl_1"),
        ("/console/closures/CL_1", "/console/closures/cl_1"),
        ("/console/closures?q=ev_0000000000000012", "/console/closures/cl_1#ev_0000000000000012"),
        ("/console/closures?q=EV_0000000000000012-1", "/console/closures/cl_1#ev_0000000000000012"),
        ("/console/closures?q=ev_bt_1_finished", "/console/batches/bt_1"),
        (
            "/console/closures?q=dv_01jd5w3k9m2q8r7tb4x0y6z1ne",
            "/console/deliveries?id=dv_01jd5w3k9m2q8r7tb4x0y6z1ne#dv_01jd5w3k9m2q8r7tb4x0y6z1ne",
        ),
    ] {
        let (_, response, page) = send(&console, Request::get(from).header("cookie", &cookie), "").await;
        let location = response.headers().get(header::LOCATION);
        assert_eq!(location.and_then(|to| to.to_str().ok()), Some(to), "{from}: {page}");
    }
    let page = async |path: &str| send(&console, Request::get(path).header("cookie", &cookie), "").await.2;
    assert!(
        page("/console/closures/cl_1").await.contains("<tr role=\"row\" id=\"ev_0000000000000012\">"),
        "the line is there"
    );
    let deliveries = page("/console/deliveries").await;
    for part in
        ["<tr role=\"row\" data-row id=\"dv_1\">", "<a href=\"/console/closures/cl_1#ev_0000000000000012\">"]
    {
        assert!(deliveries.contains(part), "{part}: {deliveries}");
    }
}

#[tokio::test]
async fn what_came_in_leads_to_its_closure_or_to_what_would_have_been_taken() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    let (_, _, page) = send(&console, Request::get("/console/received").header("cookie", &cookie), "").await;
    let rows: Vec<_> = page.split("<tr role=\"row\" data-row>").skip(1).collect();
    let [refused, unmatched] = &rows[..] else { panic!("{page}") };
    assert!(
        refused.contains("<a href=\"/docs#post_hooks_name\">") && !refused.contains("/console/closures/"),
        "{refused}"
    );
    assert!(unmatched.contains("href=\"/console/closures/") && !unmatched.contains("/docs"), "{unmatched}");
}

#[tokio::test]
async fn a_closure_leads_to_its_page_at_genesys_also_once_it_is_closed() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    let request = Request::get("/console/closures/cl_closed").header("cookie", &cookie);
    let (_, _, page) = send(&console, request, "").await;
    assert!(page.contains("<a href=\"https://apps.example/c1\""), "{page}");
}

#[tokio::test]
async fn every_list_leads_to_its_next_page_with_its_filter() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    for (address, asks, next) in [
        (
            "/console/closures?state=failed",
            "/v1/closures?state=failed&#38;limit=50",
            "/console/closures?state=failed&#38;cursor=after",
        ),
        ("/console/batches", "/v1/batches?limit=50", "/console/batches?cursor=after"),
        (
            "/console/deliveries?result=failed",
            "/v1/deliveries?result=failed&#38;limit=100",
            "/console/deliveries?result=failed&#38;cursor=after",
        ),
        (
            "/console/sources",
            "on=%2Fv1%2Fdead-letters%3Fstate%3Dheld%26limit%3D100",
            "/console/sources?letters=held&#38;cursor=after#letters",
        ),
        (
            "/console/sources?letters=any",
            "on=%2Fv1%2Fdead-letters%3Flimit%3D100",
            "/console/sources?letters=any&#38;cursor=after#letters",
        ),
        ("/console/audit?by=ann", "/v1/audit?limit=100&#38;by=ann", "/console/audit?by=ann&#38;cursor=after"),
    ] {
        let (_, _, page) = send(&console, Request::get(address).header("cookie", &cookie), "").await;
        assert!(page.contains(asks), "{address} asks {asks}: {page}");
        assert!(page.contains(&format!("<a href=\"{next}\"")), "{address} leads to {next}: {page}");
    }
}

#[tokio::test]
async fn a_filter_that_matches_too_many_leads_to_one_that_does_not() {
    let (console, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&console, "ck_operate").await;
    let next = "%2Fconsole%2Fclosures%3Fstate%3Dghost";
    let form = format!("csrf={csrf}&next={next}&of=filter&state=ghost&act=retry&organisation=manifold");
    let post = Request::post("/console/batches").header("cookie", &cookie);
    let (status, response, _) = send(&console, post, &form).await;
    assert_eq!(
        (status, response.headers()[header::LOCATION].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/console/closures?state=ghost")
    );
    let request = Request::get("/console/closures?state=ghost").header("cookie", &cookie);
    let (_, _, page) = send(&console, request, "").await;
    let link = "At least 10001 closures match. Nothing was done. <a href=\"/console/closures?state=ghost&#38;\
                label.%3Cscript%3Ealert%281%29%3C%2Fscript%3E=x&#38;until=2026-11-28T10%3A00%3A00.000Z&#38;organisation=manifold\">";
    assert!(page.contains(link), "{page}");
    assert_eq!(*acts.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_is_pasted_goes_as_it_is_and_a_row_that_cannot_be_read_is_shown_with_its_line() {
    let (console, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&console, "ck_operate").await;
    let form = format!("csrf={csrf}&of=rows&rows=%0D%0A%23+from+a+mail%0D%0Aid-1,+id-2%0D%0A");
    send(&console, Request::post("/console/batches").header("cookie", &cookie), &form).await;
    assert_eq!(*acts.lock().unwrap(), ["/v1/batches of \r\n# from a mail\r\nid-1, id-2\r\n"]);
    let request = Request::get("/console/batches/bt_1").header("cookie", &cookie);
    let (_, _, page) = send(&console, request, "").await;
    let line = " scope=\"col\" class=\"number\">Line</th>";
    let row = "data-label=\"Row\">2</td><td role=\"cell\" class=\"number\" data-label=\"Line\">5</td>";
    assert!(page.contains(line) && page.contains(row), "{page}");
    assert!(page.contains("It says <code>&#60;script&#62;"), "{page}");
}

#[tokio::test]
async fn a_form_that_is_refused_keeps_what_was_typed() {
    let (console, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&console, "ck_operate").await;
    for (form, said, kept) in [
        (
            "of=rows&rows=id-1%0Aid-2&organisation=refusing",
            "The rows cannot be taken.",
            "id-1\nid-2</textarea>",
        ),
        ("of=scan&hours=abc&messageType=webmessaging", "a whole number from 1; it was", "value=\"abc\""),
        ("of=scan&hours=0", "a whole number from 1", "value=\"0\""),
    ] {
        let request = Request::post("/console/batches").header("cookie", &cookie);
        let (status, _, page) = send(&console, request, &format!("csrf={csrf}&{form}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{form}: {page}");
        assert!(page.contains(said) && page.contains(kept), "{form}: {page}");
    }
    assert_eq!(*acts.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn every_act_takes_a_reason_and_the_stop_of_all_calls_needs_one() {
    let (console, acts) = console(Options::default());
    let (cookie, csrf) = log_in(&console, "ck_operate").await;
    let reasons = async |path: &str| {
        let (_, _, page) = send(&console, Request::get(path).header("cookie", &cookie), "").await;
        let forms =
            page.split("<form method=\"post\"").skip(1).map(|rest| rest.split("</form>").next().unwrap());
        let forms: Vec<_> = forms.filter(|form| form.contains("/act\"")).map(str::to_owned).collect();
        assert!(!forms.is_empty(), "{path}: {page}");
        for form in forms {
            assert!(form.contains("name=\"reason\"") || form.contains("name=\"comment\""), "{path}: {form}");
        }
    };
    for path in [
        "/console/closures/cl_1",
        "/console/batches/bt_1",
        "/console/sources",
        "/console/deliveries",
        "/console/settings",
    ] {
        reasons(path).await;
    }
    let press = async |path: &str, form: &str| {
        let request = Request::post(path).header("cookie", &cookie);
        let (status, ..) =
            send(&console, request, &format!("csrf={csrf}&next=%2Fconsole%2Fsettings&{form}")).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
    };
    press("/console/outgoing/act", "act=pause&organisation=main&reason=+").await;
    let (_, _, page) = send(&console, Request::get("/console/settings").header("cookie", &cookie), "").await;
    assert!(page.contains("Nothing was done. Say why"), "{page}");
    assert_eq!(*acts.lock().unwrap(), [""; 0]);
    for (path, form) in [
        ("/console/outgoing/act", "act=pause&organisation=main"),
        ("/console/outgoing/act", "act=resume&organisation=main"),
        ("/console/batches/bt_1/act", "act=pause"),
        ("/console/batches/bt_1/act", "act=resume"),
        ("/console/batches/bt_1/act", "act=cancel"),
        ("/console/sources/orders/act", "act=pause"),
        ("/console/closures/cl_1/act", "act=claim"),
        ("/console/closures/cl_1/act", "act=snooze&hours=4"),
        ("/console/deliveries/dv_1/act", ""),
    ] {
        press(path, &format!("{form}&reason=maintenance")).await;
        let asked = acts.lock().unwrap().pop().unwrap();
        assert!(asked.ends_with(" because of maintenance"), "{path} {form}: {asked}");
    }
}

#[tokio::test]
async fn a_script_is_told_where_all_that_a_page_shows_is_had() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    for (page, paths) in [
        (
            "/console/closures/cl_1",
            &["/v1/closures/cl_1", "/v1/closures/cl_1/explain", "/v1/closures/cl_1/timeline"][..],
        ),
        (
            "/console/batches/bt_1?state=ghost",
            &["/v1/batches/bt_1", "/v1/batches/bt_1/items?limit=200&#38;state=ghost"],
        ),
        ("/console/sources", &["/v1/sources", "/v1/dead-letters?state=held&#38;limit=100"]),
        ("/", &["/v1/ghosts", "/v1/ghosts/summary", "/readyz?verbose=true"]),
        ("/console/settings", &["/v1/config", "/readyz?verbose=true"]),
    ] {
        let (_, _, shown) = send(&console, Request::get(page).header("cookie", &cookie), "").await;
        for path in paths {
            assert!(shown.contains(&format!("$CLOSEOUT_SERVER{path}\"</code>")), "{page}: {path}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_source_that_is_paused_says_who_paused_it_and_why() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    let (_, _, page) = send(&console, Request::get("/console/sources").header("cookie", &cookie), "").await;
    let hostile = "&#60;script&#62;alert(1)&#60;/script&#62;";
    let told = format!(
        "<p>Paused by {hostile} <time datetime=\"2026-11-28T10:00:00.000Z\">2026-11-28 10:00:00 UTC</time>: {hostile}</p>"
    );
    assert_eq!(page.matches(&told).count(), 1, "the one that is not paused says nothing: {page}");
}

#[tokio::test]
async fn the_first_page_names_the_sources_and_how_they_stand() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_read").await;
    let (_, _, page) = send(&console, Request::get("/").header("cookie", &cookie), "").await;
    let paused = "<span class=\"state held\"><span aria-hidden=\"true\">‖</span> paused</span>";
    let row = format!(
        "<a href=\"/console/sources\">orders</a></th><td role=\"cell\" data-label=\"Broker\">nats</td><td role=\"cell\" data-label=\"State\">{paused}</td>"
    );
    assert!(page.contains(&row), "{page}");
    let away = "unreachable</span> <span class=\"none\">the broker is away</span></td><td role=\"cell\" class=\"number\" data-label=\"Waiting there\">7</td>";
    assert!(page.contains(away), "{page}");
}

#[tokio::test]
async fn a_reload_that_was_refused_stands_on_the_settings_page_with_when_and_why() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_admin").await;
    let (_, _, page) = send(&console, Request::get("/console/settings").header("cookie", &cookie), "").await;
    let (_, told) = page.split_once("data-testid=\"reload\">").unwrap();
    let (told, _) = told.split_once("</dd>").unwrap();
    for said in ["2026-11-28 10:00:00 UTC", "refused</span>, so all is as it was before. &#60;script&#62;"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    let (_, _, first) = send(&console, Request::get("/").header("cookie", &cookie), "").await;
    assert!(first.contains("The configuration was read again and refused"), "{first}");
}

#[tokio::test]
async fn every_cell_names_its_column_where_a_row_is_a_card() {
    let (console, _) = console(Options::default());
    let (cookie, _) = log_in(&console, "ck_operate").await;
    for path in [
        "/",
        "/console/closures?organisation=main",
        "/console/closures/cl_1",
        "/console/batches",
        "/console/batches/bt_1",
        "/console/sources",
        "/console/received",
        "/console/deliveries",
        "/console/audit",
        "/console/settings",
    ] {
        let (_, _, page) = send(&console, Request::get(path).header("cookie", &cookie), "").await;
        assert_eq!(
            page.matches("<table").count(),
            page.matches("<table role=\"table\" class=\"rows").count(),
            "{path}"
        );
        for row in page.split("<tr role=\"row\"").skip(1).map(|row| row.split("</tr>").next().unwrap()) {
            let cells: Vec<_> = row.split("<td ").skip(1).collect();
            let unnamed = cells.iter().filter(|cell| !cell.contains("data-label=\"")).count();
            let heads = usize::from(!row.contains("<th ")) + usize::from(row.contains("class=\"choose\""));
            assert!(unnamed <= heads, "{path}: {row}");
        }
    }
}
