//! Whether people can log in to the console by their provider.

use console_oidc::{Believed, Standing};

use super::super::{
    findings::SignOn,
    report::{Check, Fault},
};

/// What a log-in needs on its way is sealed by a key that follows from the client's secret (ADR 30). So many random letters cannot be tried
/// out by whoever has seen one sealed log-in.
const SHORTEST_SECRET: usize = 22;

/// Judges the provider.
pub(super) fn judge(sign_on: &SignOn) -> Vec<Check> {
    let SignOn { issuer, back, secret_length, standing } = sign_on;
    let mut checks = Vec::new();
    match standing {
        None => checks.push(Check::not_checked(
            "sign-on",
            format!("{issuer} was not asked."),
            "run `closeout doctor --online`",
        )),
        Some(Err(why)) => checks.push(Check::wrong(
            "sign-on",
            Fault::Unreachable,
            format!("Nobody can log in by {issuer}: {}.", why.trim_end_matches('.')),
            "see that console.oidc.issuer is what the provider calls itself, and that this machine reaches it",
        )),
        Some(Ok(standing)) => checks.extend(of_standing(issuer, back, standing)),
    }
    if *secret_length < SHORTEST_SECRET {
        checks.push(Check::warning(
            "sign-on",
            format!("The client's secret has {secret_length} signs: whoever sees a log-in on its way could guess it."),
            "have the provider make a longer one, as 32 random letters",
        ));
    }
    checks
}

fn of_standing(issuer: &str, back: &str, standing: &Standing) -> Vec<Check> {
    let Standing { keys, client, ends_sessions } = standing;
    let mut checks = Vec::new();
    if *keys == 0 {
        checks.push(Check::wrong(
            "sign-on",
            Fault::Machine,
            format!("{issuer} publishes no key by which a token could be proven."),
            "have the provider sign ID tokens by RS256 or ES256, and publish the key at its jwks_uri",
        ));
    }
    checks.push(match client {
        Believed::Yes => Check::ok(
            "sign-on",
            format!(
                "{issuer} knows this service as its client, and publishes {keys} key(s). It has to have {back} registered, which only \
                 a log-in shows{}.",
                if *ends_sessions { "" } else { "; it has no address at which a log-out ends its own session" }
            ),
        ),
        Believed::No(words) => Check::wrong(
            "sign-on",
            Fault::Access,
            format!("{issuer} does not take this service for its client: {words}."),
            "copy client_id and client_secret of [console.oidc] from the provider, where the client has to be a confidential one",
        ),
        Believed::Unknown(words) => Check::not_checked(
            "sign-on",
            format!("Whether {issuer} takes this service for its client cannot be told by its answer: {words}."),
            "log in once by the button of the console; what goes wrong stands in the log",
        ),
    });
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    fn judged(standing: Option<Result<Standing, String>>) -> Vec<Verdict> {
        let (issuer, back) = ("https://id.example", "https://closeout.example/console/login/oidc/back");
        let sign_on =
            SignOn { issuer: issuer.to_owned(), back: back.to_owned(), secret_length: 40, standing };
        let checks = judge(&sign_on);
        for check in &checks {
            assert!(check.what.ends_with('.') && check.what.contains(issuer), "{check:?}");
            assert_eq!(check.fix.is_some(), check.verdict != Verdict::Ok, "{check:?}");
        }
        checks.into_iter().map(|check| check.verdict).collect()
    }

    fn standing(keys: usize, client: Believed) -> Option<Result<Standing, String>> {
        Some(Ok(Standing { keys, client, ends_sessions: true }))
    }

    #[test]
    fn a_provider_is_judged_by_its_keys_and_by_whether_it_knows_the_client() {
        assert_eq!(judged(None), [Verdict::NotChecked]);
        assert_eq!(judged(Some(Err("away".to_owned()))), [Verdict::Wrong(Fault::Unreachable)]);
        assert_eq!(judged(standing(2, Believed::Yes)), [Verdict::Ok]);
        let no = Believed::No("401 invalid_client".to_owned());
        assert_eq!(judged(standing(1, no)), [Verdict::Wrong(Fault::Access)]);
        assert_eq!(judged(standing(1, Believed::Unknown("500".to_owned()))), [Verdict::NotChecked]);
        assert_eq!(judged(standing(0, Believed::Yes)), [Verdict::Wrong(Fault::Machine), Verdict::Ok]);
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_a_warning() {
        let of = |secret_length| {
            let sign_on = SignOn {
                issuer: "https://id.example".to_owned(),
                back: String::new(),
                secret_length,
                standing: standing(1, Believed::Yes),
            };
            judge(&sign_on).last().unwrap().verdict
        };
        assert_eq!((of(21), of(22)), (Verdict::Warning, Verdict::Ok));
    }
}
