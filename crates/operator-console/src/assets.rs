//! Style and scripts, in the program itself: their names hold their hashes, so a browser keeps them for a year.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, StatusCode, header};
use sha2::{Digest as _, Sha256};

/// A file that pages load.
#[derive(Debug)]
pub(crate) struct Asset {
    /// Its address.
    pub(crate) address: String,
    name: String,
    kind: &'static str,
    text: &'static str,
}

static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    [
        Asset::of("console", "css", "text/css; charset=utf-8", include_str!("../assets/console.css")),
        Asset::of("htmx", "js", "text/javascript; charset=utf-8", include_str!("../assets/htmx.min.js")),
        Asset::of("hx-sse", "js", "text/javascript; charset=utf-8", include_str!("../assets/hx-sse.min.js")),
        Asset::of("console", "js", "text/javascript; charset=utf-8", include_str!("../assets/console.js")),
    ]
});

impl Asset {
    fn of(stem: &str, ending: &str, kind: &'static str, text: &'static str) -> Self {
        let hash = Sha256::digest(text.as_bytes());
        let short: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{stem}.{short}.{ending}");
        Self { address: format!("/console/assets/{name}"), name, kind, text }
    }
}

/// The style of every page.
pub(crate) fn style() -> &'static Asset {
    &ASSETS[0]
}

/// The scripts of every page, in their order.
pub(crate) fn scripts() -> [&'static Asset; 3] {
    [&ASSETS[1], &ASSETS[2], &ASSETS[3]]
}

/// `GET /console/assets/{name}`
pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "There is no such file.").into_response();
    };
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.text).into_response()
}
