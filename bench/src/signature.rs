//! The `hub-sha256-hex` scheme: `X-Hub-Signature-256: sha256=<hex of HMAC-SHA256 over the raw body>`.
//!
//! Written apart from the service's own verifier, so that the two readings check each other.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "x-hub-signature-256";

/// The text in front of the hex digits.
const PREFIX: &str = "sha256=";

/// A secret, ready to sign and to verify.
#[derive(Clone)]
pub struct HubKey(Hmac<Sha256>);

impl HubKey {
    /// Prepares a key from the bytes of the secret.
    pub fn new(secret: &str) -> Self {
        Self(Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length"))
    }

    /// Signs a body; returns the whole value of the header.
    pub fn sign(&self, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(body);
        let mut header = String::with_capacity(PREFIX.len() + 64);
        header.push_str(PREFIX);
        for byte in mac.finalize().into_bytes() {
            for nibble in [byte >> 4, byte & 15] {
                header.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is below 16"));
            }
        }
        header
    }

    /// Tells whether `header` is the signature of `body`, in constant time.
    pub fn verifies(&self, header: &[u8], body: &[u8]) -> bool {
        let Some(digits) = header.strip_prefix(PREFIX.as_bytes()).filter(|digits| digits.len() == 64) else {
            return false;
        };
        let mut signature = [0_u8; 32];
        for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
            match (hex_value(pair[0]), hex_value(pair[1])) {
                (Some(high), Some(low)) => *byte = high << 4 | low,
                (None, _) | (_, None) => return false,
            }
        }
        let mut mac = self.0.clone();
        mac.update(body);
        mac.verify_slice(&signature).is_ok()
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 2 of RFC 4231, section 4.3.
    #[test]
    fn a_published_example_comes_out() {
        let key = HubKey::new("Jefe");
        assert_eq!(
            key.sign(b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_signature_holds_only_for_its_key_and_body() {
        let key = HubKey::new("a secret of many bytes");
        let header = key.sign(b"body");
        assert!(key.verifies(header.as_bytes(), b"body"));
        assert!(!key.verifies(header.as_bytes(), b"bodY"));
        assert!(!HubKey::new("another secret of many").verifies(header.as_bytes(), b"body"));
        assert!(!key.verifies(&header.as_bytes()[..40], b"body"));
    }
}
