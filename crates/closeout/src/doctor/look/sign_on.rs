//! The provider by which people log in to the console: what it publishes, and whether it believes this client.

use console_oidc::Provider;
use secrecy::ExposeSecret as _;

use super::super::findings::SignOn;
use crate::config;

/// Asks the provider; not where calls are not wanted.
pub(super) async fn ask(settings: &config::sign_on::SignOn, online: bool) -> SignOn {
    let settings = &settings.provider;
    let standing = match online {
        false => None,
        true => Some(match Provider::new(settings.clone()) {
            Ok(provider) => provider.standing().await.map_err(|refused| refused.detail),
            Err(error) => Err(error.to_string()),
        }),
    };
    SignOn {
        issuer: settings.issuer.clone(),
        back: settings.redirect_url(),
        secret_length: settings.client_secret.expose_secret().chars().count(),
        standing,
    }
}
