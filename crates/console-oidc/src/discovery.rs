//! What a provider publishes of itself (OpenID Connect Discovery 1.0).

use serde::Deserialize;
use url::Url;

use crate::settings::is_loopback;

/// Where the document stands below the issuer.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// What is used of the document.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    pub(crate) jwks_uri: Url,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) end_session_endpoint: Option<Url>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// How a client proves itself where tokens are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// In the header (`client_secret_basic`).
    Header,
    /// In the form (`client_secret_post`).
    Form,
}

/// The address of the document of an issuer.
pub(crate) fn address(issuer: &str) -> String {
    format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/'))
}

impl Metadata {
    /// Reads the document of an issuer.
    pub(crate) fn read(text: &[u8], issuer: &str) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(text)
            .map_err(|error| format!("what the provider publishes of itself cannot be read: {error}"))?;
        if read.issuer != issuer {
            let theirs = crate::refused::plain(&read.issuer, 200);
            return Err(format!(
                "the provider calls itself {theirs:?}, and console.oidc.issuer is {issuer:?}: they must be the same, letter by letter"
            ));
        }
        let local = Url::parse(issuer).is_ok_and(|issuer| is_loopback(&issuer));
        let needed = [&read.authorization_endpoint, &read.token_endpoint, &read.jwks_uri];
        let optional = [&read.userinfo_endpoint, &read.end_session_endpoint];
        for url in needed.into_iter().chain(optional.into_iter().flatten()) {
            let plain_here = local && url.scheme() == "http" && is_loopback(url);
            if url.scheme() != "https" && !plain_here {
                return Err(format!("the provider names {url}, which is not https"));
            }
        }
        Ok(read)
    }

    /// How this client proves itself; nothing where the provider takes no secret.
    pub(crate) fn proof(&self) -> Option<Proof> {
        let takes = |name: &str| {
            self.token_endpoint_auth_methods_supported
                .as_ref()
                .map(|taken| taken.iter().any(|one| one == name))
        };
        match (takes("client_secret_basic"), takes("client_secret_post")) {
            (None | Some(true), _) => Some(Proof::Header),
            (Some(false), Some(true)) => Some(Proof::Form),
            (Some(false), None | Some(false)) => None,
        }
    }

    /// Whether a code is of this provider, by what stands beside it (RFC 9207): a code of another is not taken here for its own.
    pub(crate) fn gave(&self, iss: Option<&str>) -> bool {
        match iss {
            Some(iss) => iss == self.issuer,
            None => !self.authorization_response_iss_parameter_supported,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://id.example/realms/main";

    fn document(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut document = json!({ "issuer": ISSUER, "authorization_endpoint": "https://id.example/auth",
            "token_endpoint": "https://id.example/token", "jwks_uri": "https://keys.example/jwks" });
        change(&mut document);
        document.to_string().into_bytes()
    }

    #[test]
    fn a_document_of_another_issuer_or_with_an_address_that_anybody_can_hear_is_refused() {
        assert!(Metadata::read(&document(|_| ()), ISSUER).is_ok());
        for (key, value) in [
            ("issuer", json!("https://id.example/realms/other")),
            ("issuer", json!("https://id.example/realms/main/")),
            ("token_endpoint", json!("http://id.example/token")),
            ("jwks_uri", json!("http://127.0.0.1/jwks")),
            ("end_session_endpoint", json!("javascript:alert(1)")),
            ("userinfo_endpoint", json!("http://id.example/me")),
            ("jwks_uri", Value::Null),
        ] {
            let read = Metadata::read(&document(|document| document[key] = value.clone()), ISSUER);
            assert!(read.is_err(), "{key} {value}");
        }
        let local = |to: &str| {
            let text = document(|document| {
                document["issuer"] = json!("http://127.0.0.1:1");
                document["token_endpoint"] = json!(to);
            });
            Metadata::read(&text, "http://127.0.0.1:1").is_ok()
        };
        assert!(local("http://127.0.0.1:1/token") && !local("http://id.example/token"));
    }

    #[test]
    fn the_secret_goes_as_the_provider_takes_it() {
        let proof = |methods: Value| {
            let text = document(|document| document["token_endpoint_auth_methods_supported"] = methods);
            Metadata::read(&text, ISSUER).unwrap().proof()
        };
        assert_eq!(proof(Value::Null), Some(Proof::Header));
        assert_eq!(proof(json!(["client_secret_post", "client_secret_basic"])), Some(Proof::Header));
        assert_eq!(proof(json!(["client_secret_post"])), Some(Proof::Form));
        assert_eq!(proof(json!(["private_key_jwt"])), None);
    }

    #[test]
    fn a_code_of_another_provider_is_told_by_its_issuer() {
        let read = |says: bool| {
            let text =
                document(|document| document["authorization_response_iss_parameter_supported"] = json!(says));
            Metadata::read(&text, ISSUER).unwrap()
        };
        assert!(read(true).gave(Some(ISSUER)) && !read(true).gave(None) && read(false).gave(None));
        assert!(!read(false).gave(Some("https://evil.example")));
    }

    #[test]
    fn the_document_stands_below_the_issuer() {
        assert_eq!(address("https://id.example/"), "https://id.example/.well-known/openid-configuration");
        assert_eq!(address(ISSUER), "https://id.example/realms/main/.well-known/openid-configuration");
    }
}
