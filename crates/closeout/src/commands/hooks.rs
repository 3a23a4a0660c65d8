//! `closeout hooks`: signs and checks webhooks on this machine, by the schemes of the configuration, and shows what a server
//! has received.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use clap::{Args, Subcommand, ValueHint};
use serde_json::json;
use webhook_signature::{Finding, Refused, Scheme, SignatureLayout, ordinal};

use super::{
    heard::{self, ReceivedArgs},
    replay::{self, ReplayArgs},
};
use crate::{
    cli::ConfigArgs,
    client::Api,
    config::{FromCommandLine, Layers, Problem, Variables, confirm, hooks, layers, layers::Reader},
    exit::{Exit, Failure},
    output::{self, Form, Voice},
};

/// What to do with a webhook.
#[derive(Debug, Clone, Subcommand)]
pub enum HooksCommand {
    /// Print the headers that sign a body
    #[command(after_help = "Examples:
  closeout hooks sign --verify hub-sha256-hex --secret env:HOOK_SECRET --body event.json
  closeout hooks sign --hook open-messaging --body event.json
  curl -X POST http://127.0.0.1:8080/hooks/relay -H 'content-type: application/json' \\
       -H \"$(closeout hooks sign --hook relay --body event.json)\" --data-binary @event.json")]
    Sign(SignArgs),
    /// Check a signature, and explain what is wrong with it
    #[command(after_help = "Examples:
  closeout hooks verify --verify hub-sha256-base64 --secret env:HOOK_SECRET --body event.json \\
       --header 'X-Hub-Signature-256: sha256=…'
  closeout hooks verify --hook relay --body event.json --header 'X-Hub-Signature-256: sha256=…'

Exit code 0 for a signature that holds, 4 for one that does not.")]
    Verify(VerifyArgs),
    /// Show what came in by the hooks of a server, and why something was not taken
    #[command(after_help = "Examples:
  closeout hooks received
  closeout hooks received --hook relay --result refused
  closeout hooks received -o ndjson --limit 500

A delivery that was refused for its signature is explained by `closeout hooks verify`.")]
    Received(ReceivedArgs),
    /// Post the body of an event again, signed with the hook's own secret, and say what came of it
    #[command(after_help = "Examples:
  closeout hooks replay --hook relay --file event.json
  jq -c .event saved.json | closeout hooks replay --hook relay

Bodies that came in are not kept, as they hold personal data: the file is one that the sender or a relay has saved. The \
configuration has to be that of the service. A second copy has no effect.

Exit code 0 when the service took it, 4 where it does not believe the signature, 3 where it has no such hook, 2 for a body \
that it cannot read.")]
    Replay(ReplayArgs),
}

/// Which hook: one of the configuration, or one that is described here.
#[derive(Debug, Clone, Args)]
struct HookArgs {
    /// Name of a [[confirm]] table of the configuration
    #[arg(long, value_name = "NAME", conflicts_with_all = ["verify", "secret"])]
    hook: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Scheme, as confirm.verify
    #[arg(long, value_name = "SCHEME", required_unless_present = "hook",
          value_parser = clap::builder::PossibleValuesParser::new(crate::config::keys::SCHEMES.iter().copied()))]
    verify: Option<String>,
    /// Secret: env:NAME, file:PATH, or the text itself; may be given several times. At least 16
    /// bytes; for standard-webhooks base64 of at least 24 bytes, with or without `whsec_`; for
    /// basic user:password with a password of at least 16 bytes
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// hmac and header: the header with the signature or key
    #[arg(long, value_name = "NAME")]
    signature_header: Option<String>,
    /// hmac: what stands before the signature
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// hmac: how the signature is written
    #[arg(long, value_parser = ["hex", "base64", "base64url", "base64url-padded"])]
    encoding: Option<String>,
    /// hmac: what is signed
    #[arg(long, value_parser = ["body", "timestamp.body"])]
    signed_content: Option<String>,
    /// hmac: the header with the time
    #[arg(long, value_name = "NAME")]
    timestamp_header: Option<String>,
    /// hmac: the header with the event's id
    #[arg(long, value_name = "NAME")]
    id_header: Option<String>,
    /// File with the body, byte for byte; `-` for stdin
    #[arg(long, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    body: PathBuf,
    /// Time in Unix seconds; that of this machine when left out
    #[arg(long, value_name = "SECONDS")]
    now: Option<i64>,
}

/// The flags that describe a hook, each with its key of the configuration, in the order of [`HookArgs::described`].
const FLAGS: [(&str, &str); 8] = [
    ("--verify", "verify"),
    ("--secret", "secrets"),
    ("--signature-header", "header"),
    ("--prefix", "prefix"),
    ("--encoding", "encoding"),
    ("--signed-content", "signed_content"),
    ("--timestamp-header", "timestamp_header"),
    ("--id-header", "id_header"),
];

/// Problems with a hook that flags describe, told with the flags in place of the keys that they stand for.
fn in_flags(problems: Vec<Problem>) -> Vec<Problem> {
    let told = |Problem(text): Problem| {
        let text = FLAGS.iter().fold(text, |text, (flag, key)| {
            let path = format!("confirm.0.{key} ");
            text.replace(&format!("flag {flag}: {path}"), &format!("{flag} "))
                .replace(&path, &format!("{flag} "))
        });
        Problem(
            text.replace("verify = \"hmac\"", "--verify hmac")
                .replace("hmac or \"header\"", "hmac or header"),
        )
    };
    problems.into_iter().map(told).collect()
}

/// What to sign.
#[derive(Debug, Clone, Args)]
pub struct SignArgs {
    #[command(flatten)]
    hook: HookArgs,
    /// Id of the message, for schemes that have one
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// What to check.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    hook: HookArgs,
    /// Header line as it came, as 'Name: value'; may be given several times
    #[arg(long = "header", short = 'H', value_name = "LINE", value_parser = header_line)]
    header: Vec<(String, String)>,
}

fn header_line(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write 'Name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Runs the command. `api` finds the server, for what asks one.
///
/// # Errors
///
/// When the hook is not known or cannot be used, the body cannot be read, or the form is one for rows.
pub async fn run(
    command: &HooksCommand,
    api: impl FnOnce() -> Result<Api, Failure>,
    voice: &Voice,
) -> Result<Exit, Failure> {
    match command {
        HooksCommand::Received(args) => heard::received(args, &api()?, voice).await,
        HooksCommand::Replay(args) => replay::run(args, &api()?, voice).await,
        HooksCommand::Sign(args) => {
            output::no_rows(voice, "a signature")?;
            sign(args, voice)
        }
        HooksCommand::Verify(args) => {
            output::no_rows(voice, "a signature")?;
            verify(args, voice)
        }
    }
}

fn sign(args: &SignArgs, voice: &Voice) -> Result<Exit, Failure> {
    let hook = args.hook.find(&Variables::of_this_process())?;
    let body = read_body(&args.hook.body)?;
    let fresh = fresh_id();
    let id = args.id.as_deref().unwrap_or(&fresh);
    let headers = hook
        .signature
        .sign(Some(id), args.hook.time(), &body)
        .map_err(|why| Failure::usage(format!("the body cannot be signed: {why}")))?;
    let text = match voice.form {
        Form::Json | Form::Ndjson => {
            let map: serde_json::Map<_, _> =
                headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            format!("{}\n", serde_json::Value::Object(map))
        }
        Form::Table | Form::Wide | Form::Csv | Form::Id => {
            headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
        }
    };
    output::write(&text)?;
    Ok(Exit::Done)
}

fn verify(args: &VerifyArgs, voice: &Voice) -> Result<Exit, Failure> {
    let Found { hook, others } = args.hook.find_among(&Variables::of_this_process())?;
    let body = read_body(&args.hook.body)?;
    let lines = args.header.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let diagnosis = hook.signature.diagnose(lines, &body, args.hook.time());
    let mut findings: Vec<_> = diagnosis.findings.iter().map(ToString::to_string).collect();
    if let Err(Refused::MalformedSignature | Refused::OtherSignatureVersion) = diagnosis.verdict {
        // Before the header is well-formed, nothing can be said of the key or the body.
        if diagnosis.findings == [Finding::NothingFits] {
            findings.clear();
        }
        findings.extend(expected_header(hook.signature.scheme()));
    }
    let holds = diagnosis.verdict.is_ok();
    if !holds && let Some(other) = others.iter().find(|other| takes(other, args, &body)) {
        let found =
            format!("It fits the hook \"{}\": the sender has its secret, or its address.", other.name);
        if diagnosis.findings == [Finding::NothingFits] {
            findings.clear();
        }
        findings.insert(0, found);
    } else if !holds && let Some(other) = others.iter().find(|other| signed_for(&hook, other, args, &body)) {
        let found =
            format!("It was made with a secret of the hook \"{}\": the sender has that one's.", other.name);
        if diagnosis.findings == [Finding::NothingFits] {
            findings.clear();
        }
        findings.insert(0, found);
    }
    let said = match &diagnosis.verdict {
        Ok(verified) => {
            let secret = verified
                .secret_index
                .map(|index| format!(" with the {} secret", ordinal(index)))
                .unwrap_or_default();
            format!("The signature holds{secret}.")
        }
        Err(refused) => refused.to_string(),
    };
    let text = match voice.form {
        Form::Json | Form::Ndjson => {
            let reason = diagnosis.verdict.as_ref().err().map(|refused| refused.reason());
            format!("{}\n", json!({ "holds": holds, "reason": reason, "says": said, "findings": findings }))
        }
        Form::Table | Form::Wide | Form::Csv | Form::Id => {
            let found: String = findings.iter().map(|finding| format!("  {finding}\n")).collect();
            output::spelt_out(&format!("{said}\n{found}")).into_owned()
        }
    };
    output::write(&text)?;
    Ok(if holds { Exit::Done } else { Exit::NotAllowed })
}

/// Whether another hook would take the delivery for its signature. A hook that checks none would take anything.
fn takes(hook: &hooks::Hook, args: &VerifyArgs, body: &[u8]) -> bool {
    let lines = args.header.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    !matches!(hook.signature.scheme(), Scheme::Unsigned)
        && hook.signature.verify(lines, body, args.hook.time()).is_ok()
}

/// Whether the delivery would hold with a secret of another hook.
fn signed_for(hook: &hooks::Hook, other: &hooks::Hook, args: &VerifyArgs, body: &[u8]) -> bool {
    let lines = args.header.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    hook.signature.holds_with_a_secret_of(&other.signature, &lines, body, args.hook.time())
}

/// A hook, and the others of the same configuration.
pub(super) struct Found {
    pub(super) hook: hooks::Hook,
    others: Vec<hooks::Hook>,
}

/// What the header with the signature must look like.
fn expected_header(scheme: &Scheme) -> Option<String> {
    let header = match scheme {
        Scheme::HubSha256Base64 => "X-Hub-Signature-256: sha256=<44 characters of base64>".to_owned(),
        Scheme::HubSha256Hex => "X-Hub-Signature-256: sha256=<64 hex digits>".to_owned(),
        Scheme::StandardWebhooks => "webhook-signature: v1,<44 characters of base64>".to_owned(),
        Scheme::Hmac(own) => {
            let prefix = match &own.layout {
                SignatureLayout::Single { prefix } | SignatureLayout::SpaceSeparated { prefix } => {
                    prefix.clone()
                }
                SignatureLayout::Fields { time, signature } => format!("{time}=<seconds>,{signature}="),
            };
            format!("{}: {prefix}<HMAC-SHA256 of 32 bytes as {}>", own.signature_header, own.encoding.name())
        }
        Scheme::Bearer | Scheme::Basic | Scheme::Header(_) | Scheme::Unsigned => return None,
    };
    Some(format!("The header must look like `{header}`."))
}

impl HookArgs {
    /// The hook: of the configuration by its name, or the one that the flags describe.
    fn find(&self, variables: &Variables) -> Result<hooks::Hook, Failure> {
        self.find_among(variables).map(|found| found.hook)
    }

    /// The same, with the others of the configuration.
    fn find_among(&self, variables: &Variables) -> Result<Found, Failure> {
        if let Some(name) = &self.hook {
            return configured(name, &self.config, variables);
        }
        // The flags stand for one table, so they are read by the same rules, with the same words.
        let from = FromCommandLine { file: None, flags: self.described() };
        let layers = layers::gather_flags(&from).map_err(|problems| Failure::of_problems(&problems))?;
        let (found, problems, _) = hooks_of(&layers, variables);
        match found.into_iter().next() {
            Some(hook) if problems.is_empty() => Ok(Found { hook, others: Vec::new() }),
            Some(_) | None => Err(Failure::of_problems(&in_flags(problems))),
        }
    }

    fn described(&self) -> Vec<(&'static str, String, String)> {
        let secrets: Vec<_> = self.secret.iter().cloned().map(toml::Value::String).collect();
        let secrets = (!secrets.is_empty()).then(|| toml::Value::Array(secrets).to_string());
        let values = [
            &self.verify,
            &secrets,
            &self.signature_header,
            &self.prefix,
            &self.encoding,
            &self.signed_content,
            &self.timestamp_header,
            &self.id_header,
        ];
        let given = FLAGS.iter().zip(values).filter_map(|((flag, key), value)| {
            value.clone().map(|value| (*flag, format!("confirm.0.{key}"), value))
        });
        let name = ("--hook", "confirm.0.name".to_owned(), "command-line".to_owned());
        std::iter::once(name).chain(given).collect()
    }

    fn time(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.now.unwrap_or_else(|| i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
    }
}

/// The hook of this name in the configuration, and the others of it.
///
/// # Errors
///
/// When there is none, or it cannot be used.
pub(super) fn configured(name: &str, config: &ConfigArgs, variables: &Variables) -> Result<Found, Failure> {
    let layers = layers::gather(&FromCommandLine::from(config), variables)
        .map_err(|problems| Failure::of_problems(&problems))?;
    let (found, problems, unsigned) = hooks_of(&layers, variables);
    let names: Vec<_> = found.iter().map(|hook| hook.name.clone()).collect();
    let (named, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|hook| hook.name == *name);
    match named.into_iter().next() {
        Some(hook) => Ok(Found { hook, others }),
        None if unsigned.iter().any(|other| other == name) => Err(Failure::usage(format!(
            "{name:?} is no webhook: what comes by a queue or a socket has no signature"
        ))
        .fix("closeout hooks received --hook NAME shows what came by it")),
        None if problems.is_empty() => Err(Failure::usage(format!(
            "the configuration has no hook {name:?}; it has {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        ))),
        None => Err(Failure::of_problems(&confirm::by_name(problems, &layers))),
    }
}

/// The webhooks, what is wrong with the tables, and the names of the tables that are no webhooks.
fn hooks_of(layers: &Layers, variables: &Variables) -> (Vec<hooks::Hook>, Vec<Problem>, Vec<String>) {
    let known: Vec<_> = layers.organisations.iter().filter_map(|name| name.parse().ok()).collect();
    let mut reader = Reader::new(layers);
    let found = confirm::read(&mut reader, variables, &known);
    let queues = found.queues.iter().map(|queue| queue.setup.name.clone());
    let sockets = found.notifications.iter().map(|socket| socket.name.clone());
    (found.hooks, reader.problems, queues.chain(sockets).collect())
}

/// The body in a file, byte for byte; `-` for stdin.
///
/// # Errors
///
/// When it cannot be read.
pub(super) fn read_body(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut body).map(|_| body)
    } else {
        std::fs::read(file)
    };
    read.map_err(|error| Failure::usage(format!("the body {} cannot be read: {error}", file.display())))
}

/// An id for a message that has none.
pub(super) fn fresh_id() -> String {
    format!("msg_{}", uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: HookArgs,
    }

    fn hook(line: &[&str]) -> Result<hooks::Hook, Failure> {
        let line = Line::try_parse_from(std::iter::once("sign").chain(line.iter().copied())).unwrap();
        line.args.find(&Variables::default())
    }

    #[tokio::test]
    async fn a_form_for_rows_is_refused_before_anything_is_read() {
        #[derive(Debug, Parser)]
        struct Command {
            #[command(subcommand)]
            command: HooksCommand,
        }
        for command in ["sign", "verify"] {
            let line = ["hooks", command, "--verify", "hub-sha256-hex", "--body", "/no/such/file"];
            let command = Command::try_parse_from(line).unwrap().command;
            for form in [Form::Csv, Form::Id] {
                let no_server = || Err(Failure::usage("no server is asked"));
                let failure =
                    run(&command, no_server, &Voice { form, ..Voice::default() }).await.unwrap_err();
                assert_eq!(failure.exit, Exit::Usage);
                assert_eq!(failure.message, "a signature has no rows, and so no form csv or id");
            }
        }
    }

    #[test]
    fn what_the_flags_describe_signs_and_verifies() {
        let hook =
            hook(&["--verify", "hub-sha256-hex", "--secret", "a \"quoted\" secret, with commas"]).unwrap();
        let headers = hook.signature.sign(None, 0, b"{}").unwrap();
        let lines = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        assert!(hook.signature.verify(lines, b"{}", 0).is_ok());
    }

    #[test]
    fn a_malformed_header_is_told_what_it_must_look_like() {
        let secret = "a-secret-of-more-than-16-bytes";
        for (line, says) in [
            (&["hub-sha256-hex"][..], "`X-Hub-Signature-256: sha256=<64 hex digits>`"),
            (
                &["hmac", "--signature-header", "X-S", "--prefix", "v1=", "--encoding", "base64"],
                "`X-S: v1=<HMAC-SHA256 of 32 bytes as base64>`",
            ),
        ] {
            let line: Vec<_> = ["--secret", secret, "--verify"].iter().chain(line).copied().collect();
            let said = expected_header(hook(&line).unwrap().signature.scheme()).unwrap();
            assert!(said.contains(says), "{said}");
        }
    }

    #[test]
    fn a_missing_secret_is_a_mistake_of_usage() {
        let failure = hook(&["--verify", "hub-sha256-hex"]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.message, "--verify cannot be used: the scheme needs at least one secret");
    }

    #[test]
    fn mistakes_are_told_with_the_flags_that_were_given() {
        let long = "a-secret-of-more-than-16-bytes";
        for (line, says) in [
            (
                &["hub-sha256-hex", "--secret", "short"][..],
                "--secret cannot be used: the first secret has 5 bytes; at least 16 are needed",
            ),
            (
                &["hmac", "--secret", long],
                "--signature-header is missing: name the header that carries the proof",
            ),
            (&["bearer", "--secret", long, "--prefix", "x"], "--prefix has a use with --verify hmac only"),
            (
                &["hub-sha256-hex", "--secret", "env:NONE"],
                "--secret names the environment variable NONE, which is not set",
            ),
            (
                &[
                    "hmac",
                    "--secret",
                    long,
                    "--signature-header",
                    "X-S",
                    "--signed-content",
                    "timestamp.body",
                ],
                "--signed-content cannot be used: the signed content has a time; name the header that carries it",
            ),
        ] {
            let line: Vec<_> = std::iter::once("--verify").chain(line.iter().copied()).collect();
            assert_eq!(hook(&line).unwrap_err().message, says);
        }
    }
}
