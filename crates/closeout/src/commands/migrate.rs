//! `closeout store migrate`: everything from an SQLite file into an empty PostgreSQL database.

use std::{error::Error as _, io::IsTerminal as _, path::PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use store::Counts;
use store_postgres::{Address, Import, ImportError};
use store_sqlite::SqliteStore;

use crate::{
    cli::ConfigArgs,
    config::{FromCommandLine, Variables, layers, settings, settings::StorePlace},
    exit::{Exit, Failure},
    output::{self, Form, Voice},
};

/// Records in one piece, which is one transaction: some MiB at most, and well below what a statement may take.
const PIECE: usize = 1_000;

/// From where, and where to.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// The store as it is, sqlite:FILE
    #[arg(long, value_name = "URL")]
    from: String,
    /// The new one, postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    to: String,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the command.
///
/// # Errors
///
/// When one of the two cannot be opened or is in use, the new one holds a store, or either fails on the way.
pub(super) async fn run(args: &MigrateArgs, voice: &Voice) -> Result<Exit, Failure> {
    let (from, to) = args.places(&Variables::of_this_process())?;
    let opened = tokio::task::spawn_blocking({
        let from = from.clone();
        move || SqliteStore::open(from)
    });
    let opened = opened.await.map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    let store = opened.map_err(|error| {
        let cause = error.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
        Failure::usage(format!("the store {} cannot be opened: {error}{cause}", from.display()))
    })?;
    let copied = copy(&store, &to, voice).await?;
    voice.note(format_args!(
        "copied {} closures with {} lines of evidence, {} records in all; now set store.url to the new one",
        copied.rows,
        copied.lines,
        copied.all()
    ));
    let told = told(&to, &copied);
    output::write(&match voice.form {
        Form::Json => output::pretty(&told),
        Form::Ndjson => format!("{told}\n"),
        Form::Table | Form::Wide | Form::Csv | Form::Id => format!("{to}\n"),
    })?;
    Ok(Exit::Done)
}

async fn copy(store: &SqliteStore, to: &Address, voice: &Voice) -> Result<Counts, Failure> {
    let unreadable = |error: store::StoreUnavailable| {
        Failure::new(Exit::Unexpected, format!("nothing more is read: {error}"))
    };
    let refused = |error: ImportError| not_taken(&error, to);
    let all = store.counts().await.map_err(unreadable)?;
    let mut import = Import::begin(to).await.map_err(refused)?;
    let bar = bar(voice, all.all());
    let mut pieces = store.export(PIECE);
    while let Some(parcel) = pieces.next().await.map_err(unreadable)? {
        import.take(&parcel).await.map_err(refused)?;
        bar.inc(parcel.counts().all());
    }
    bar.finish_and_clear();
    import.finish().await.map_err(refused)
}

fn bar(voice: &Voice, records: u64) -> ProgressBar {
    if voice.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(records);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}% {elapsed} (about {eta} to go)") {
        bar.set_style(style);
    }
    bar
}

fn not_taken(error: &ImportError, to: &Address) -> Failure {
    let said = format!("nothing is migrated to {to}: {error}");
    match error {
        ImportError::Open(_) => {
            Failure::usage(said).fix("stop what uses it, and put right what is said of it")
        }
        ImportError::NotEmpty => {
            Failure::usage(said).fix("name another database, or another schema with ?schema=NAME")
        }
        ImportError::Unavailable(_) | ImportError::Differs { .. } => Failure::new(Exit::Unexpected, said),
    }
}

fn told(to: &Address, copied: &Counts) -> serde_json::Value {
    let Counts { rows, lines, inbox, keys, deliveries, batches, items, dead_letters, audit, quarantined } =
        copied;
    json!({
        "store": to.to_string(), "closures": rows, "lines": lines, "events": inbox, "keys": keys,
        "deliveries": deliveries, "batches": batches, "batchRows": items, "deadLetters": dead_letters, "acts": audit, "quarantined": quarantined,
    })
}

impl MigrateArgs {
    /// The file, which has to be there, and the database, with the password that the configuration has for it.
    fn places(&self, variables: &Variables) -> Result<(PathBuf, Address), Failure> {
        let from = match self.place("--from", &self.from, variables)? {
            StorePlace::Sqlite(path) if path.is_file() => path,
            StorePlace::Sqlite(path) => {
                return Err(Failure::usage(format!("there is no store {}", path.display())));
            }
            StorePlace::Postgres(_) | StorePlace::Memory => {
                return Err(Failure::usage("--from is not sqlite:FILE, the only store that can be migrated"));
            }
        };
        match self.place("--to", &self.to, variables)? {
            StorePlace::Postgres(address) => Ok((from, *address)),
            StorePlace::Sqlite(_) | StorePlace::Memory => {
                Err(Failure::usage("--to is not postgres://USER@HOST/DATABASE, the only store to migrate to"))
            }
        }
    }

    fn place(&self, flag: &'static str, url: &str, variables: &Variables) -> Result<StorePlace, Failure> {
        let mut from = FromCommandLine::from(&self.config);
        from.flags.push((flag, "store.url".to_owned(), url.to_owned()));
        let problems = |problems: Vec<crate::config::Problem>| Failure::of_problems(&problems);
        let layers = layers::gather(&from, variables).map_err(problems)?;
        settings::store_place(&layers, variables).map_err(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_is_migrated_and_only_to_a_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("closeout.db");
        std::fs::write(&path, "").unwrap();
        let file = format!("sqlite:{}", path.display());
        let places = |from: &str, to: &str| {
            let args =
                MigrateArgs { from: from.to_owned(), to: to.to_owned(), config: ConfigArgs::default() };
            args.places(&Variables::default())
        };
        let (from, to) = places(&file, "postgres://c@127.0.0.1/d").unwrap();
        assert_eq!((from, to.to_string()), (path, "postgres://127.0.0.1/d".to_owned()));
        for (from, to, said) in [
            ("sqlite:/nowhere/at/all.db", "postgres://c@127.0.0.1/d", "there is no store"),
            ("memory:", "postgres://c@127.0.0.1/d", "--from"),
            (file.as_str(), file.as_str(), "--to"),
            (file.as_str(), "postgres://c:planted@127.0.0.1/d", "holds a password"),
        ] {
            let failure = places(from, to).unwrap_err();
            assert!(
                failure.message.contains(said) && !failure.message.contains("planted"),
                "{}",
                failure.message
            );
        }
    }
}
