//! `closeout audit`: what operators did.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::look;
use crate::{
    client::{Api, plain},
    exit::{Exit, Failure},
    output::{self, Column, Voice, pairs},
};

const ACTS: [Column; 11] = [
    Column::time("AT", "at"),
    Column::text("BY", "by"),
    Column::text("ACT", "action"),
    Column::text("TO", "subject"),
    Column::state("OUTCOME", "outcome"),
    Column::text("BEFORE", "before.state"),
    Column::text("AFTER", "after.state"),
    Column::text("WHY", "why"),
    Column::text("CODE", "code").when_wide(),
    Column::text("ORGANISATION", "organisation").when_wide(),
    Column::text("ID", "id").when_wide(),
];

/// Which acts, with or without the word `list`.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  closeout audit --since 24h
  closeout audit list --since 24h
  closeout audit --subject cl_01jd5w3k9m2q8r7tb4x0y6z1ne -o wide
  closeout audit --action closure.force,closure.resolve --by ann --limit 0 -o csv

Outcomes:
  done     it was done
  refused  it was not: CODE says why
  unknown  it is under way, or the service died meanwhile: closeout timeline of the closure tells which

Acts are kept for store.retention. `before` and `after` hold more than the state: -o json shows all."
)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    #[command(flatten)]
    which: Which,
}

/// What to do with the audit.
#[derive(Debug, Clone, Subcommand)]
enum AuditCommand {
    /// List what operators did, the latest first; the same as without this word
    #[command(
        after_help = "Examples:\n  closeout audit list --since 24h\n  closeout audit list --action closure.force,closure.resolve --by ann --limit 0 -o csv"
    )]
    List(Which),
}

/// Which acts.
#[derive(Debug, Clone, Args)]
struct Which {
    /// By these keys; several with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    by: Vec<String>,
    /// These acts, such as closure.force; several with commas
    #[arg(long, value_name = "ACT", value_delimiter = ',')]
    action: Vec<String>,
    /// To these: ids of closures, batches, deliveries and dead letters, names of sources and organisations; of a closure also
    /// what was done to batches that acted on it
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    subject: Vec<String>,
    /// Of this organisation
    #[arg(long, value_name = "NAME")]
    organisation: Option<String>,
    /// Asked for at or after this time, or this long ago (24h)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Asked for before this time, or this long ago
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many; 0 for all
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

impl AuditArgs {
    fn which(&self) -> &Which {
        match &self.command {
            Some(AuditCommand::List(which)) => which,
            None => &self.which,
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the server refuses or does not answer.
pub async fn run(args: &AuditArgs, api: &Api, voice: &Voice) -> Result<Exit, Failure> {
    let args = args.which();
    let lists = [("by", &args.by), ("action", &args.action), ("subject", &args.subject)];
    let mut query: Vec<(String, String)> = Vec::new();
    for (name, values) in lists {
        query.extend(values.iter().map(|value| (name.to_owned(), value.clone())));
    }
    for (name, value) in
        [("organisation", &args.organisation), ("since", &args.since), ("until", &args.until)]
    {
        query.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
    }
    let (items, more) = look::pages(api, "/v1/audit", &query, args.limit).await?;
    if items.is_empty() {
        voice.note("no act matches");
    }
    output::write_items(&ACTS, &items, false, voice, details)?;
    if more {
        voice.note("there are more; --limit 0 shows all, or narrow with --since, --by, --action, --subject");
    }
    Ok(Exit::Done)
}

/// One act as names and values.
fn details(one: &Value, voice: &Voice) -> String {
    let rows = [
        ("act", plain(&one["action"])),
        ("to", plain(&one["subject"])),
        ("by", plain(&one["by"])),
        ("at", voice.style.time(&plain(&one["at"]))),
        ("why", plain(&one["why"])),
        ("outcome", plain(&one["outcome"])),
    ];
    pairs(&rows, voice.style)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        audit: AuditArgs,
    }

    #[test]
    fn the_word_list_may_be_said_and_left_out() {
        let read = |words: &[&str]| Line::try_parse_from([&["audit"], words].concat());
        for words in [&["--by", "ann", "--limit", "7"][..], &["list", "--by", "ann", "--limit", "7"]] {
            let line = read(words).ok().unwrap();
            let which = line.audit.which();
            assert_eq!((which.by.as_slice(), which.limit), (["ann".to_owned()].as_slice(), 7), "{words:?}");
        }
        assert_eq!(read(&[]).ok().unwrap().audit.which().limit, 50);
        assert!(read(&["--by", "ann", "list"]).is_err(), "it would be left out of account");
        assert!(read(&["show"]).is_err());
    }
}
