//! The calls to Genesys, each once, in the order of the help text. None of them writes but one: a channel for notifications
//! is made, where the configuration has them.

use std::collections::BTreeSet;

use closure_machine::{Policy, WrapUpPolicy};
use genesys_client::{
    Class, Client, Credentials, Deployment, Disconnect, Fault, Host, Inspector, Subscribed, Unreached,
    WrapUpCode,
};
use genesys_types::ConversationId;

use super::super::findings::Organisation;
use crate::{
    config::{Layers, Settings, settings::OrganisationSettings},
    permissions::{Act, CLOSING},
};

/// For how many deployments the configuration is asked for one by one.
const MOST_DEPLOYMENTS: usize = 5;

/// Asks every organisation, one after the other.
pub(super) async fn ask_all(layers: &Layers, settings: &Settings) -> Vec<Organisation> {
    let mut found = Vec::new();
    for organisation in &settings.organisations {
        found.push(ask(layers, settings, organisation).await);
    }
    found
}

/// The permissions that a policy needs.
fn needs(policy: &Policy) -> Vec<&'static str> {
    let wrap_up = match policy.wrap_up {
        WrapUpPolicy::Code(_) => Act::WrapUpId.needs(),
        WrapUpPolicy::Named(_) => Act::WrapUpName.needs(),
        WrapUpPolicy::Skip => Act::WrapUpSkip.needs(),
        WrapUpPolicy::None => &[],
    };
    CLOSING.iter().chain(wrap_up).copied().collect()
}

async fn ask(layers: &Layers, all: &Settings, settings: &OrganisationSettings) -> Organisation {
    let mut found = unasked(layers, settings, needs(&all.policy));
    let inspector = match Inspector::new(&settings.client) {
        Ok(inspector) => inspector,
        Err(error) => {
            found.client = Err(error.to_string());
            return found;
        }
    };
    for (host, name) in hosts(settings) {
        let unreached: Option<Unreached> = match inspector.reach(host).await {
            Ok(heard) => {
                found.clocks = heard.clocks.or(found.clocks);
                None
            }
            Err(unreached) => Some(unreached),
        };
        found.hosts.push((name, unreached));
    }
    if found.hosts.iter().all(|(_, unreached)| unreached.is_none()) {
        let login = inspector.log_in().await;
        let let_in = login.is_ok();
        found.login = Some(login);
        if let_in {
            as_client(&inspector, &mut found).await;
        }
        if let (Some(Ok(_)), Ok(client)) = (&found.token, Client::new(settings.client.clone())) {
            found.wrap_up = wrap_up(&client, &all.policy).await;
            for socket in &all.notifications {
                if socket.organisation == settings.client.organisation {
                    found.sockets.push((socket.name.clone(), topics_of(&client, &socket.topics).await));
                }
            }
        }
    }
    found
}

/// What can be asked with a token.
async fn as_client(inspector: &Inspector, found: &mut Organisation) {
    let token = inspector.token().await;
    if let Ok(heard) = &token {
        found.clocks = heard.clocks.or(found.clocks);
        found.allowed = heard.rate.allowed;
    }
    let is_good = token.is_ok();
    found.token = Some(token.map(|heard| heard.value));
    if !is_good {
        return;
    }
    found.grants = Some(inspector.grants().await);
    let nobody = ConversationId::from_uuid(uuid::Uuid::new_v4());
    found.view = Some(inspector.read_conversation(nobody).await);
    found.limits = Some(inspector.limits().await);
    found.deployments = Some(deployments(inspector).await);
}

/// What the configured name of a wrap-up code means; nothing where there is none.
async fn wrap_up(client: &Client, policy: &Policy) -> Option<(String, Result<WrapUpCode, Fault>)> {
    let WrapUpPolicy::Named(name) = &policy.wrap_up else { return None };
    let permit = client.quota().take(Class::Background).await;
    Some((name.to_string(), client.wrap_up_code_named(permit, None, name).await))
}

/// Subscribes a channel of its own, on which nobody listens.
async fn topics_of(client: &Client, topics: &[Box<str>]) -> Result<Subscribed, Fault> {
    let channel = client.create_channel(client.quota().take(Class::Background).await).await?.value;
    client.subscribe(client.quota().take(Class::Background).await, &channel, topics).await
}

async fn deployments(inspector: &Inspector) -> Result<Vec<Deployment>, Fault> {
    let mut deployments = inspector.deployments().await?;
    let untold = deployments.iter_mut().filter(|deployment| deployment.disconnect == Disconnect::Untold);
    for deployment in untold.take(MOST_DEPLOYMENTS) {
        // What cannot be read stays untold, and is told as that.
        deployment.disconnect = inspector.disconnect_of(deployment).await.unwrap_or_default();
    }
    Ok(deployments)
}

fn unasked(layers: &Layers, settings: &OrganisationSettings, needs: Vec<&'static str>) -> Organisation {
    let name = settings.client.organisation.as_str();
    let origin = |key: &str| {
        let path = format!("genesys.{name}.{key}");
        layers.setting(&path).map(|setting| format!("{path}, {}", setting.origin))
    };
    let from = |key: &str| origin(key).unwrap_or_else(|| format!("genesys.{name}.{key}"));
    let region_from = origin("region").or_else(|| origin("api_base_url"));
    Organisation {
        name: name.to_owned(),
        hosts: Vec::new(),
        region_from: region_from.unwrap_or_else(|| from("region")),
        clocks: None,
        client_from: match settings.client.credentials {
            Credentials::Client { .. } => Some((from("client_id"), from("client_secret"))),
            Credentials::AccessToken(_) => None,
        },
        client: Ok(()),
        login: None,
        token: None,
        needs,
        view: None,
        grants: None,
        limits: None,
        requests: (settings.client.quota.requests_per_window, settings.client.quota.window),
        allowed: None,
        wrap_up: None,
        sockets: Vec::new(),
        deployments: None,
    }
}

/// The hosts to knock at, each once. The API's comes last: its clock is the one that counts.
fn hosts(settings: &OrganisationSettings) -> Vec<(Host, String)> {
    let region = &settings.client.region;
    let mut seen = BTreeSet::new();
    [(Host::Login, region.login()), (Host::Api, region.api())]
        .into_iter()
        .filter(|(_, url)| seen.insert(url.as_str().to_owned()))
        .map(|(host, url)| {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            (host, format!("{}{port}", url.host_str().unwrap_or_default()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permissions::{DISCONNECT, LIST_CODES, VIEW, WRAP_UP};

    #[test]
    fn a_wrap_up_code_by_name_needs_its_list_too() {
        let with = |wrap_up| needs(&Policy { wrap_up, ..Policy::default() });
        assert_eq!(with(WrapUpPolicy::Skip), [VIEW, DISCONNECT]);
        let code = genesys_types::WrapUpCodeId::from_uuid(uuid::Uuid::nil());
        assert_eq!(with(WrapUpPolicy::Code(code)), [VIEW, DISCONNECT, WRAP_UP]);
        assert_eq!(with(WrapUpPolicy::Named("Sold".into())), [VIEW, DISCONNECT, WRAP_UP, LIST_CODES]);
    }
}
