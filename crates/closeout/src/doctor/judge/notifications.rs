//! Whether the topics of each notification socket can be had.

use genesys_client::{Fault as Refused, FaultKind, Refusal, Subscribed};

use super::super::{
    findings::Organisation,
    report::{Check, Fault},
};

/// How many refused topics are named.
const NAMED: usize = 5;

/// Judges every socket of the organisation; nothing where there is no token.
pub(super) fn judge(organisation: &Organisation) -> Vec<Check> {
    let judged = organisation.sockets.iter().map(|(name, answer)| {
        let check = match answer {
            Ok(subscribed) => of_topics(subscribed),
            Err(refused) => of_fault(refused),
        };
        check.about(name)
    });
    judged.collect()
}

fn of_topics(subscribed: &Subscribed) -> Check {
    let (permitted, refused) = (subscribed.permitted, &subscribed.refused);
    if refused.is_empty() {
        return Check::ok("socket", format!("All {permitted} topics can be had."));
    }
    let mut what = format!("{} of {} topics are refused:", refused.len(), permitted + refused.len());
    refused.iter().take(NAMED).for_each(|one| what.push_str(&format!("\n{}", words(one))));
    if refused.len() > NAMED {
        what.push_str(&format!("\nand {} more", refused.len() - NAMED));
    }
    let mut missing: Vec<_> = refused.iter().flat_map(|one| &one.missing_permissions).collect();
    missing.sort_unstable();
    missing.dedup();
    let fix = match missing.as_slice() {
        [] => "see that the queues' ids are right and that the client's role holds their division".to_owned(),
        some => {
            let some: Vec<_> =
                some.iter().map(|one| one.split(':').collect::<Vec<_>>().join(" > ")).collect();
            format!("add to the client's role: {}", some.join(", "))
        }
    };
    match permitted {
        0 => Check::wrong("socket", Fault::Access, what, fix),
        _ => Check::warning("socket", what, fix),
    }
}

fn words(refusal: &Refusal) -> String {
    match &refusal.reason {
        Some(reason) => format!("{}: {reason}", refusal.topic),
        None => refusal.topic.to_string(),
    }
}

fn of_fault(refused: &Refused) -> Check {
    let what =
        format!("No channel could be made, or subscribed: {}.", refused.to_string().trim_end_matches('.'));
    match refused.kind {
        FaultKind::Unauthenticated | FaultKind::Forbidden { .. } => Check::wrong(
            "socket",
            Fault::Access,
            what,
            "give the client a role that may use notifications, or take another kind of [[confirm]]",
        ),
        FaultKind::NotSent
        | FaultKind::OutcomeUnknown
        | FaultKind::RateLimited { .. }
        | FaultKind::NotFound
        | FaultKind::Conflict
        | FaultKind::WrapUpRequired
        | FaultKind::Server
        | FaultKind::Rejected => Check::wrong(
            "socket",
            Fault::Unreachable,
            what,
            "try again in a moment; 20 channels per client are kept, so see that no other program makes many",
        ),
    }
}
