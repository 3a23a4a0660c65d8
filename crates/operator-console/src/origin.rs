//! Where a request comes from: whether a form was sent by one of our own pages, and what a cookie must say.

use http::{HeaderMap, header};

/// Whether a form was sent from a page of the same host. Browsers say so themselves; the token in the form is the second lock.
pub(crate) fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    match (headers.get("origin"), text("host")) {
        (Some(origin), Some(host)) => origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, of)| of.eq_ignore_ascii_case(host)),
        // What says nothing is no browser of today, and has the token of the form before it.
        (None, _) => true,
        (Some(_), None) => false,
    }
}

/// The port, where the browser speaks with this very machine, where nobody listens in and certificates are rare.
fn local_port(headers: &HeaderMap) -> Option<u16> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let (name, port) = match host.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
        Some((name, Ok(port))) => (name, port),
        Some(_) | None => (host, 80),
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]").then_some(port)
}

/// How long a browser keeps what a log-in by somebody else needs on its way, in seconds: as long as people may take there.
const FLOW_SECONDS: u32 = 10 * 60;

/// The name of the cookie. Beyond this machine it is bound to HTTPS and to the host; on it, where all ports share their cookies,
/// each has a name of its own.
fn cookie_name(headers: &HeaderMap) -> String {
    local_port(headers).map_or_else(|| "__Host-closeout".to_owned(), |port| format!("closeout-{port}"))
}

/// The cookie of a session; without an id, the one that takes it away. A link from elsewhere brings it along (`Lax`): looks are all
/// that a link can do.
pub(crate) fn cookie(headers: &HeaderMap, id: Option<&str>) -> String {
    let name = cookie_name(headers);
    let secure = if local_port(headers).is_some() { "" } else { "; Secure" };
    match id {
        Some(id) => format!("{name}={id}; Path=/; HttpOnly; SameSite=Lax{secure}"),
        None => format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{secure}"),
    }
}

/// The cookie of a log-in that is under way elsewhere; without a value, the one that takes it away. The browser brings it back from there
/// by following a link, so it is `Lax` too.
pub(crate) fn flow_cookie(headers: &HeaderMap, kept: Option<&str>) -> String {
    let name = format!("{}-login", cookie_name(headers));
    let secure = if local_port(headers).is_some() { "" } else { "; Secure" };
    let (kept, age) = kept.map_or(("", 0), |kept| (kept, FLOW_SECONDS));
    format!("{name}={kept}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}")
}

/// The ids of sessions that a request names: one, unless somebody else sets cookies for this host too.
pub(crate) fn sessions_of(headers: &HeaderMap) -> Vec<String> {
    values_of(headers, &cookie_name(headers))
}

/// What the browser kept of log-ins that are under way elsewhere.
pub(crate) fn flows_of(headers: &HeaderMap) -> Vec<String> {
    values_of(headers, &format!("{}-login", cookie_name(headers)))
}

/// Light or dark, where whoever looks wants one of them in place of what the system has. The script of the pages keeps it in this cookie, which
/// holds nothing else and is no secret: so a page comes in its colours, and is not first shown in others.
pub(crate) fn look_of(headers: &HeaderMap) -> Option<&'static str> {
    let wanted = values_of(headers, "closeout-look");
    ["light", "dark"].into_iter().find(|look| wanted.iter().any(|wanted| wanted == look))
}

fn values_of(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .filter_map(|id| String::from_utf8(id.to_vec()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

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
        let local = headers(&[
            ("host", "127.0.0.1:8080"),
            ("cookie", "a=b; closeout-8080=1f; closeout-8080=2f; closeout-80=3f"),
        ]);
        assert_eq!(sessions_of(&local), ["1f", "2f"]);
        assert!(!cookie(&local, Some("1f")).contains("Secure"));
        let far = headers(&[("host", "closeout.example"), ("cookie", "closeout-80=1f; __Host-closeout=2f")]);
        assert_eq!(sessions_of(&far), ["2f"]);
        assert!(cookie(&far, Some("2f")).ends_with("; Secure"));
        assert!(cookie(&far, None).contains("Max-Age=0"));
        assert!(
            flow_cookie(&far, Some("a.b"))
                .starts_with("__Host-closeout-login=a.b; Path=/; HttpOnly; SameSite=Lax")
        );
        assert!(flow_cookie(&far, Some("a.b")).ends_with("Max-Age=600; Secure"));
        assert!(
            flow_cookie(&local, None).starts_with("closeout-8080-login=;")
                && !flow_cookie(&local, None).contains("Secure")
        );
    }

    #[test]
    fn a_look_is_light_or_dark_and_nothing_that_a_stranger_wrote() {
        for (cookie, look) in [
            ("closeout-look=dark", Some("dark")),
            ("closeout-8080=1f; closeout-look=light", Some("light")),
            ("closeout-look=", None),
            ("closeout-look=dark\" onclick=\"x", None),
            ("closeout-looks=dark", None),
        ] {
            assert_eq!(look_of(&headers(&[("cookie", cookie)])), look, "{cookie}");
        }
    }

    #[test]
    fn a_cookie_of_somebody_else_locks_nobody_out_whatever_bytes_it_has() {
        let mut headers = headers(&[("host", "localhost:8080")]);
        let line = HeaderValue::from_bytes(b"note=\xfc\xff; closeout-8080=1f").unwrap();
        headers.insert(header::COOKIE, line);
        assert_eq!(sessions_of(&headers), ["1f"]);
    }
}
