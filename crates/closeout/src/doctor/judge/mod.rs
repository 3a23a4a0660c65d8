//! From what was found to what is told: pure, one file for each subject.

mod access;
mod dialect;
mod events;
mod machine;
mod messenger;
mod notifications;
mod permissions;
mod problems;
mod queues;
mod reach;
mod sign_on;
mod sources;
mod wrap_up;

use super::{
    findings::{Findings, Online},
    report::{Check, Report},
};

/// Judges everything.
pub fn judge(findings: &Findings) -> Report {
    let mut checks = machine::judge(findings);
    checks.extend(events::judge(&findings.service, &findings.configuration));
    checks.extend(findings.configuration.speaks.iter().map(dialect::judge));
    checks.extend(findings.queues.iter().map(queues::judge));
    checks.extend(findings.sources.iter().flat_map(sources::judge));
    checks.extend(findings.sign_on.iter().flat_map(sign_on::judge));
    match &findings.online {
        Online::NotWanted => {}
        Online::NotPossible => checks.push(Check::not_checked(
            "genesys",
            "Genesys was not called, as the configuration cannot be used.",
            "put the configuration right first",
        )),
        Online::Asked(organisations) => {
            for organisation in organisations {
                let mut found = reach::judge(organisation);
                found.extend(access::judge(organisation));
                found.extend(permissions::judge(organisation));
                found.extend(wrap_up::judge(organisation));
                found.extend(notifications::judge(organisation));
                found.extend(messenger::judge(organisation));
                checks.extend(found.into_iter().map(|check| of_organisation(check, &organisation.name)));
            }
        }
    }
    Report(checks)
}

/// Says in front of what a check is about whose it is.
fn of_organisation(mut check: Check, name: &str) -> Check {
    check.about = format!("{name} {}", check.about).trim_end().to_owned();
    check
}

#[cfg(test)]
mod tests;
