//! Whether a source of commands is there, may be looked at, is emptied, and is safely set.

use queue::{Fault as SourceFault, FaultKind};

use super::super::{
    findings::{Broker, Source},
    report::{Check, Fault},
};

/// From so many waiting messages on a backlog is worth a warning: a running service takes some hundred a second.
const BACKLOG: u64 = 1_000;

/// Judges a source: one check for how it stands, and one for each unsafe setting.
pub(super) fn judge(source: &Source) -> Vec<Check> {
    let Source { name, place, says } = source;
    let checks = match says {
        None => vec![Check::not_checked(
            "source",
            format!("{place} was not asked."),
            "run `closeout doctor --online`",
        )],
        Some(Ok(broker)) => of_broker(broker),
        Some(Err(fault)) => vec![of_fault(fault)],
    };
    checks.into_iter().map(|check| check.about(name)).collect()
}

fn of_broker(broker: &Broker) -> Vec<Check> {
    let standing = broker.standing;
    let what = format!("{} message(s) wait and {} are in hand.", standing.waiting, standing.in_hand);
    let stands = if standing.waiting >= BACKLOG {
        let fix =
            "see whether a service takes from it: `closeout sources list`, and closeout_source_faults_total";
        Check::warning("source", what, fix)
    } else {
        Check::ok("source", what)
    };
    let unsafe_ones = broker.warnings.iter().map(|warning| {
        let fix = warning.fix.trim_end_matches('.');
        Check::warning("source", format!("{}: {}", warning.setting, warning.detail), fix.to_owned())
    });
    std::iter::once(stands).chain(unsafe_ones).collect()
}

fn of_fault(fault: &SourceFault) -> Check {
    let whose = match fault.kind {
        FaultKind::Missing | FaultKind::Undeliverable | FaultKind::Other => Fault::Machine,
        FaultKind::Denied | FaultKind::Credentials => Fault::Access,
        FaultKind::Throttled | FaultKind::Unreachable => Fault::Unreachable,
    };
    let cause = fault.to_string();
    let what = format!("The source cannot be looked at: {}.", cause.trim_end_matches('.'));
    Check::wrong("source", whose, what, fault.fix)
}

#[cfg(test)]
mod tests {
    use queue::{Action, Standing, Warning};

    use super::*;
    use crate::doctor::report::Verdict;

    fn judged(says: Option<Result<Broker, SourceFault>>) -> Vec<Verdict> {
        let place = "CLOSURES of nats://127.0.0.1:4222".to_owned();
        let checks = judge(&Source { name: "orders".to_owned(), place, says });
        assert!(checks.iter().all(|check| check.what.ends_with('.')), "{checks:?}");
        checks.into_iter().map(|check| check.verdict).collect()
    }

    #[test]
    fn a_source_is_judged_by_how_it_stands_and_is_set() {
        let of = |waiting, warnings: usize| {
            let warning =
                Warning { setting: "max_deliver", detail: "It is 5.".to_owned(), fix: "Set it.".to_owned() };
            let standing = Standing { waiting, in_hand: 0 };
            judged(Some(Ok(Broker { standing, warnings: vec![warning; warnings] })))
        };
        assert_eq!(of(0, 0), [Verdict::Ok]);
        assert_eq!(of(999, 1), [Verdict::Ok, Verdict::Warning]);
        assert_eq!(of(1_000, 0), [Verdict::Warning]);
        assert_eq!(judged(None), [Verdict::NotChecked]);
    }

    #[test]
    fn what_keeps_a_source_from_being_looked_at_has_a_fix() {
        for (kind, whose) in [
            (FaultKind::Missing, Fault::Machine),
            (FaultKind::Credentials, Fault::Access),
            (FaultKind::Unreachable, Fault::Unreachable),
        ] {
            let fault = SourceFault {
                action: Action::Look,
                kind,
                cause: "as it says".to_owned(),
                fix: "do something",
            };
            assert_eq!(judged(Some(Err(fault))), [Verdict::Wrong(whose)]);
        }
    }
}
