//! `closeout config`: writes, checks and shows the configuration.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueHint};
use genesys_types::Organisation;
use serde_json::{Map, Value, json};

use crate::{
    cli::ConfigArgs,
    config::{self, FromCommandLine, Layers, Settings, Variables, layers, reference, tokens},
    exit::{Exit, Failure},
    output::{self, Column, Form, Listing, Voice},
};

/// What to do with the configuration.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Write a commented configuration and a file with a fresh key
    #[command(
        after_help = "Examples:\n  closeout config init\n  closeout config init --folder /etc/closeout\n\nThe key is printed once, on stdout; the file holds its SHA-256 only. Nothing is overwritten."
    )]
    Init(InitArgs),
    /// Check it, and say everything that is wrong with it
    #[command(
        after_help = "Examples:\n  closeout config check\n  closeout config check --config /etc/closeout/closeout.toml"
    )]
    Check(ConfigArgs),
    /// Show every setting, secrets masked
    #[command(after_help = "Examples:\n  closeout config show --origin\n  closeout config show -o json")]
    Show(ShowArgs),
    /// Make a further key and print its entry for tokens.toml
    #[command(
        after_help = "Example:\n  closeout config new-key --name checkout-service --role submit >> tokens.toml\n\nThe key itself goes to stderr, once. The service reads tokens.toml when it starts and on SIGHUP: the key is valid then.\n\nRoles: submit requests closures and follows them by their id; read looks at everything but the configuration; operate does both, and retry, cancel, verify, force, resolve and outgoing; admin may do everything."
    )]
    NewKey(KeyArgs),
}

/// Where to write.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Folder for closeout.toml and tokens.toml
    #[arg(long, default_value = ".", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
}

/// What to show.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where each value came from
    #[arg(long)]
    origin: bool,
}

/// Whose key.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// Name of its holder
    #[arg(long)]
    name: String,
    /// What it may do
    #[arg(long, value_parser = tokens::ROLES)]
    role: String,
    /// For which organisation; may be given several times
    #[arg(long, value_name = "NAME", default_value = layers::DEFAULT_ORGANISATION)]
    organisation: Vec<Organisation>,
}

impl From<&ConfigArgs> for FromCommandLine {
    fn from(args: &ConfigArgs) -> Self {
        let flags = args.set.iter().map(|(key, value)| ("--set", key.clone(), value.clone())).collect();
        Self { file: args.config.clone(), flags }
    }
}

/// Runs the command.
///
/// # Errors
///
/// When the configuration cannot be used, or a file is there already.
pub fn run(command: &ConfigCommand, voice: &Voice) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Init(args) => init(args, voice),
        ConfigCommand::Check(args) => check(args, voice),
        ConfigCommand::Show(args) => show(args, voice),
        ConfigCommand::NewKey(args) => new_key(args, voice),
    }
}

fn init(args: &InitArgs, voice: &Voice) -> Result<Exit, Failure> {
    let Written { file, keys, key } = write_both(&args.folder)?;
    voice.note(format_args!("wrote {} and {}", file.display(), keys.display()));
    voice.note("this key may do everything; it is shown this once:");
    let text = match voice.form {
        Form::Json => output::pretty(&json!({ "config": file, "tokens": keys, "key": key })),
        Form::Ndjson => format!("{}\n", json!({ "config": file, "tokens": keys, "key": key })),
        Form::Table | Form::Wide | Form::Csv | Form::Id => format!("{key}\n"),
    };
    output::write(&text)?;
    voice.note(format_args!(
        "next: set genesys.main.region in {}, export GENESYSCLOUD_OAUTHCLIENT_ID and \
         GENESYSCLOUD_OAUTHCLIENT_SECRET, and run\n  closeout config check --config {config}\n  closeout serve --config \
         {config}\nand in another terminal, with the key from above:\n  export CLOSEOUT_TOKEN=ck_…\n  closeout close \
         CONVERSATION --wait 60s",
        file.display(),
        config = file.display()
    ));
    Ok(Exit::Done)
}

/// What was written, and the key that stands nowhere else.
struct Written {
    file: PathBuf,
    keys: PathBuf,
    key: String,
}

fn write_both(folder: &Path) -> Result<Written, Failure> {
    let file = folder.join(layers::DEFAULT_FILE);
    let keys = folder.join("tokens.toml");
    if let Some(there) = [&file, &keys].into_iter().find(|path| path.exists()) {
        return Err(Failure::usage(format!("{} is there already and was left as it is", there.display()))
            .fix("name another folder with --folder, or move it away"));
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::usage(format!("{} cannot be made: {error}", folder.display())))?;
    let key = tokens::fresh_key();
    write_new(&file, &reference::new_file(), 0o644)?;
    write_new(&keys, &tokens::file_with("admin", &key, layers::DEFAULT_ORGANISATION), 0o600)?;
    Ok(Written { file, keys, key })
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::usage(format!("{} cannot be written: {error}", path.display())))
}

fn new_key(args: &KeyArgs, voice: &Voice) -> Result<Exit, Failure> {
    output::only_as_text(voice, "the entry for tokens.toml is TOML")?;
    if args.name.is_empty() {
        return Err(Failure::usage("--name is empty; say whose key it is"));
    }
    let key = tokens::fresh_key();
    let organisations: Vec<_> = args.organisation.iter().map(ToString::to_string).collect();
    output::write(&format!("\n{}", tokens::entry_with(&args.name, &key, &args.role, &organisations)))?;
    eprintln!("the key of {}, shown this once: {key}", args.name);
    Ok(Exit::Done)
}

fn check(args: &ConfigArgs, voice: &Voice) -> Result<Exit, Failure> {
    output::no_rows(voice, "a check")?;
    let variables = Variables::of_this_process();
    let (layers, settings) = config::load(&FromCommandLine::from(args), &variables)
        .map_err(|problems| Failure::of_problems(&problems))?;
    for (variable, path) in layers.aliases() {
        voice.note(format_args!("note: {path} was taken from {variable}; better use GENESYSCLOUD_…"));
    }
    for hook in settings.hooks.iter().filter(|hook| hook.believes_anybody()) {
        voice.note(format_args!("warning: the hook {} believes anybody (verify = \"unsigned\")", hook.name));
    }
    for name in settings.receivers_that_miss_silence() {
        voice.note(format_args!(
            "warning: the receiver {name} is told of ghosts and not why none come while no adapter is heard; add \
             \"adapter_silent\" to its on"
        ));
    }
    for organisation in &settings.organisations {
        if let Some(dialect) = &organisation.dialect {
            let (name, dialect) = (&organisation.client.organisation, dialect.name());
            voice.note(format_args!("warning: {name} speaks {dialect}, which is not the published API"));
        }
    }
    if settings.hooks.is_empty() && settings.queues.is_empty() && settings.notifications.is_empty() {
        voice.note("note: there is no [[confirm]] table: every proof will be a read-back after closing.confirm_within");
    }
    let file = layers.file.map_or_else(|| "the environment".to_owned(), |path| path.display().to_string());
    let counts = counts(&settings);
    match voice.form {
        Form::Json | Form::Ndjson => {
            let numbers = counts.iter().map(|(name, _, number)| ((*name).to_owned(), json!(number)));
            let all: Map<_, _> = [("config".to_owned(), json!(file))].into_iter().chain(numbers).collect();
            let all = Value::Object(all);
            output::write(&if voice.form == Form::Json { output::pretty(&all) } else { format!("{all}\n") })?;
        }
        Form::Table | Form::Wide | Form::Csv | Form::Id => {
            voice.note(format_args!("{file} is good: {}", told(&counts)));
        }
    }
    Ok(Exit::Done)
}

/// How many of each the configuration has: as programs and as people call it, and the number. What events come by is told apart
/// from what commands come by.
fn counts(settings: &Settings) -> [(&'static str, &'static str, usize); 6] {
    [
        ("organisations", "organisation(s)", settings.organisations.len()),
        ("hooks", "hook(s)", settings.hooks.len()),
        ("queues", "queue(s) of events", settings.queues.len()),
        ("sockets", "notification socket(s)", settings.notifications.len()),
        ("sources", "source(s) of commands", settings.sources.len()),
        ("keys", "key(s)", settings.tokens.len()),
    ]
}

/// The same as people read it: what there is none of is told only where every configuration has some.
fn told(counts: &[(&str, &str, usize)]) -> String {
    let optional = |name: &str| matches!(name, "queues" | "sockets" | "sources");
    let parts = counts.iter().filter(|(name, _, number)| *number > 0 || !optional(name));
    parts.map(|(_, words, number)| format!("{number} {words}")).collect::<Vec<_>>().join(", ")
}

fn show(args: &ShowArgs, voice: &Voice) -> Result<Exit, Failure> {
    let variables = Variables::of_this_process();
    let layers = layers::gather(&FromCommandLine::from(&args.config), &variables)
        .map_err(|problems| Failure::of_problems(&problems))?;
    output::write(&shown(&layers, args.origin, voice))?;
    Ok(Exit::Done)
}

fn shown(layers: &Layers, origin: bool, voice: &Voice) -> String {
    const COLUMNS: [Column; 3] =
        [Column::text("KEY", "key"), Column::text("VALUE", "value"), Column::text("ORIGIN", "origin")];
    let mut items = layers.shown();
    // A person sees what would stand in the file; a program gets the plain value.
    if matches!(voice.form, Form::Table | Form::Wide) {
        for item in &mut items {
            let given =
                item["key"].as_str().and_then(|path| layers.setting(path)).map(|setting| &setting.given);
            item["value"] = given.map(ToString::to_string).into();
        }
    }
    let columns = if origin { &COLUMNS[..] } else { &COLUMNS[..2] };
    Listing { columns, items: &items, id: "key" }.write(voice.form, voice.style)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn a_configuration_is_written_once_and_its_key_fits() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        let written = write_both(&new).unwrap();
        let again = write_both(&new).map(|_| ()).unwrap_err();
        assert!(again.message.contains("is there already"), "{}", again.message);
        let tokens = tokens::read(&written.keys, &["main".parse().unwrap()]).unwrap();
        assert_eq!(tokens[0].role, "admin");
        assert_eq!(tokens[0].sha256.as_slice(), Sha256::digest(written.key.as_bytes()).as_slice());
        let (flat, _) = config::file::read(&written.file).unwrap();
        let set: Vec<_> = flat.iter().filter(|(path, _)| config::keys::key_of(path).is_some()).collect();
        let set: Vec<_> = set.iter().map(|(path, setting)| format!("{path} = {}", setting.given)).collect();
        assert_eq!(set, ["auth.tokens_file = \"tokens.toml\"", "store.url = \"sqlite:closeout.db\""]);
    }

    #[test]
    fn a_source_of_commands_is_counted_as_one_and_no_queue_of_events() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("closeout.toml");
        let text = "[genesys.main]\nregion = \"eu-central-1\"\nclient_id = \"i\"\nclient_secret = \"s\"\n\
                    [[source]]\nname = \"orders\"\nkind = \"nats\"\nstream = \"CLOSURES\"\nurl = \"nats://127.0.0.1:4222\"\n";
        let keys = tokens::file_with("admin", "a key", "main");
        std::fs::write(folder.path().join("tokens.toml"), keys).unwrap();
        std::fs::write(&file, format!("{text}[auth]\ntokens_file = \"tokens.toml\"\n")).unwrap();
        let from = FromCommandLine { file: Some(file), ..FromCommandLine::default() };
        let (_, settings) = config::load(&from, &Variables::default()).unwrap();
        let counts = counts(&settings);
        assert_eq!(told(&counts), "1 organisation(s), 0 hook(s), 1 source(s) of commands, 1 key(s)");
        let number = |wanted: &str| counts.iter().find(|(name, ..)| *name == wanted).unwrap().2;
        assert_eq!(["queues", "sockets", "sources"].map(number), [0, 0, 1]);
    }

    #[test]
    fn programs_get_plain_values() {
        let mut variables = Variables::default();
        variables.0.insert("CLOSEOUT_SERVER__LISTEN".to_owned(), "127.0.0.1:1".to_owned());
        let layers = layers::gather(&FromCommandLine::default(), &variables).unwrap();
        let written = |form| shown(&layers, true, &Voice { form, ..Voice::default() });
        let line = "server.listen,127.0.0.1:1,environment CLOSEOUT_SERVER__LISTEN\n";
        assert!(written(Form::Csv).contains(line), "{}", written(Form::Csv));
        let items: Value = serde_json::from_str(&written(Form::Json)).unwrap();
        let item = |key: &str| {
            items.as_array().unwrap().iter().find(|item| item["key"] == key).unwrap()["value"].clone()
        };
        assert_eq!(
            (item("server.listen"), item("server.max_connections")),
            (json!("127.0.0.1:1"), json!(4_096))
        );
        assert!(written(Form::Table).contains("\"127.0.0.1:1\""));
    }

    #[test]
    fn secrets_are_masked_when_shown() {
        let mut variables = Variables::default();
        variables.0.insert("GENESYSCLOUD_OAUTHCLIENT_SECRET".to_owned(), "planted".to_owned());
        let layers = layers::gather(&FromCommandLine::default(), &variables).unwrap();
        let text = shown(&layers, true, &Voice::default());
        assert!(!text.contains("planted"), "{text}");
        let line = text.lines().find(|line| line.contains("client_secret")).unwrap();
        assert!(
            line.contains("********") && line.ends_with("environment GENESYSCLOUD_OAUTHCLIENT_SECRET"),
            "{line}"
        );
    }
}
