//! Whether guests are told of the end: the setting Conversation Disconnect of the Messenger, which is off by default.

use genesys_client::{Deployment, Disconnect, FaultKind};

use super::super::{findings::Organisation, report::Check};

/// Where a person finds the setting.
const BY_HAND: &str = "look by hand: Admin > Message > Messenger Configurations > your configuration > Apps: Conversation \
                       Disconnect must be on, or guests are told nothing (it is off by default)";

/// Judges the setting of every deployment that serves guests; nothing where there is no token.
pub(super) fn judge(organisation: &Organisation) -> Option<Check> {
    Some(match organisation.deployments.as_ref()? {
        Ok(deployments) => of_deployments(deployments),
        Err(refused) => {
            let mut fix = BY_HAND.to_owned();
            if matches!(refused.kind, FaultKind::Forbidden { .. }) {
                fix.push_str(
                    "\nor let this check see it: add webDeployments > deployment > view to the client's role",
                );
            }
            Check::not_checked(
                "messenger",
                format!("Whether guests are told of the end could not be read: {refused}."),
                fix,
            )
        }
    })
}

fn of_deployments(deployments: &[Deployment]) -> Check {
    let serving: Vec<_> = deployments
        .iter()
        .filter(|deployment| deployment.status.as_deref().is_none_or(|status| status == "Active"))
        .collect();
    let with = |wanted: &[Disconnect]| {
        let fitting = serving.iter().filter(|deployment| wanted.contains(&deployment.disconnect));
        fitting.map(|deployment| &*deployment.name).collect::<Vec<_>>()
    };
    let (off, untold) = (with(&[Disconnect::Off]), with(&[Disconnect::Untold]));
    if serving.is_empty() {
        return Check::not_checked(
            "messenger",
            "There is no active Messenger deployment whose setting could be read.",
            "nothing is to be done where guests come by other channels than Messenger",
        );
    }
    if !off.is_empty() {
        return Check::warning(
            "messenger",
            format!(
                "Conversation Disconnect is off in {}: guests there are told nothing of the end.",
                off.join(", ")
            ),
            "Admin > Message > Messenger Configurations > its configuration > Apps: switch Conversation Disconnect on (Send \
             lets guests write on, Read Only does not), publish it, and save the deployment with the new version",
        );
    }
    if !untold.is_empty() {
        let what = format!("Genesys did not tell the setting of {}.", untold.join(", "));
        return Check::not_checked("messenger", what, BY_HAND);
    }
    let on = with(&[Disconnect::Send, Disconnect::ReadOnly]);
    Check::ok(
        "messenger",
        format!("Conversation Disconnect is on in {}: guests are told of the end.", on.join(", ")),
    )
}
