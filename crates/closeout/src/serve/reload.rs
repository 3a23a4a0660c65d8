//! SIGHUP: what rotates is read again, and nothing else.
//!
//! The credential of every organisation and the keys of `tokens.toml` are put in place of the old ones while the service runs:
//! calls that are under way repeat with the new credential, and what Genesys refused meanwhile is tried again at once. What is
//! wrong with the new configuration is logged, and the old one stays.

use std::collections::HashMap;

use genesys_client::Client;
use genesys_types::Organisation;
use http_api::Keys;
use orchestrator::Orchestrator;

use crate::{
    config::{self, FromCommandLine, Settings, Variables},
    exit::Failure,
};

/// What can be replaced while the service runs.
#[derive(Debug)]
pub(super) struct Reloadable {
    pub(super) clients: HashMap<Organisation, Client>,
    pub(super) keys: Keys,
    pub(super) orchestrator: Orchestrator,
}

impl Reloadable {
    /// Reads the configuration again and puts what rotates in place.
    pub(super) fn reload(&self, from: &FromCommandLine, variables: &Variables) {
        let settings = config::load(from, variables).map_err(|problems| Failure::of_problems(&problems));
        match settings {
            Ok((_, settings)) => self.replace(settings),
            Err(failure) => {
                tracing::error!(
                    why = failure.message,
                    "SIGHUP: the configuration is wrong; the old one stays"
                );
            }
        }
    }

    fn replace(&self, settings: Settings) {
        let keys = settings.tokens.len();
        self.keys.replace(super::access_keys(settings.tokens));
        for organisation in &settings.organisations {
            let name = &organisation.client.organisation;
            let Some(client) = self.clients.get(name) else {
                tracing::warn!(organisation = %name, "SIGHUP: a new organisation is taken up at the next start");
                continue;
            };
            match client.replace_credentials(&organisation.client.credentials) {
                Ok(()) => self.orchestrator.credential_replaced(name),
                Err(error) => {
                    tracing::error!(organisation = %name, %error, "SIGHUP: the old credential stays");
                }
            }
        }
        tracing::info!(
            keys,
            "SIGHUP: credentials and keys were read again; other settings wait for a restart"
        );
    }
}
