//! Log-in to the console by a provider: what it proves of a person is made a key that is lent for the session.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::StatusCode;
use console_oidc::{Person, Provider, Refused, Role, Welcome, Whose};
use http_api::{AccessKey, Keys};
use operator_console::{Begun, Guest, NotLetIn};
use sha2::{Digest as _, Sha256};

use crate::{
    config::{sign_on::SignOn, tokens},
    exit::{Exit, Failure},
};

/// The provider of this service.
#[derive(Debug)]
struct Lender {
    provider: Provider,
    keys: Keys,
    button: String,
    session: Duration,
}

/// Makes the way in. The provider is asked when somebody comes by it, and need not be there yet.
///
/// # Errors
///
/// When this machine's TLS cannot be used.
pub(super) fn lender(settings: SignOn, keys: &Keys) -> Result<Arc<dyn operator_console::SignOn>, Failure> {
    let SignOn { provider, button, session } = settings;
    let provider = Provider::new(provider).map_err(|error| {
        Failure::new(Exit::Unexpected, format!("the provider of [console.oidc] cannot be asked: {error}"))
    })?;
    Ok(Arc::new(Lender { provider, keys: keys.clone(), button, session }))
}

#[async_trait]
impl operator_console::SignOn for Lender {
    fn button(&self) -> &str {
        &self.button
    }

    fn home(&self) -> &str {
        self.provider.home()
    }

    async fn begin(&self, next: &str) -> Result<Begun, NotLetIn> {
        let console_oidc::Begun { to, kept } = self.provider.begin(next).await.map_err(told)?;
        Ok(Begun { to, kept })
    }

    async fn finish(&self, query: &str, kept: &[String]) -> Result<Guest, NotLetIn> {
        let Welcome { person, next, leave } = self.provider.finish(query, kept).await.map_err(told)?;
        tracing::info!(
            by = person.name,
            subject = person.subject,
            role = person.role.name(),
            "somebody logged in to the console by [console.oidc]"
        );
        let key = tokens::fresh_key();
        let lent = self.keys.lend(access(person, &key));
        Ok(Guest { key: key.into(), held: Box::new(lent), next, longest: self.session, leave })
    }
}

/// The key of a person.
fn access(person: Person, key: &str) -> AccessKey {
    AccessKey {
        name: person.name,
        sha256: Sha256::digest(key.as_bytes()).into(),
        role: match person.role {
            Role::Read => http_api::Role::Read,
            Role::Operate => http_api::Role::Operate,
            Role::Admin => http_api::Role::Admin,
        },
        // The configuration lets no other name through.
        organisations: person.organisations.iter().filter_map(|name| name.parse().ok()).collect(),
    }
}

/// What the person is told; what whoever runs the service wants to know goes to the log.
fn told(refused: Refused) -> NotLetIn {
    let Refused { whose, sentence, detail } = refused;
    let status = match whose {
        Whose::Browser => StatusCode::BAD_REQUEST,
        Whose::Nobody => StatusCode::FORBIDDEN,
        Whose::Many => StatusCode::TOO_MANY_REQUESTS,
        Whose::Provider => StatusCode::BAD_GATEWAY,
    };
    match whose {
        Whose::Browser | Whose::Nobody | Whose::Many => {
            tracing::info!(why = detail, "a log-in by [console.oidc] was refused");
        }
        Whose::Provider => tracing::warn!(why = detail, "a log-in by [console.oidc] failed"),
    }
    NotLetIn { status, sentence }
}
