//! What a log-in needs on its way, kept by the browser and sealed: any process with the same configuration can go on with it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// How long a person may take at the provider, in seconds: a password, a second factor, a call to whoever reset it.
pub(crate) const LONGEST: i64 = 10 * 60;

/// Separates the key of the seal from every other use of the client's secret.
const PURPOSE: &[u8] = b"closeout: log-in by OpenID Connect, seal of a flow, 1";

/// One log-in under way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// What the provider gives back with the code, so that no other site can finish a log-in in this browser.
    pub(crate) state: String,
    /// What the ID token must say, so that it is of this log-in.
    pub(crate) nonce: String,
    /// What proves to the provider that whoever has the code began the log-in (RFC 7636).
    pub(crate) verifier: String,
    /// Where to go afterwards.
    pub(crate) next: String,
    /// When it began, in Unix seconds.
    pub(crate) begun: i64,
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Flow {
    /// Begins one: 244 random bits each for state, nonce and verifier.
    pub(crate) fn begin(next: &str, now: i64) -> Self {
        Self { state: random(), nonce: random(), verifier: random(), next: next.to_owned(), begun: now }
    }

    /// The challenge that belongs to the verifier, by the method S256.
    pub(crate) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }

    /// Whether the provider gave this state back.
    pub(crate) fn is_of(&self, state: &str) -> bool {
        bool::from(self.state.as_bytes().ct_eq(state.as_bytes()))
    }
}

/// Seals flows, and opens what it or another process with the same secret has sealed.
pub(crate) struct Seal(Hmac<Sha256>);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// The seal that follows from the secret of a client.
    pub(crate) fn of(secret: &SecretString) -> Self {
        let derived = keyed(secret.expose_secret().as_bytes()).chain_update(PURPOSE).finalize().into_bytes();
        Self(keyed(&derived))
    }

    /// A flow as text of letters, digits, `-`, `_` and `.`.
    pub(crate) fn close(&self, flow: &Flow) -> String {
        let json = serde_json::to_vec(flow).expect("it has no key that is not a text");
        let body = URL_SAFE_NO_PAD.encode(json);
        let mark = self.0.clone().chain_update(body.as_bytes()).finalize().into_bytes();
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(mark))
    }

    /// The flow of such a text; nothing where it is not of this seal, or older than [`LONGEST`].
    pub(crate) fn open(&self, text: &str, now: i64) -> Option<Flow> {
        let (body, mark) = text.split_once('.')?;
        let mark = URL_SAFE_NO_PAD.decode(mark).ok()?;
        self.0.clone().chain_update(body.as_bytes()).verify_slice(&mark).ok()?;
        let flow: Flow = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        // Clocks of two machines differ by seconds.
        ((-60..=LONGEST).contains(&now.checked_sub(flow.begun)?)).then_some(flow)
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(secret: &str) -> Seal {
        Seal::of(&secret.to_owned().into())
    }

    #[test]
    fn a_flow_is_opened_by_every_process_with_the_secret_and_by_no_other() {
        let flow = Flow::begin("/console/closures?state=ghost", 1_000);
        let sealed = seal("one").close(&flow);
        assert_eq!(seal("one").open(&sealed, 1_000 + LONGEST), Some(flow));
        assert_eq!(seal("one").open(&sealed, 1_001 + LONGEST), None, "too old");
        assert_eq!(seal("one").open(&sealed, 0), None, "of the future");
        assert_eq!(seal("two").open(&sealed, 1_000), None, "of another secret");
        for place in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(seal("one").open(&changed, 1_000), None, "{place}: {changed}");
        }
        for odd in ["", ".", "e30", "e30.", &sealed[..sealed.len() - 8]] {
            assert_eq!(seal("one").open(odd, 1_000), None, "{odd}");
        }
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let flow = Flow {
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
            ..Flow::begin("/", 0)
        };
        assert_eq!(flow.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn no_two_flows_have_anything_in_common_and_none_shows() {
        let (one, two) = (Flow::begin("/", 0), Flow::begin("/", 0));
        assert!(one.state != two.state && one.nonce != two.nonce && one.verifier != two.verifier);
        assert!(one.state != one.nonce && one.nonce != one.verifier);
        assert!((43..=128).contains(&one.verifier.len()), "RFC 7636, 4.1");
        assert!(!format!("{one:?}").contains(&one.state) && !one.is_of(&two.state) && one.is_of(&one.state));
    }
}
