//! What a source in NATS JetStream needs.

use std::time::Duration;

use queue_nats::{Auth, Setup};
use url::Url;

use super::super::{environment::Variables, layers::Reader};

/// The kind.
pub(super) const KIND: &str = "nats";

/// How long a message is held for whoever received it. A commit takes milliseconds; a store that stalls longer than this makes
/// the message come again, which has no effect.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// Reads the table of this number.
pub(super) fn read(reader: &mut Reader<'_>, number: usize, variables: &Variables) -> Option<Setup> {
    let path = |key: &str| format!("source.{number}.{key}");
    let servers = servers(reader, &path("url"));
    let stream =
        super::needed(reader, &path("stream"), "is missing: it names the stream that holds the commands");
    let stream = stream.and_then(|stream| token(reader, &path("stream"), stream));
    let consumer = reader.text(&path("consumer")).and_then(|text| token(reader, &path("consumer"), text));
    let auth = auth(reader, number, variables);
    let ca_file = super::file(reader, &path("ca_file"));
    Some(Setup {
        servers: servers?,
        stream: stream?,
        subject: reader.text(&path("subject")),
        consumer: consumer?,
        ack_wait: ACK_WAIT,
        auth: auth?,
        ca_file,
        client_certificate: None,
    })
}

/// The name of a stream or consumer: what cannot be one would be part of a subject.
fn token(reader: &mut Reader<'_>, path: &str, text: String) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=255).contains(&text.len()) && text.bytes().all(allowed) {
        return Some(text);
    }
    reader
        .refuse(path, format_args!("{text:?} must have 1 to 255 characters, each of A-Z, a-z, 0-9, - and _"));
    None
}

fn servers(reader: &mut Reader<'_>, path: &str) -> Option<Vec<String>> {
    let text = super::needed(reader, path, "is missing: say where the server is, as nats://127.0.0.1:4222")?;
    let mut servers = Vec::new();
    for one in text.split(',').map(str::trim) {
        let server = Url::parse(one).map_err(|error| error.to_string()).and_then(|url| {
            if !matches!(url.scheme(), "nats" | "tls") || url.host_str().is_none() {
                return Err("must begin with nats:// or tls:// and name a host".to_owned());
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err("must hold no user and password: use user and password, or token".to_owned());
            }
            Ok(one.to_owned())
        });
        match server {
            Ok(server) => servers.push(server),
            Err(why) => {
                reader.refuse(path, why);
                return None;
            }
        }
    }
    Some(servers)
}

/// At most one way to prove who this is.
fn auth(reader: &mut Reader<'_>, number: usize, variables: &Variables) -> Option<Auth> {
    let path = |key: &str| format!("source.{number}.{key}");
    let ways = ["token", "user", "credentials_file"];
    let given: Vec<_> = ways.into_iter().filter(|key| reader.layers.setting(&path(key)).is_some()).collect();
    if let [_, second, ..] = given.as_slice() {
        reader
            .refuse(&path(second), format_args!("stands beside {}: one of them says who this is", given[0]));
        return None;
    }
    let has_password = reader.layers.setting(&path("password")).is_some();
    if has_password && given.first() != Some(&"user") {
        reader.refuse(&path("password"), "needs a user beside it");
        return None;
    }
    match given.first().copied() {
        Some("token") => reader.secrets(&path("token"), variables).into_iter().next().map(Auth::Token),
        Some("user") => {
            let user = reader.text(&path("user"))?;
            if !has_password {
                reader.missing(&path("password"), "is missing: there is a user");
            }
            let password = reader.secrets(&path("password"), variables).into_iter().next()?;
            Some(Auth::Password { user, password })
        }
        Some(_) => {
            let text = reader.text(&path("credentials_file"))?;
            let setting = reader.layers.setting(&path("credentials_file"))?;
            Some(Auth::Credentials(reader.layers.path_of(setting, &text)))
        }
        None => Some(Auth::Nothing),
    }
}
