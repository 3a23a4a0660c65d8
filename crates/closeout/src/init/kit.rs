//! The texts of the kit for Genesys Cloud, with the blanks filled in. Pure: the same wishes give the same bytes.
//!
//! The texts stand under `kit/` as people would write them; `@…@` is a blank. They follow the documentation of the providers, whose
//! versions `versions.tf` names.

use clap::ValueEnum;

use crate::permissions::{self, Act};

/// Whose documentation the texts follow. The minor version is that of August 2026.
const GENESYSCLOUD_VERSION: &str = "~> 1.86";

/// As above.
const AWS_VERSION: &str = "~> 6.0";

/// A way by which events come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Evidence {
    /// Trigger, workflow and data action of Genesys Cloud post to Closeout
    Webhook,
    /// Amazon EventBridge fills a queue of Amazon SQS that Closeout empties
    Sqs,
    /// No events: closures are read back, or the notification WebSocket is listened to
    None,
}

/// How the data action proves itself. It cannot sign, so these are static keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Verify {
    /// Authorization: Bearer KEY
    #[default]
    Bearer,
    /// X-Closeout-Key: KEY, where something in between takes Authorization for itself
    Header,
}

/// What the kit is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub acts: &'a [Act],
    pub evidence: &'a [Evidence],
    pub hook: &'a str,
    pub verify: Verify,
    pub name: &'a str,
}

/// A file of the kit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub name: &'static str,
    pub text: String,
}

/// The files, in the order in which they are read best.
pub(super) fn files(wanted: &Wanted<'_>) -> Vec<File> {
    let has = |way| wanted.evidence.contains(&way);
    let mut files = vec![
        File { name: "versions.tf", text: versions(has(Evidence::Sqs)) },
        File { name: "access.tf", text: access(wanted) },
    ];
    if has(Evidence::Webhook) {
        files.push(File { name: "webhook.tf", text: webhook(wanted) });
        files.push(File {
            name: "closeout_workflow.yaml",
            text: include_str!("kit/closeout_workflow.yaml").to_owned(),
        });
    }
    if has(Evidence::Sqs) {
        let text = include_str!("kit/eventbridge.tf");
        let slug = wanted.name.to_ascii_lowercase().replace([' ', '_'], "-");
        files.push(File {
            name: "eventbridge.tf",
            text: text.replace("@NAME@", wanted.name).replace("@SLUG@", &slug),
        });
    }
    files
}

fn versions(with_aws: bool) -> String {
    let mut text = format!(
        "# Made by closeout init genesys {}. Written for the documentation of the provider mypurecloud/genesyscloud 1.86\n\
         # (August 2026){}.\n\
         # Nothing of it was tried on a real organisation: read the plan before you apply it.\n\n\
         terraform {{\n  required_version = \">= 1.3\"\n\n  required_providers {{\n    genesyscloud = {{\n      source  = \
         \"mypurecloud/genesyscloud\"\n      version = \"{GENESYSCLOUD_VERSION}\"\n    }}\n",
        env!("CARGO_PKG_VERSION"),
        if with_aws { " and hashicorp/aws 6" } else { "" },
    );
    if with_aws {
        text += &format!(
            "    aws = {{\n      source  = \"hashicorp/aws\"\n      version = \"{AWS_VERSION}\"\n    }}\n"
        );
    }
    text += "  }\n}\n\n\
         # The client that Terraform itself uses, which needs administrator's rights: GENESYSCLOUD_OAUTHCLIENT_ID,\n\
         # GENESYSCLOUD_OAUTHCLIENT_SECRET and GENESYSCLOUD_REGION of the environment. It is not the one that Closeout gets.\n\
         provider \"genesyscloud\" {}\n";
    text
}

fn access(wanted: &Wanted<'_>) -> String {
    let acts: Vec<String> = wanted
        .acts
        .iter()
        .filter_map(|act| act.to_possible_value())
        .map(|value| value.get_name().to_owned())
        .collect();
    let acts = if acts.is_empty() {
        "It may close sessions by their ids, and nothing else.".to_owned()
    } else {
        format!("It may close sessions by their ids, and: {}.", acts.join(", "))
    };
    include_str!("kit/access.tf")
        .replace("@ACTS@", &acts)
        .replace("@NAME@", wanted.name)
        .replace("@POLICIES@", &policies(&permissions::of_role(wanted.acts)))
}

/// A block for each `domain:entity`, with its actions.
fn policies(permissions: &[&str]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for permission in permissions {
        let Some((entity, action)) = permission.rsplit_once(':') else { continue };
        match groups.iter_mut().find(|(known, _)| *known == entity) {
            Some((_, actions)) => actions.push(action),
            None => groups.push((entity, vec![action])),
        }
    }
    let blocks: Vec<String> = groups
        .iter()
        .filter_map(|(entity, actions)| {
            let (domain, entity) = entity.split_once(':')?;
            let actions: Vec<String> = actions.iter().map(|action| format!("\"{action}\"")).collect();
            Some(format!(
                "  permission_policies {{\n    domain      = \"{domain}\"\n    entity_name = \"{entity}\"\n    action_set  = \
                 [{}]\n  }}\n",
                actions.join(", ")
            ))
        })
        .collect();
    blocks.join("\n")
}

fn webhook(wanted: &Wanted<'_>) -> String {
    // `$${` is Terraform's way to write `${`, which the data action fills in.
    let (scheme, header, value, setting) = match wanted.verify {
        Verify::Bearer => ("bearer", "Authorization", "Bearer $${credentials.key}", ""),
        Verify::Header => {
            ("header", "X-Closeout-Key", "$${credentials.key}", "    header = \"X-Closeout-Key\"\n")
        }
    };
    let widest = header.len().max("Content-Type".len()) + 2;
    let line = |name: &str, value: &str| format!("      {:<widest$} = \"{value}\"\n", format!("\"{name}\""));
    let headers = line("Content-Type", "application/json") + &line(header, value);
    include_str!("kit/webhook.tf")
        .replace("@HEADERS@", &headers)
        .replace("@VERIFY_HEADER@", setting)
        .replace("@VERIFY@", scheme)
        .replace("@HOOK@", wanted.hook)
        .replace("@NAME@", wanted.name)
}
