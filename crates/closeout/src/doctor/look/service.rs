//! The port, and the service that may be running: who answers, and what it says of its hooks.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;

use super::super::findings::{Heard, Holder, Port, Says, Service};
use crate::{
    client::{Api, Place},
    config::{Variables, hooks::Hook},
    exit::{Exit, Failure},
};

/// How long a service on this machine may take to say that it is ready; its check of the store has 2 s.
const PATIENCE: Duration = Duration::from_secs(5);

/// Finds out who has the port. A free one is taken for a moment.
pub(super) async fn port(address: SocketAddr) -> Port {
    let holder = match http_listener::bind(address) {
        Ok(_) => Holder::Nobody,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match readiness(address).await {
            Some(ready) => Holder::Closeout { ready },
            None => Holder::Other,
        },
        Err(error) => Holder::Refused { why: in_settings(&error.to_string(), address) },
    };
    Port { address: address.to_string(), holder }
}

/// The words of the listener without the address and the flag of another command.
fn in_settings(why: &str, address: SocketAddr) -> String {
    let why = why.strip_prefix(&format!("{address} ")).unwrap_or(why);
    why.split(": choose").next().unwrap_or(why).to_owned()
}

/// Whether the Closeout at this address is ready; nothing when it is no Closeout.
async fn readiness(address: SocketAddr) -> Option<bool> {
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().ok()?;
    let answer = http.get(format!("{}/readyz", url_of(address))).send().await.ok()?;
    let body: Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
    is_readiness(&body).then(|| body["ready"] == true)
}

fn is_readiness(body: &Value) -> bool {
    ["ready", "store", "stopping"].iter().all(|field| body[field].is_boolean())
}

/// The address under which a client on this machine reaches a listener.
fn url_of(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => address.ip(),
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Asks the service about its hooks: the one that is named by flag or profile, else that of the configuration which is
/// checked. `CLOSEOUT_SERVER` may name the service of another one, so it counts only where the configuration names none.
pub(super) async fn ask(
    listen: Option<SocketAddr>,
    place: &Place,
    variables: &Variables,
    hooks: &[Hook],
) -> Service {
    let named = place.server.is_some() || place.profile.is_some();
    let mut place = place.clone();
    if !named {
        place.server = listen.map(url_of);
    }
    let api = match Api::find(&place, variables) {
        Ok(api) => api,
        Err(failure) => {
            let server = place.server.unwrap_or_else(|| "the server of the profile".to_owned());
            return Service { server, says: Says::Closed(Some(failure.message)) };
        }
    };
    let says = if hooks.is_empty() { Says::Nothing } else { says(&api, hooks).await };
    Service { server: api.server().to_owned(), says }
}

async fn says(api: &Api, hooks: &[Hook]) -> Says {
    let body = match api.get("/readyz", &[("verbose".to_owned(), "true".to_owned())]).await {
        Ok(answer) => answer.body,
        Err(failure) => return not_told(&failure),
    };
    if !is_readiness(&body) {
        return Says::Nonsense;
    }
    let Some(standings) = body["hooks"].as_array() else {
        return Says::Closed(None);
    };
    let mut heard = Vec::new();
    for standing in standings {
        let time = |field: &str| standing[field].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let Some(name) = standing["name"].as_str().filter(|name| hooks.iter().any(|hook| hook.name == *name))
        else {
            continue;
        };
        let refused_at = time("lastRefusedAt");
        let refused_why = if refused_at.is_some() { why_refused(api, name).await } else { None };
        heard.push(Heard { name: name.to_owned(), event_at: time("lastEventAt"), refused_at, refused_why });
    }
    Says::Hooks(heard)
}

fn not_told(failure: &Failure) -> Says {
    match failure.exit {
        Exit::Unreachable => Says::Nothing,
        Exit::NotAllowed => Says::Closed(Some(failure.message.clone())),
        Exit::Done
        | Exit::Unexpected
        | Exit::Usage
        | Exit::NotFound
        | Exit::Conflict
        | Exit::InFlight
        | Exit::Ghost
        | Exit::Failed
        | Exit::PartlyFailed
        | Exit::Interrupted => Says::Nonsense,
    }
}

async fn why_refused(api: &Api, hook: &str) -> Option<String> {
    let query = [("hook", hook), ("result", "refused"), ("limit", "1")];
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body = api.get("/v1/hooks/received", &query).await.ok()?.body;
    body["items"][0]["why"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_on_loopback() {
        for (listen, url) in [
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("[::]:8080", "http://[::1]:8080"),
            ("10.0.0.7:80", "http://10.0.0.7:80"),
        ] {
            assert_eq!(url_of(listen.parse().unwrap()), url);
        }
    }

    #[tokio::test]
    async fn a_port_is_free_or_held_by_another_program() {
        let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
        assert!(matches!(port(address).await.holder, Holder::Nobody));
        let held = std::net::TcpListener::bind(address).unwrap();
        let address = held.local_addr().unwrap();
        let other = tokio::task::spawn_blocking(move || {
            use std::io::Write as _;
            let (mut stream, _) = held.accept().unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        });
        assert!(matches!(port(address).await.holder, Holder::Other));
        other.await.unwrap();
        // TEST-NET-1 (RFC 5737) belongs to nobody.
        let Holder::Refused { why } = port("192.0.2.1:8080".parse().unwrap()).await.holder else {
            panic!("refused")
        };
        assert_eq!(why, "is no address of this machine");
    }
}
