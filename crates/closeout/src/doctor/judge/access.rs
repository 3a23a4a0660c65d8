//! Whether an organisation lets the client in, as whom, and how much it may call.

use std::time::Duration;

use genesys_client::{Fault as Refused, FaultKind, Limit, TokenFacts, is_another_address};

use super::super::{
    findings::Organisation,
    report::{Check, Fault},
};

/// The limit of a token of client credentials (API.md §7).
const OF_CLIENT: &str = "client.credentials.token.rate.per.minute";

/// The limit of any other token.
const OF_TOKEN: &str = "token.rate.per.minute";

const TOO_MANY: &str = "wait a minute and try again; the limit counts for each token";

/// Judges token, identity and limits.
pub(super) fn judge(organisation: &Organisation) -> Vec<Check> {
    if let Err(why) = &organisation.client {
        let fix = "give the id and the secret as Genesys Cloud shows them, without blanks";
        return vec![Check::wrong("token", Fault::Machine, format!("No client can be made: {why}."), fix)];
    }
    let mut checks = vec![token(organisation)];
    checks.extend(organisation.limits.as_ref().map(|limits| limit(organisation, limits)));
    checks
}

fn token(organisation: &Organisation) -> Check {
    match (&organisation.login, &organisation.token) {
        (None, _) => Check::not_checked(
            "token",
            "No token was asked for, and nothing that needs one was checked, as not every host answers.",
            "put that right first",
        ),
        (Some(Err(refused)), _) => no_token(organisation, refused),
        (Some(Ok(())), Some(Ok(facts))) => identity(organisation, facts),
        (Some(Ok(())), Some(Err(refused))) => token_refused(organisation, refused),
        (Some(Ok(())), None) => Check::ok("token", "A token was given."),
    }
}

/// The login service gave no token. Its statuses tell an unknown client (400) from a wrong secret (401) (API.md §3).
fn no_token(organisation: &Organisation, refused: &Refused) -> Check {
    let (id_from, secret_from) =
        organisation.client_from.clone().unwrap_or_else(|| ("nowhere".to_owned(), "nowhere".to_owned()));
    let host = organisation.hosts.first().map_or("", |(host, _)| host.as_str());
    let wrong = |fault, what: &str, fix: String| Check::wrong("token", fault, what, fix);
    if is_another_address(refused) {
        let what = format!("There is no login service at this address: {}.", refused.message);
        let fix = format!("correct the region ({}) or login_base_url", organisation.region_from);
        return wrong(Fault::Machine, &what, fix);
    }
    match (&refused.kind, refused.status, refused.code.as_deref()) {
        (FaultKind::Unauthenticated, Some(400), Some("invalid_client")) => wrong(
            Fault::Access,
            "The login service does not know this OAuth client (400 client not found).",
            format!(
                "copy the client id from Admin > Integrations > OAuth into what it comes from here: {id_from}\n\
                 a client is known in the region of its organisation only; here that is {host} ({})",
                organisation.region_from
            ),
        ),
        (FaultKind::Unauthenticated, Some(401), Some("invalid_client")) => wrong(
            Fault::Access,
            "The login service knows the OAuth client, and its secret is wrong (401 authentication failed).",
            format!(
                "copy the client secret from Admin > Integrations > OAuth into what it comes from here: {secret_from}\n\
                 if it was changed there, restart the service with the new one"
            ),
        ),
        (FaultKind::Unauthenticated, _, _) => wrong(
            Fault::Access,
            &format!("{}.", sentence(&refused.message)),
            "in Admin > Integrations > OAuth, check that the client is enabled (a disabled one gets no token) and of the \
             grant type Client Credentials"
                .to_owned(),
        ),
        (FaultKind::RateLimited { .. }, _, _) => {
            wrong(Fault::Unreachable, "The login service limits the rate.", TOO_MANY.to_owned())
        }
        (_, _, _) => wrong(
            Fault::Unreachable,
            &format!("The login service gave no token: {}.", refused.message),
            "try again; if it stays, look at the status page of Genesys Cloud".to_owned(),
        ),
    }
}

/// There is a token, and the API does not take it.
fn token_refused(organisation: &Organisation, refused: &Refused) -> Check {
    let said = format!("GET /api/v2/tokens/me: {refused}.");
    if is_another_address(refused) || refused.kind == FaultKind::OutcomeUnknown {
        let fix = format!(
            "correct the region ({}) or api_base_url: another program answers there",
            organisation.region_from
        );
        return Check::wrong("token", Fault::Machine, said, fix);
    }
    match (&refused.kind, &organisation.client_from) {
        (FaultKind::Unauthenticated, Some(_)) => Check::wrong(
            "token",
            Fault::Access,
            format!(
                "A token was given and is refused at once, as those of a disabled client are ({refused})."
            ),
            "enable the client in Admin > Integrations > OAuth, or make a new one; if the code is ip.not.authorized, allow \
             this machine's address",
        ),
        (FaultKind::Unauthenticated, None) => Check::wrong(
            "token",
            Fault::Access,
            format!("The ready access token is refused: it has expired or was revoked ({refused})."),
            "give client_id and client_secret in place of access_token: then tokens are renewed",
        ),
        (FaultKind::Forbidden { .. } | FaultKind::Rejected, _) => Check::wrong(
            "token",
            Fault::Access,
            said,
            "ask Genesys' support with the correlation id of the answer",
        ),
        (_, _) => Check::wrong(
            "token",
            Fault::Unreachable,
            said,
            "try again; if it stays, look at the status page of Genesys Cloud",
        ),
    }
}

fn identity(organisation: &Organisation, facts: &TokenFacts) -> Check {
    let named = |name: &Option<Box<str>>| name.as_deref().unwrap_or("without a name").to_owned();
    let id = facts.organisation_id.as_deref().map(|id| format!(", {id}")).unwrap_or_default();
    let of = format!(
        "the OAuth client {:?} of the organisation {:?}{id}",
        named(&facts.client),
        named(&facts.organisation)
    );
    let state = facts.client_state.as_deref().filter(|state| !state.eq_ignore_ascii_case("active"));
    match (state, &organisation.client_from) {
        (Some(state), _) => Check::warning(
            "token",
            format!("The token belongs to {of}, which is {state}: it will get no more."),
            "set the client to active in Admin > Integrations > OAuth",
        ),
        (None, Some(_)) => Check::ok("token", format!("A token was given to {of}.")),
        (None, None) => Check::warning(
            "token",
            format!(
                "The ready access token belongs to {of}; it cannot be renewed, and at its end every call fails."
            ),
            "give client_id and client_secret in place of access_token",
        ),
    }
}

fn limit(organisation: &Organisation, limits: &Result<Vec<Limit>, Refused>) -> Check {
    let wanted = if organisation.client_from.is_some() { OF_CLIENT } else { OF_TOKEN };
    let told = limits.as_ref().ok().and_then(|limits| limits.iter().find(|limit| &*limit.key == wanted));
    let configured = per_minute(organisation.requests);
    let setting = format!("genesys.{}.requests_per_minute", organisation.name);
    let Some(told) = told else {
        let headers = organisation.allowed.map_or_else(String::new, |allowed| {
            format!(" The answers' headers allow {allowed} in a window, and the service goes by them.")
        });
        let why = match limits {
            Err(refused) => refused.to_string(),
            Ok(_) => format!("{wanted} is not among the limits"),
        };
        return Check::not_checked(
            "limits",
            format!("The calls allowed in a minute could not be read: {why}.{headers}"),
            format!("look at Admin > Organization Settings, or keep {setting} at its default of 300"),
        );
    };
    let allowed = told.value;
    match configured {
        None => Check::warning(
            "limits",
            format!("{setting} = 0 sets no limit, and Genesys allows {allowed} calls a minute ({wanted})."),
            format!("{setting} = {allowed}"),
        ),
        Some(configured) if configured > allowed => Check::warning(
            "limits",
            format!("{configured} calls a minute are configured, and Genesys allows {allowed} ({wanted})."),
            format!("{setting} = {allowed}"),
        ),
        Some(configured) => Check::ok(
            "limits",
            format!("Genesys allows {allowed} calls a minute; {configured} are configured."),
        ),
    }
}

/// The configured calls in a minute; nothing for no limit.
fn per_minute((requests, window): (u32, Duration)) -> Option<u64> {
    let seconds = window.as_secs().max(1);
    (requests > 0).then(|| u64::from(requests) * 60 / seconds)
}

fn sentence(text: &str) -> String {
    let mut signs = text.chars();
    signs.next().map(|first| first.to_uppercase().chain(signs).collect()).unwrap_or_default()
}
