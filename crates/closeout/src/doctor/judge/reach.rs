//! Whether an organisation's hosts answer, and whether their clock and ours agree.

use genesys_client::{Clocks, Obstacle, Unreached};

use super::{
    super::{
        findings::Organisation,
        report::{Check, Fault},
    },
    machine::SET_THE_CLOCK,
};

/// From so many seconds on a clock is worth a warning: a tenth of the window below.
const SKEWED: u64 = 30;

/// From so many seconds on signatures with a time are refused: the window of Standard Webhooks, both ways.
const UNUSABLE: u64 = 300;

/// Judges hosts and clock.
pub(super) fn judge(organisation: &Organisation) -> Vec<Check> {
    let mut checks: Vec<_> = organisation
        .hosts
        .iter()
        .map(|(host, unreached)| match unreached {
            None => Check::ok("reach", format!("{host} answers.")),
            Some(unreached) => not_reached(host, unreached, &organisation.region_from),
        })
        .collect();
    checks.push(match organisation.clocks {
        Some(clocks) => clock(clocks),
        None => Check::not_checked(
            "clock",
            "No answer of Genesys had a date to compare this machine's clock with.",
            "compare by hand: `date -u` with a clock that you trust; 300 s apart, signed webhooks are refused",
        ),
    });
    checks
}

fn not_reached(host: &str, unreached: &Unreached, region_from: &str) -> Check {
    let (what, fix) = match unreached.obstacle {
        Obstacle::Name => (
            "its name is not resolved",
            format!("check the region ({region_from}), and that this machine resolves names: getent hosts {host}"),
        ),
        Obstacle::Tls => (
            "TLS did not come about",
            "if a proxy opens TLS here, point SSL_CERT_FILE to a file with its root certificate; else install the root \
             certificates (package ca-certificates)"
                .to_owned(),
        ),
        Obstacle::Connection => (
            "there is no connection",
            format!("check the region ({region_from}), and allow port 443 outwards; through a proxy, set HTTPS_PROXY"),
        ),
        Obstacle::Time => (
            "it took too long",
            "allow port 443 outwards (a firewall that drops packets looks like this); through a proxy, set HTTPS_PROXY"
                .to_owned(),
        ),
        Obstacle::Broken => ("the connection broke off", "try again; if it stays, ask who runs the proxy in between".to_owned()),
    };
    let cause = &unreached.cause;
    Check::wrong("reach", Fault::Unreachable, format!("{host} cannot be reached: {what} ({cause})."), fix)
}

fn clock(clocks: Clocks) -> Check {
    let ahead = clocks.ahead_seconds();
    let apart = ahead.unsigned_abs();
    let way = if ahead < 0 { "behind" } else { "ahead of" };
    if apart >= UNUSABLE {
        let what =
            format!("This machine's clock is {apart} s {way} that of Genesys: signed webhooks are refused.");
        return Check::wrong("clock", Fault::Machine, what, SET_THE_CLOCK);
    }
    if apart >= SKEWED {
        let what = format!(
            "This machine's clock is {apart} s {way} that of Genesys; from {UNUSABLE} s on signatures fail."
        );
        return Check::warning("clock", what, SET_THE_CLOCK);
    }
    Check::ok("clock", format!("This machine's clock and that of Genesys are {apart} s apart."))
}
