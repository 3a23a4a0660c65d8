//! How the service stands, in the one line that a service manager shows to people.

use orchestrator::OrganisationStatus;

use super::notify::Checked;

/// Open closures, what holds them up, and whether the store can commit.
pub(super) fn line(organisations: &[OrganisationStatus], store: Checked) -> String {
    let store = match store {
        Checked::Good => "",
        Checked::Refused => "; THE STORE CANNOT COMMIT, so no work is taken",
        Checked::NoAnswer => "; THE STORE DOES NOT ANSWER",
    };
    let each: Vec<_> = organisations.iter().map(organisation).collect();
    format!("{}{store}", each.join("; "))
}

fn organisation(status: &OrganisationStatus) -> String {
    let plural = if status.open == 1 { "" } else { "s" };
    let queued = if status.ready > 0 { format!(", {} wait to call", status.ready) } else { String::new() };
    let held = match (status.paused, status.blocked_until.is_some()) {
        (true, _) => ", calls are paused by an operator",
        (false, true) => ", REFUSED BY GENESYS (credential or permission)",
        (false, false) => "",
    };
    format!("{}: {} open closure{plural}{queued}{held}", status.name, status.open)
}

#[cfg(test)]
mod tests {
    use genesys_types::Time;

    use super::*;

    fn status(open: usize, ready: usize, blocked: bool, paused: bool) -> OrganisationStatus {
        OrganisationStatus {
            name: "main".parse().unwrap(),
            open,
            ready,
            blocked_until: blocked.then(|| Time::from_millis(1)),
            paused,
            reads_alone_until: None,
        }
    }

    #[test]
    fn what_holds_closures_up_stands_in_the_line() {
        for (status, checked, said) in [
            (status(1, 0, false, false), Checked::Good, "main: 1 open closure"),
            (status(12, 3, false, false), Checked::Good, "main: 12 open closures, 3 wait to call"),
            (
                status(2, 2, true, false),
                Checked::Good,
                "main: 2 open closures, 2 wait to call, REFUSED BY GENESYS (credential or permission)",
            ),
            (
                status(0, 0, true, true),
                Checked::Refused,
                "main: 0 open closures, calls are paused by an operator; THE STORE CANNOT COMMIT, so no work is taken",
            ),
            (
                status(1, 0, false, false),
                Checked::NoAnswer,
                "main: 1 open closure; THE STORE DOES NOT ANSWER",
            ),
        ] {
            assert_eq!(line(&[status], checked), said);
        }
    }
}
