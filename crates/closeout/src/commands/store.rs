//! `closeout store`: care for where the service keeps its state. The service is not asked.

use std::{
    error::Error as _,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use store_sqlite::{BackupError, BackupProgress, backup_file};

use super::migrate::{self, MigrateArgs};
use crate::{
    cli::ConfigArgs,
    config::{FromCommandLine, Variables, layers, settings, settings::StorePlace},
    exit::{Exit, Failure},
    output::{self, Form, Voice},
};

/// From how many pages on progress is shown: 4,096 pages of 4 KiB are 16 MiB, a matter of seconds on a slow disk.
const BAR_FROM_PAGES: u64 = 4_096;

/// What to do with the store.
#[derive(Debug, Clone, Subcommand)]
pub enum StoreCommand {
    /// Copy the store to a new file, also while the service runs
    #[command(after_help = "Examples:
  closeout store backup --to /backup/closeout-2026-11-21.db
  closeout store backup --config /etc/closeout/closeout.toml --to /backup/closeout.db
  closeout store backup --store sqlite:/var/lib/closeout/closeout.db --to copy.db -o json

The copy is the store at one moment: all that was answered before the command began, and nothing half \
done. It appears under its name when it is whole; until then it is called FILE.partial, which the next \
run replaces. A file that is there is never overwritten. To restore, stop the service, put the copy in \
the place of store.url, remove the files of that name that end in -wal and -shm, and start it again.")]
    Backup(BackupArgs),
    /// Copy everything from an SQLite file into an empty PostgreSQL database; the service has to stand still
    #[command(after_help = "Examples:
  closeout store migrate --from sqlite:/var/lib/closeout/closeout.db --to postgres://closeout@db.example/closeout

The password comes from store.password of the configuration, or from PGPASSWORD. Closures, evidence, keys, \
events, deliveries and batches are copied in pieces, each in one transaction, and counted at the end; until \
then no service opens the database. After an interruption run it again: it begins anew. A database that holds \
a store already is refused. The file is left as it is, but brought up to this version; then set store.url.")]
    Migrate(MigrateArgs),
}

/// From where, and where to.
#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// The new file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    to: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
    /// sqlite:FILE, in place of store.url
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// Runs the command.
///
/// # Errors
///
/// When there is no store to copy, there is one already where the copy is to be, or the copy cannot be written.
pub async fn run(command: &StoreCommand, voice: &Voice) -> Result<Exit, Failure> {
    match command {
        StoreCommand::Backup(args) => backup(args, voice).await,
        StoreCommand::Migrate(args) => migrate::run(args, voice).await,
    }
}

async fn backup(args: &BackupArgs, voice: &Voice) -> Result<Exit, Failure> {
    let from = args.database(&Variables::of_this_process())?;
    let to = args.to.clone();
    let quiet = voice.quiet || !std::io::stderr().is_terminal();
    let copied = tokio::task::spawn_blocking({
        let (from, to) = (from.clone(), to.clone());
        move || {
            let mut shown = Shown { quiet, bar: None };
            let copied = backup_file(&from, &to, |progress| shown.show(progress));
            shown.clear();
            copied
        }
    });
    let copied = copied.await.map_err(|error| Failure::new(Exit::Unexpected, error.to_string()))?;
    copied.map_err(|error| not_copied(&error, &from))?;
    let bytes = std::fs::metadata(&to)?.len();
    voice.note(format_args!("copied {} to {} ({bytes} bytes)", from.display(), to.display()));
    let told = json!({ "store": from, "backup": to, "bytes": bytes });
    output::write(&match voice.form {
        Form::Json => output::pretty(&told),
        Form::Ndjson => format!("{told}\n"),
        Form::Table | Form::Wide | Form::Csv | Form::Id => format!("{}\n", to.display()),
    })?;
    Ok(Exit::Done)
}

impl BackupArgs {
    /// The file of the store that the configuration, or a flag, names. It has to be there.
    fn database(&self, variables: &Variables) -> Result<PathBuf, Failure> {
        let mut from = FromCommandLine::from(&self.config);
        from.flags.extend(self.store.iter().map(|url| ("--store", "store.url".to_owned(), url.clone())));
        let problems = |problems: Vec<crate::config::Problem>| Failure::of_problems(&problems);
        let layers = layers::gather(&from, variables).map_err(problems)?;
        match settings::store_place(&layers, variables).map_err(problems)? {
            StorePlace::Postgres(address) => Err(Failure::usage(format!(
                "the store {address} is a database, which PostgreSQL's own tools copy, also while the service runs"
            ))
            .fix("pg_dump --schema=closeout --format=custom --file=closeout.dump, or a base backup with the archived log")),
            StorePlace::Memory => Err(Failure::usage("the store is memory:, of which no copy can be made")
                .fix("keep the state in a file: store.url = \"sqlite:FILE\"")),
            StorePlace::Sqlite(path) if path.is_file() => Ok(path),
            StorePlace::Sqlite(path) => Err(Failure::usage(format!("there is no store {}", path.display()))
                .fix("name it with --config FILE or --store sqlite:FILE")),
        }
    }
}

fn not_copied(error: &BackupError, from: &Path) -> Failure {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    match error {
        BackupError::NoStore(_) => {
            Failure::usage(format!("the store {} cannot be copied: {error}{cause}", from.display()))
                .fix("name the file of the service's store.url with --config FILE or --store sqlite:FILE")
        }
        BackupError::Exists(_) => Failure::usage(error.to_string()),
        BackupError::File(_) | BackupError::Sqlite(_) | BackupError::Unavailable(_) => {
            Failure::new(Exit::Unexpected, format!("{} was not copied: {error}{cause}", from.display()))
                .fix("look whether the folder of --to is there, can be written, and has room")
        }
    }
}

/// The bar, once it is known that there is much to copy.
struct Shown {
    quiet: bool,
    bar: Option<ProgressBar>,
}

impl Shown {
    fn show(&mut self, progress: BackupProgress) {
        if self.quiet || progress.pages < BAR_FROM_PAGES {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(progress.pages);
            if let Ok(style) =
                ProgressStyle::with_template("{bar:40} {percent}% {elapsed} (about {eta} to go)")
            {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(progress.copied_pages);
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(store: Option<&str>) -> BackupArgs {
        BackupArgs {
            to: PathBuf::from("copy.db"),
            config: ConfigArgs::default(),
            store: store.map(str::to_owned),
        }
    }

    #[test]
    fn only_a_store_that_is_a_file_can_be_copied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("closeout.db");
        let url = format!("sqlite:{}", path.display());
        let missing = args(Some(&url)).database(&Variables::default()).unwrap_err();
        assert!(missing.message.contains("there is no store"), "{}", missing.message);
        std::fs::write(&path, "").unwrap();
        assert_eq!(args(Some(&url)).database(&Variables::default()).unwrap(), path);
        let memory = args(Some("memory:")).database(&Variables::default()).unwrap_err();
        assert_eq!((memory.exit, memory.message.contains("memory:")), (Exit::Usage, true));
    }

    #[test]
    fn a_small_store_shows_no_bar_and_a_quiet_one_never() {
        for (quiet, pages, bar) in
            [(false, 10, false), (false, BAR_FROM_PAGES, true), (true, BAR_FROM_PAGES, false)]
        {
            let mut shown = Shown { quiet, bar: None };
            shown.show(BackupProgress { copied_pages: 1, pages });
            shown.clear();
            assert_eq!(shown.bar.is_some(), bar, "{quiet} {pages}");
        }
    }
}
