//! What can be found out of a provider while nobody logs in.

use super::{FRESH, Flow, Provider, Refused, StatusCode, Told, http, now, plain};

/// A code that no provider gave.
const NO_CODE: &str = "closeout-asks-whether-its-secret-is-right";

/// How a provider stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How many of the keys that it publishes can prove a token here.
    pub keys: usize,
    /// Whether it believes that this service is its client.
    pub client: Believed,
    /// Whether a log-out can end its own session too.
    pub ends_sessions: bool,
}

/// Whether the provider believes id and secret of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Believed {
    /// It does: it only refused the code (`invalid_grant`).
    Yes,
    /// It does not, and says so (RFC 6749, 5.2).
    No(String),
    /// Its answer does not tell.
    Unknown(String),
}

impl Provider {
    /// Asks the provider for what it publishes, and for tokens for a code that is none: who knows the client refuses the code, and who
    /// does not refuses the client. Nobody is logged in by that.
    ///
    /// # Errors
    ///
    /// When what it publishes cannot be had or used.
    pub async fn standing(&self) -> Result<Standing, Refused> {
        let metadata = self.metadata().await?;
        let keys = self.keys(&metadata, FRESH).await?.usable();
        let verifier = Flow::begin("/", now()).verifier;
        let client = match self.exchange(&metadata, NO_CODE, &verifier) {
            None => Believed::No("it takes no client secret where it gives tokens".to_owned()),
            Some(request) => match http::send(request, "the provider was asked for tokens").await {
                Err(why) => Believed::Unknown(why),
                Ok((status, body)) => believed(status, &body),
            },
        };
        Ok(Standing { keys, client, ends_sessions: metadata.end_session_endpoint.is_some() })
    }
}

fn believed(status: StatusCode, body: &[u8]) -> Believed {
    let told: Told = serde_json::from_slice(body).unwrap_or_default();
    let words = format!("{status} {} {}", plain(&told.error, 60), plain(&told.error_description, 300));
    match told.error.as_str() {
        "invalid_grant" => Believed::Yes,
        "invalid_client" | "unauthorized_client" => Believed::No(words.trim_end().to_owned()),
        _ => Believed::Unknown(words.trim_end().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_believed_where_only_its_code_is_refused() {
        let of = |status: u16, body: &str| believed(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(
            of(400, r#"{"error": "invalid_grant", "error_description": "no such code"}"#),
            Believed::Yes
        );
        let no = Believed::No("401 Unauthorized invalid_client wrong secret".to_owned());
        assert_eq!(of(401, r#"{"error": "invalid_client", "error_description": "wrong secret"}"#), no);
        assert!(matches!(of(400, r#"{"error": "unauthorized_client"}"#), Believed::No(_)));
        for (status, body) in
            [(200, "{}"), (401, "<html>"), (400, r#"{"error": "invalid_request"}"#), (500, "")]
        {
            assert!(matches!(of(status, body), Believed::Unknown(_)), "{status} {body}");
        }
    }
}
