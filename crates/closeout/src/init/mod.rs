//! `closeout init`: writes what other systems need, so that they work with Closeout.
//!
//! ```text
//!  options ─► Wanted ─► kit (pure: texts with blanks filled in) ─► files, or stdout
//! ```

mod kit;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use self::kit::{Evidence, Verify, Wanted};
use crate::{
    exit::{Exit, Failure},
    output::{self, Voice},
    permissions::Act,
};

/// For which system to write.
#[derive(Debug, Clone, Subcommand)]
pub enum InitCommand {
    /// Terraform for Genesys Cloud: role, OAuth client, and the way by which events come
    Genesys(GenesysArgs),
}

const HELP: &str = "Examples:
  closeout init genesys                                      read it first: everything goes to stdout
  closeout init genesys --out genesys --evidence sqs
  closeout init genesys --out genesys --may force,wrap-up-name,scan --evidence webhook,sqs
  closeout init genesys --evidence none -o json | jq -r '.files[].name'

Written are files of Terraform for the provider mypurecloud/genesyscloud, and for hashicorp/aws with --evidence sqs:
  access.tf               the role with exactly the permissions that closing and --may need, and the OAuth client
  webhook.tf              trigger, data action and key of --evidence webhook, with closeout_workflow.yaml between them
  eventbridge.tf          integration, event bus, rule and queues of --evidence sqs
  versions.tf             the providers

Nothing is asked of Genesys and no secret is written: Terraform asks for the key of the webhook, and hides it. Outputs \
of Terraform say what belongs into closeout.toml. docs/setup-genesys.md goes through it step by step, and says what was not \
tried on a real organisation.";

/// What the service will do, and where to write.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct GenesysArgs {
    /// The ways by which events come, several with commas; none for reading back alone, or for the notification
    /// WebSocket, which needs nothing but the client
    #[arg(long, value_enum, value_delimiter = ',', default_value = "webhook", value_name = "WAYS")]
    evidence: Vec<Evidence>,
    /// What the service may do beyond closing sessions by their ids, several with commas; the role gets what it needs
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ACTS")]
    may: Vec<Act>,
    /// The name of the webhook: events are posted to /hooks/NAME
    #[arg(long, value_name = "NAME", default_value = "genesys", value_parser = hook_name)]
    hook: String,
    /// How the data action proves itself to the webhook
    #[arg(long, value_enum, default_value_t)]
    verify: Verify,
    /// What things are called in Genesys Cloud and AWS
    #[arg(long, value_name = "TEXT", default_value = "Closeout", value_parser = display_name)]
    name: String,
    /// Write files into this folder, in place of stdout
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Overwrite files that are there
    #[arg(long, requires = "out")]
    force: bool,
}

fn hook_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        true => Ok(text.to_owned()),
        false => Err("the name of a hook has small letters, digits and - only, 64 at most".to_owned()),
    }
}

fn display_name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'_');
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    match begins && text.len() <= 48 && !text.ends_with(' ') && text.bytes().all(allowed) {
        true => Ok(text.to_owned()),
        false => {
            Err("it begins with a letter and has letters, digits, spaces, - and _ only, 48 at most"
                .to_owned())
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the ways contradict each other, a file is there already, or one cannot be written.
pub fn run(command: &InitCommand, voice: &Voice) -> Result<Exit, Failure> {
    match command {
        InitCommand::Genesys(args) => genesys(args, voice),
    }
}

fn genesys(args: &GenesysArgs, voice: &Voice) -> Result<Exit, Failure> {
    if args.evidence.contains(&Evidence::None) && args.evidence.len() > 1 {
        return Err(Failure::usage("--evidence none stands alone: it says that no events come"));
    }
    output::no_rows(voice, "a kit")?;
    let files = kit::files(&Wanted {
        acts: &args.may,
        evidence: &args.evidence,
        hook: &args.hook,
        verify: args.verify,
        name: &args.name,
    });
    match &args.out {
        Some(folder) => {
            write::into(folder, &files, args.force)?;
            write::tell(folder, &files, voice)?;
        }
        None => write::to_stdout(&files, voice)?,
    }
    Ok(Exit::Done)
}
