//! What a provider is asked with, and what is made of its answer.

use secrecy::SecretString;
use url::{Host, Url};

use crate::grants::Grant;

/// The path to which the provider sends browsers back; it is registered there, below [`Settings::home`].
pub const RETURN: &str = "/console/login/oidc/back";

/// What is configured of a provider.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its issuer, letter by letter as its tokens say it.
    pub issuer: String,
    /// The id under which it knows this service.
    pub client_id: String,
    /// The secret that belongs to the id.
    pub client_secret: SecretString,
    /// Where browsers reach this service: scheme, host and port, without a slash at the end.
    pub home: String,
    /// What is asked for; `openid` among it.
    pub scopes: Vec<String>,
    /// The claim with what grants name: a name, or a JSON pointer.
    pub roles_claim: String,
    /// The claim with the name that is shown of a person: a name, or a JSON pointer.
    pub name_claim: String,
    /// Who gets which role.
    pub grants: Vec<Grant>,
}

impl Settings {
    /// The address to which the provider sends browsers back.
    pub fn redirect_url(&self) -> String {
        format!("{}{RETURN}", self.home)
    }
}

/// Whether an address leads to this very machine, where plain HTTP is heard by nobody else.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
