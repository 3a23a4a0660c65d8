//! `[console.oidc]` and the `[[console.oidc.grant]]` tables: who gets into the console without a key.

use std::time::Duration;

use console_oidc::{Grant, Role, is_loopback};
use genesys_types::Organisation;
use url::Url;

use super::{
    environment::Variables,
    layers::{Reader, numbers},
    origin::Problem,
    tokens::Token,
};

/// The table.
const TABLE: &str = "console.oidc";

/// The tables of grants.
const GRANTS: &str = "console.oidc.grant";

/// What stands before the names of those who come by a provider, so that no key passes for one of them.
const PREFIX: &str = "oidc:";

/// The longest session, as that of a key.
const LONGEST_SESSION: Duration = Duration::from_secs(24 * 3_600);

/// The longest text of a button.
const LONGEST_BUTTON: usize = 60;

/// Log-in by a provider.
#[derive(Debug, Clone)]
pub struct SignOn {
    /// What the provider is asked with, and who gets which role.
    pub provider: console_oidc::Settings,
    /// What the button says.
    pub button: String,
    /// How long a session may last at most.
    pub session: Duration,
}

/// Reads the tables; nothing where there are none.
pub(super) fn read(
    reader: &mut Reader<'_>,
    variables: &Variables,
    known: &[Organisation],
    tokens: &[Token],
) -> Option<SignOn> {
    let path = |key: &str| format!("{TABLE}.{key}");
    let asked = ["issuer", "client_id", "client_secret", "public_url"];
    let is_there = |key: &&str| reader.layers.setting(&path(key)).is_some();
    let numbers = numbers(&reader.layers.settings, GRANTS);
    if !asked.iter().any(is_there) && numbers.is_empty() {
        return None;
    }
    let issuer = reader.parsed(&path("issuer"), issuer);
    needed(reader, &path("issuer"), "is missing: say who the provider is, as https://id.example");
    let client_id = reader.text(&path("client_id")).filter(|id| !id.is_empty());
    needed(reader, &path("client_id"), "is missing: say as whom the provider knows this service");
    let secret = reader.secrets(&path("client_secret"), variables).into_iter().next();
    needed(reader, &path("client_secret"), "is missing: the provider gives it with the client id");
    let home = home(reader);
    let scopes = scopes(reader);
    let roles_claim = claim(reader, &path("roles_claim"));
    let name_claim = claim(reader, &path("name_claim"));
    let session = reader.duration(&path("session"));
    if session.is_some_and(|session| session > LONGEST_SESSION) {
        reader.refuse(&path("session"), "is longer than 24h, after which every session ends");
    }
    let button = reader.parsed(&path("button"), |text| match text.trim() {
        "" => Err("is no text".to_owned()),
        text if text.chars().count() > LONGEST_BUTTON => {
            Err(format!("has more than {LONGEST_BUTTON} letters"))
        }
        text => Ok(text.to_owned()),
    });
    if numbers.is_empty() {
        let what = "has no [[console.oidc.grant]]: nobody could log in by the provider";
        reader.problems.push(Problem(format!("[{TABLE}] {what}")));
    }
    let grants = grants(reader, numbers, known);
    for token in tokens.iter().filter(|token| token.name.starts_with(PREFIX)) {
        let name = &token.name;
        reader.problems.push(Problem(format!(
            "the key {name:?} begins with {PREFIX}, as the names of those do who come by [{TABLE}]: give it another name"
        )));
    }
    let provider = console_oidc::Settings {
        issuer: issuer?,
        client_id: client_id?,
        client_secret: secret?,
        home: home?,
        scopes,
        roles_claim: roles_claim?,
        name_claim: name_claim?,
        grants,
    };
    Some(SignOn { provider, button: button?, session: session? })
}

fn needed(reader: &mut Reader<'_>, path: &str, what: &str) {
    if reader.layers.setting(path).is_none() {
        reader.missing(path, what);
    }
}

/// Speaks with whoever hears only where nobody can listen in.
fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn issuer(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| "is not an address such as https://id.example".to_owned())?;
    if !is_private(&url) {
        return Err("must begin with https:// (http:// on this machine's loopback only)".to_owned());
    }
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err("must have neither a user nor a query nor a fragment".to_owned());
    }
    // Tokens name it letter by letter.
    Ok(text.to_owned())
}

/// Where browsers reach this service.
fn home(reader: &mut Reader<'_>) -> Option<String> {
    let own = "console.oidc.public_url";
    let path = if reader.layers.setting(own).is_some() { own } else { "callbacks.public_url" };
    if reader.layers.setting(path).is_none() {
        reader.missing(
            own,
            "is missing: say where browsers reach this service, as https://closeout.example; the provider sends them back there, \
             to /console/login/oidc/back",
        );
        return None;
    }
    reader.parsed(path, |text| {
        let url =
            Url::parse(text).map_err(|_| "is not an address such as https://closeout.example".to_owned())?;
        if !is_private(&url) {
            return Err("must begin with https:// where people log in by a provider".to_owned());
        }
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(
                "must be scheme and host alone where people log in by a provider: the console stands at /"
                    .to_owned(),
            );
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    })
}

fn scopes(reader: &mut Reader<'_>) -> Vec<String> {
    let path = "console.oidc.scopes";
    let scopes = reader.texts(path);
    let sign = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if let Some(odd) = scopes.iter().find(|scope| scope.is_empty() || !scope.bytes().all(sign)) {
        reader
            .refuse(path, format_args!("names {odd:?}, which is no scope: each stands in quotes of its own"));
    }
    if !scopes.iter().any(|scope| scope == "openid") {
        reader.refuse(path, "must have \"openid\": without it a provider says nothing of who somebody is");
    }
    scopes
}

fn claim(reader: &mut Reader<'_>, path: &str) -> Option<String> {
    reader.parsed(path, |text| match text {
        "" | "/" => Err("names no claim".to_owned()),
        text => Ok(text.to_owned()),
    })
}

fn grants(
    reader: &mut Reader<'_>,
    numbers: impl IntoIterator<Item = usize>,
    known: &[Organisation],
) -> Vec<Grant> {
    let mut grants: Vec<Grant> = Vec::new();
    for number in numbers {
        let path = |key: &str| format!("{GRANTS}.{number}.{key}");
        let value = reader.text(&path("value"));
        if value.as_deref().is_none_or(str::is_empty) {
            reader.missing(
                &path("value"),
                "is missing: say which value of console.oidc.roles_claim gets the role",
            );
        }
        let role = reader.choice(&path("role"));
        needed(reader, &path("role"), "is missing: read, operate or admin");
        let role = role.and_then(|role| Role::ALL.into_iter().find(|known| known.name() == role));
        let organisations = organisations(reader, &path("organisations"), known);
        let (Some(value), Some(role), Some(organisations)) = (value, role, organisations) else { continue };
        if grants.iter().any(|other| other.value == value && other.role == role) {
            let what = format_args!(
                "{value:?} gets the role {} twice: name all organisations in one table",
                role.name()
            );
            reader.refuse(&path("value"), what);
        }
        grants.push(Grant { value, role, organisations });
    }
    grants
}

/// The organisations of a grant: the only one that there is, or those that are named.
fn organisations(reader: &mut Reader<'_>, path: &str, known: &[Organisation]) -> Option<Vec<String>> {
    if reader.layers.setting(path).is_none() {
        if let [only] = known {
            return Some(vec![only.as_str().to_owned()]);
        }
        reader.missing(path, "is missing: there are several, so say for which the role is granted");
        return None;
    }
    let names = reader.texts(path);
    if names.is_empty() {
        reader.refuse(path, "is empty, so the role would open nothing");
        return None;
    }
    if let Some(odd) = names.iter().find(|name| !known.iter().any(|one| one.as_str() == name.as_str())) {
        let there = super::it_has(known);
        let what = format_args!("names {odd:?}, which is no organisation of this configuration; {there}");
        reader.refuse(path, what);
        return None;
    }
    Some(names)
}
