//! The webhooks of the configuration as the receiver takes them, and what came in by every adapter as the API shows it.

use std::str::FromStr as _;

use genesys_types::{Organisation, Time};
use http_api::{HookStanding, ReceivedHook, ReceivedHooks, UNKNOWN_HOOK};
use webhook_receiver::{Decoder, Hook, HookResult, Received, ReceivedFilter, ReceivedLog};
use webhook_signature::Refused;

use crate::{config, exit::Failure};

/// How many requests are looked through: more than the receiver keeps.
const MOST: usize = 100_000;

/// Makes the receiver's hooks.
///
/// # Errors
///
/// When the configuration lets through a decoder that the receiver does not know.
pub fn of_settings(hooks: Vec<config::hooks::Hook>) -> Result<Vec<Hook>, Failure> {
    hooks
        .into_iter()
        .map(|hook| {
            let decoder =
                Decoder::from_str(&hook.decoder).map_err(|error| Failure::usage(error.to_string()))?;
            Ok(Hook { name: hook.name, organisation: hook.organisation, signature: hook.signature, decoder })
        })
        .collect()
}

/// What came in, for the API.
#[derive(Debug)]
pub struct CameIn {
    /// The logs of the webhooks, and of each queue and socket.
    pub logs: Vec<ReceivedLog>,
    /// Whose each adapter is.
    pub owners: Vec<(String, Organisation)>,
    /// The headers without which each webhook takes nothing.
    pub headers: Vec<(String, Vec<String>)>,
}

/// The headers without which each of these webhooks takes nothing.
pub fn needed_headers(hooks: &[config::hooks::Hook]) -> Vec<(String, Vec<String>)> {
    let needed =
        |hook: &config::hooks::Hook| hook.signature.needed_headers().into_iter().map(str::to_owned).collect();
    hooks.iter().map(|hook| (hook.name.clone(), needed(hook))).collect()
}

impl CameIn {
    fn shown(&self, received: Received) -> ReceivedHook {
        let name = received.hook.as_deref();
        let owner = self.owners.iter().find(|(hook, _)| Some(hook.as_str()) == name);
        let headers = self.headers.iter().find(|(hook, _)| Some(hook.as_str()) == name);
        let headers = headers.map_or(&[][..], |(_, headers)| headers);
        ReceivedHook {
            at: received.at,
            hook: name.unwrap_or(UNKNOWN_HOOK).to_owned(),
            organisation: owner.map(|(_, organisation)| organisation.clone()),
            result: received.result.name().to_owned(),
            why: received
                .reason
                .map(|reason| in_words(reason, headers))
                .or_else(|| received.result.meaning().map(str::to_owned)),
            event_type: received.event_type,
            event_id: received.event_id,
            conversation: received.conversation.map(|conversation| conversation.to_string()),
        }
    }
}

impl ReceivedHooks for CameIn {
    fn results(&self) -> Vec<&'static str> {
        HookResult::ALL.map(HookResult::name).into()
    }

    fn standings(&self) -> Vec<HookStanding> {
        let standing = |(name, organisation): &(String, Organisation)| HookStanding {
            name: name.clone(),
            organisation: organisation.clone(),
            last_event_at: self.logs.iter().filter_map(|log| last_heard(log, name)).max(),
            last_refused_at: self
                .logs
                .iter()
                .filter_map(|log| last_with(log, name, HookResult::Refused))
                .max(),
        };
        self.owners.iter().map(standing).collect()
    }

    fn latest(&self, wanted: &dyn Fn(&ReceivedHook) -> bool, limit: usize) -> Vec<ReceivedHook> {
        let all = ReceivedFilter { hook: None, result: None, limit: MOST };
        let mut received: Vec<_> = self.logs.iter().flat_map(|log| log.recent(&all)).collect();
        // Each log tells the latest first; a stable sort keeps its order where two came within a millisecond.
        received.sort_by_key(|received| std::cmp::Reverse(received.at));
        let shown = received.into_iter().map(|received| self.shown(received));
        shown.filter(|received| wanted(received)).take(limit).collect()
    }
}

/// The reason of a refusal as a sentence, with its name, and with the headers that were looked for where one of them is what is wrong; any
/// other as it stands.
fn in_words(reason: &str, headers: &[String]) -> String {
    let Some(refused) = Refused::ALL.iter().find(|refused| refused.reason() == reason) else {
        return reason.to_owned();
    };
    let sought = match (refused, headers) {
        (Refused::MissingHeader | Refused::RepeatedHeader, [header]) => format!("; it looks for {header}"),
        (Refused::MissingHeader | Refused::RepeatedHeader, [others @ .., last]) => {
            format!("; it looks for {} and {last}", others.join(", "))
        }
        (
            Refused::MissingHeader
            | Refused::RepeatedHeader
            | Refused::MalformedSignature
            | Refused::OtherSignatureVersion
            | Refused::TooManySignatures
            | Refused::MalformedTimestamp
            | Refused::MalformedMessageId
            | Refused::WrongSignature
            | Refused::WrongKey
            | Refused::OutsideWindow,
            _,
        ) => String::new(),
    };
    format!("{}{sought} ({reason})", refused.to_string().trim_end_matches('.'))
}

/// When a verified sender was last heard on this hook.
fn last_heard(log: &ReceivedLog, hook: &str) -> Option<Time> {
    let genuine = [
        HookResult::Taken,
        HookResult::NothingNew,
        HookResult::Unmatched,
        HookResult::NotAnEnding,
        HookResult::Duplicate,
        HookResult::Conflict,
    ];
    genuine.into_iter().filter_map(|result| last_with(log, hook, result)).max()
}

/// When a request to this hook last came to this.
fn last_with(log: &ReceivedLog, hook: &str, result: HookResult) -> Option<Time> {
    let filter = ReceivedFilter { hook: Some(hook.to_owned()), result: Some(result), limit: 1 };
    log.recent(&filter).first().map(|received| received.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_a_sentence() {
        let said = in_words("wrong_signature", &["X-Hub-Signature-256".to_owned()]);
        assert_eq!(
            said,
            "The signature was not made with a secret of this hook for this body (wrong_signature)"
        );
        assert_eq!(in_words("not_json", &[]), "not_json");
    }

    #[test]
    fn a_refusal_for_want_of_a_header_names_what_was_looked_for() {
        for (headers, sought) in [
            (&[][..], ""),
            (&["X-Hub-Signature-256"], "; it looks for X-Hub-Signature-256"),
            (
                &["webhook-signature", "webhook-timestamp", "webhook-id"],
                "; it looks for webhook-signature, webhook-timestamp and webhook-id",
            ),
        ] {
            let headers: Vec<_> = headers.iter().copied().map(str::to_owned).collect();
            let said =
                format!("A header that the signature scheme needs is missing{sought} (missing_header)");
            assert_eq!(in_words("missing_header", &headers), said);
        }
    }
}
