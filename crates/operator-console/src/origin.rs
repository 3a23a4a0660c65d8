//! Where a request comes from: whether a form was sent by one of our own pages, and what a cookie must say.

use http::{HeaderMap, header};

/// Whether a form was sent from a page of the same host. Browsers say so themselves; the token in the form is the second lock.
pub(crate) fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host))
        }
        // A browser that says nothing sends no cookie of another site either: it is `SameSite=Strict`.
        (None, _) => true,
        (Some(_), None) => false,
    }
}

/// Whether the browser speaks with this very machine, where nobody listens in and certificates are rare.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| match port.parse::<u16>() {
        Ok(_) => name,
        Err(_) => host,
    });
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

/// The name of the cookie. Beyond this machine it is bound to HTTPS and to the host.
pub(crate) fn cookie_name(headers: &HeaderMap) -> &'static str {
    if is_local(headers) { "closeout" } else { "__Host-closeout" }
}

/// The cookie of a session; without an id, the one that takes it away.
pub(crate) fn cookie(headers: &HeaderMap, id: Option<&str>) -> String {
    let name = cookie_name(headers);
    let secure = if is_local(headers) { "" } else { "; Secure" };
    match id {
        Some(id) => format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict{secure}"),
        None => format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}"),
    }
}

/// The id of the session that a request names.
pub(crate) fn session_of(headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(headers);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(given, _)| *given == name)
        .map(|(_, id)| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_form_of_another_site_is_told_by_its_origin() {
        let host = ("host", "closeout.example");
        for (given, ours) in [
            (vec![host], true),
            (vec![host, ("origin", "https://closeout.example")], true),
            (vec![host, ("origin", "https://evil.example")], false),
            (vec![host, ("origin", "null")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
            (vec![host, ("sec-fetch-site", "same-site")], false),
            (vec![host, ("sec-fetch-site", "same-origin")], true),
        ] {
            assert_eq!(is_ours(&headers(&given)), ours, "{given:?}");
        }
    }

    #[test]
    fn beyond_this_machine_a_cookie_travels_by_https_alone() {
        let local = headers(&[("host", "127.0.0.1:8080"), ("cookie", "a=b; closeout=1f")]);
        assert_eq!(session_of(&local).as_deref(), Some("1f"));
        assert!(!cookie(&local, Some("1f")).contains("Secure"));
        let far = headers(&[("host", "closeout.example"), ("cookie", "closeout=1f; __Host-closeout=2f")]);
        assert_eq!(session_of(&far).as_deref(), Some("2f"));
        assert!(cookie(&far, Some("2f")).ends_with("; Secure"));
        assert!(cookie(&far, None).contains("Max-Age=0"));
    }
}
