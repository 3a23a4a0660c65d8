//! Pages as somebody reads them who has nothing else.

use http::{Request, StatusCode};

use super::{console, log_in, send};
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
