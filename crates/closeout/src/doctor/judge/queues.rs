//! Whether a queue is there, may be looked at, and is emptied.

use evidence_sqs::{Fault as QueueFault, FaultKind, Redrive, Standing};

use super::super::{
    findings::Queue,
    report::{Check, Fault},
};

/// From so many waiting messages on a backlog is worth a warning: a running service takes some hundred a second.
const BACKLOG: u64 = 1_000;

/// Judges a queue.
pub(super) fn judge(queue: &Queue) -> Check {
    let Queue { name, url, standing } = queue;
    let check = match standing {
        None => {
            Check::not_checked("queue", format!("{url} was not asked."), "run `closeout doctor --online`")
        }
        Some(Ok(standing)) => of_standing(*standing),
        Some(Err(fault)) => of_fault(fault),
    };
    check.about(name)
}

fn of_standing(standing: Standing) -> Check {
    let Standing { waiting, in_flight, redrive } = standing;
    let dead = match redrive {
        Redrive::Never => "it keeps no dead letters".to_owned(),
        Redrive::After(times) => {
            format!("it moves a message to its dead-letter queue after {times} receives")
        }
    };
    let what = format!("{waiting} message(s) wait and {in_flight} are in hand; {dead}.");
    match redrive {
        _ if waiting >= BACKLOG => Check::warning(
            "queue",
            what,
            "see whether a service takes from it: its log, and closeout_queue_faults_total",
        ),
        Redrive::After(1) => Check::warning(
            "queue",
            what,
            "set maxReceiveCount to 3 or more: a store that is away for a moment would cost evidence",
        ),
        Redrive::Never | Redrive::After(_) => Check::ok("queue", what),
    }
}

fn of_fault(fault: &QueueFault) -> Check {
    let whose = match fault.kind {
        FaultKind::NoQueue | FaultKind::Other => Fault::Machine,
        FaultKind::Denied | FaultKind::Credentials => Fault::Access,
        FaultKind::Throttled | FaultKind::Unreachable => Fault::Unreachable,
    };
    let cause = fault.to_string();
    let what = format!("The queue cannot be looked at: {}.", cause.trim_end_matches('.'));
    Check::wrong("queue", whose, what, fault.fix())
}

#[cfg(test)]
mod tests {
    use evidence_sqs::Action;

    use super::*;
    use crate::doctor::report::Verdict;

    fn judged(standing: Option<Result<Standing, QueueFault>>) -> Check {
        let url = "https://sqs.eu-central-1.amazonaws.com/123456789012/events".to_owned();
        judge(&Queue { name: "eventbridge".to_owned(), url, standing })
    }

    #[test]
    fn a_queue_is_judged_by_how_it_stands() {
        let of = |waiting, redrive| judged(Some(Ok(Standing { waiting, in_flight: 0, redrive }))).verdict;
        assert_eq!(of(0, Redrive::Never), Verdict::Ok);
        assert_eq!(of(999, Redrive::After(3)), Verdict::Ok);
        assert_eq!(of(1_000, Redrive::After(3)), Verdict::Warning);
        assert_eq!(of(0, Redrive::After(1)), Verdict::Warning);
        assert_eq!(judged(None).verdict, Verdict::NotChecked);
    }

    #[test]
    fn what_keeps_a_queue_from_being_looked_at_has_a_fix() {
        let of = |kind| {
            let fault = QueueFault { action: Action::Look, kind, cause: "as it says".to_owned() };
            let check = judged(Some(Err(fault)));
            assert!(check.fix.is_some() && check.what.ends_with('.'), "{check:?}");
            (check.verdict, check.fix.unwrap())
        };
        let (verdict, fix) = of(FaultKind::Denied);
        assert_eq!(verdict, Verdict::Wrong(Fault::Access));
        assert!(fix.contains("sqs:GetQueueAttributes"), "{fix}");
        assert_eq!(of(FaultKind::NoQueue).0, Verdict::Wrong(Fault::Machine));
        assert_eq!(of(FaultKind::Unreachable).0, Verdict::Wrong(Fault::Unreachable));
        assert_eq!(of(FaultKind::Credentials).0, Verdict::Wrong(Fault::Access));
    }
}
