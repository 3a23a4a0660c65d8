//! Log-in by OpenID Connect: the authorization code flow with PKCE, and what an ID token proves.
//!
//! ```text
//! begin ──► sealed flow (kept by the browser) and the provider's address
//!              provider ──► code, state ──► finish ─► tokens ─► claims that are proven ─► grants ─► Person, or Refused
//! ```
//!
//! - Nobody is let in for being known to the provider: a grant has to name one of the values that the configured claim has.
//! - An ID token counts with a signature of a key that the provider publishes and an algorithm of [`ALGORITHMS`], for this client, from this
//!   provider, for this very log-in, and for now. What it says is decided by pure functions; time is an argument.
//! - What a log-in needs on its way is sealed and kept by the browser, so it may come back to another process with the same configuration.
//! - It knows no session, no cookie and no page, and logs nothing: what a [`Refused`] has for the log is for its caller to write.

mod bound;
mod claims;
mod discovery;
mod flow;
#[cfg(test)]
mod forge;
mod grants;
mod http;
mod keys;
mod provider;
mod refused;
mod settings;
mod token;

pub use self::{
    grants::{Grant, Person, Role},
    provider::{Begun, Believed, Provider, Standing, Welcome},
    refused::{Refused, Whose},
    settings::{RETURN, Settings, is_loopback},
    token::ALGORITHMS,
};
