//! The machine's side: configuration, keys, hooks, store, port, clock.

use jiff::{SignedDuration, Timestamp};
use store_postgres::Looked;
use webhook_signature::Strength;

use super::{
    super::{
        findings::{Clock, Configuration, Findings, Holder, Hook, Port, Store, StoreObstacle},
        report::{Check, Fault},
    },
    problems,
};

/// Before this moment (2025-01-01T00:00:00Z) nobody can run this program with a clock that is right.
const BEFORE_THIS_PROGRAM: i64 = 1_735_689_600;

/// How far in the future a file may have been written: file systems of other machines have clocks of their own.
const FUTURE: SignedDuration = SignedDuration::from_mins(5);

/// What sets a clock right.
pub(super) const SET_THE_CLOCK: &str =
    "switch time synchronisation on: `timedatectl set-ntp true`, or chronyd; in a container, on its host";

/// Judges the machine's side.
pub(super) fn judge(findings: &Findings) -> Vec<Check> {
    let configuration = &findings.configuration;
    let mut checks = if configuration.problems.is_empty() {
        configured(configuration, findings.queues.len(), findings.sources.len())
    } else {
        let (keys, ..) = &configuration.keys;
        let check = |problem: &String| problems::check(problem, &configuration.flag, keys);
        configuration.problems.iter().map(check).collect()
    };
    checks.extend(findings.store.as_ref().map(store));
    checks.extend(findings.port.as_ref().map(port));
    checks.push(clock(&findings.clock));
    checks
}

fn configured(configuration: &Configuration, queues: usize, sources: usize) -> Vec<Check> {
    let Configuration { source, organisations, hooks, keys: (file, keys, submitters), .. } = configuration;
    let (ours, theirs) = (organisations.len(), hooks.len());
    let mut checks = vec![Check::ok(
        "configuration",
        format!(
            "{source} is valid: {ours} organisation(s), {theirs} hook(s), {queues} queue(s) of events, {sources} source(s) of \
             commands, {keys} key(s)."
        ),
    )];
    checks.extend(configuration.aliases.iter().map(|(variable, setting)| {
        let what = format!("{setting} was taken from the older variable {variable}.");
        Check::warning(
            "configuration",
            what,
            "set the variable of the same meaning that begins with GENESYSCLOUD_",
        )
    }));
    checks.extend(configuration.miss_silence.iter().map(|receiver| {
        let what = "It is told of ghosts, and while no adapter is heard none are told; it is not told why.";
        let fix = format!("add \"adapter_silent\" to `on` of the [[callback]] {receiver}");
        Check::warning("receiver", what, fix).about(receiver)
    }));
    let new_key = format!("closeout config new-key --name NAME --role submit >> {}", file.display());
    checks.push(match submitters {
        0 => Check::warning(
            "keys",
            format!("None of the {keys} key(s) in {} may request closures.", file.display()),
            new_key,
        ),
        _ => Check::ok(
            "keys",
            format!("{} holds {keys} key(s), {submitters} of which may request closures.", file.display()),
        ),
    });
    checks.extend(hooks.iter().map(hook));
    checks.extend(
        (hooks.is_empty() && queues == 0 && configuration.fetching == 0)
            .then(|| no_hook(configuration.needs_events)),
    );
    checks.extend(configuration.reads_together.then(read_together));
    checks
}

fn read_together() -> Check {
    Check::warning(
        "read-back",
        "closing.read_back = \"together\": proof may come from analytics, whose lag is not documented. A guest who reloads \
         the page within that lag is not seen, and is closed with the conversation.",
        "set closing.read_back = \"alone\", unless so many events are lost that reads take too much of the quota",
    )
}

fn no_hook(needs_events: bool) -> Check {
    if needs_events {
        return Check::wrong(
            "hook",
            Fault::Machine,
            "closing.evidence = \"webhook_only\" and there is no [[confirm]] table: nothing could ever be proven.",
            "add a [[confirm]] table, or set closing.evidence = \"webhook_or_read_back\"",
        );
    }
    Check::warning(
        "hook",
        "There is no [[confirm]] table: every proof will be a read, after closing.confirm_within, at one more call.",
        "add a [[confirm]] table with name, verify and secrets, and let a relay post events to /hooks/{name}",
    )
}

fn hook(hook: &Hook) -> Check {
    let Hook { name, scheme, secrets, .. } = hook;
    let sign = format!(
        "let the sender sign, and set verify of [[confirm]] {name:?} to standard-webhooks, hub-sha256-base64 or hmac"
    );
    match hook.strength {
        Strength::SignedWithTime | Strength::Signed => {
            Check::ok("hook", format!("Deliveries are signed ({scheme}), with {secrets} secret(s) of sufficient length."))
        }
        Strength::StaticKey => Check::warning(
            "hook",
            format!("{scheme} sends a key along and protects no body: whoever sees one delivery can make others."),
            sign,
        ),
        Strength::Nothing => Check::warning(
            "hook",
            format!(
                "ANYBODY IS BELIEVED: verify = \"unsigned\" checks nothing, and whoever reaches /hooks/{name} can prove \
                 that a guest is gone."
            ),
            sign,
        ),
    }
    .about(name)
}

fn database(address: &str, trusts_anybody: bool, looked: &Result<Looked, String>) -> Check {
    let looked = match looked {
        Ok(looked) => looked,
        Err(why) => {
            return Check::wrong(
                "store",
                Fault::Machine,
                format!("The database {address} cannot be used: {why}."),
                "put that right, or name another in store.url (docs/postgresql.md)",
            );
        }
    };
    if !looked.durable {
        return Check::warning(
            "store",
            format!(
                "The database {address} runs with fsync = off: a loss of power loses closures that were accepted."
            ),
            "set fsync = on in postgresql.conf, and reload it",
        );
    }
    if trusts_anybody {
        return Check::warning(
            "store",
            format!(
                "The database {address} is not asked to prove who it is: whoever stands between reads and changes all."
            ),
            "set sslmode=verify-full in store.url, with sslrootcert=FILE where the authority is your own",
        );
    }
    let tables = match looked.version {
        Some(version) => format!("tables of version {version}"),
        None => "no tables yet, which can be made".to_owned(),
    };
    Check::ok("store", format!("{address} answers: PostgreSQL {}, {tables}.", looked.server))
}

fn store(store: &Store) -> Check {
    let (path, obstacle, bytes) = match store {
        Store::Memory => {
            return Check::warning(
                "store",
                "The store is memory: all closures and their evidence are lost at the stop.",
                "set store.url = \"sqlite:/var/lib/closeout/closeout.db\"",
            );
        }
        Store::Database { address, trusts_anybody, looked } => {
            return database(address, *trusts_anybody, looked);
        }
        Store::File { path, obstacle, bytes } => (path.display(), obstacle, bytes),
    };
    let wrong = |what: String, fix: String| Check::wrong("store", Fault::Machine, what, fix);
    match obstacle {
        Some(StoreObstacle::NoFolder(folder)) => {
            let folder = folder.display();
            wrong(
                format!("The folder {folder} of the store is not there."),
                format!("mkdir -p {folder}, for the user of the service"),
            )
        }
        Some(StoreObstacle::FolderNotWritable(folder)) => {
            let folder = folder.display();
            wrong(
                format!("This user may not make files in {folder}, and the store needs some beside it."),
                format!(
                    "chown it to the user of the service, or run this check as that user: sudo -u USER closeout doctor\n\
                         as root: chown USER {folder}"
                ),
            )
        }
        Some(StoreObstacle::NotWritable(file)) => {
            let file = file.display();
            wrong(
                format!("This user may not read and write {file}."),
                format!(
                    "run this check as the user of the service: sudo -u USER closeout doctor\n\
                         if the file belongs to another user: chown USER {file}"
                ),
            )
        }
        Some(StoreObstacle::NotAFile) => {
            wrong(format!("{path} is no file."), "name a file in store.url = \"sqlite:FILE\"".to_owned())
        }
        Some(StoreObstacle::Foreign) => wrong(
            format!("{path} is not a store of Closeout: it is no SQLite database."),
            "name another file in store.url = \"sqlite:FILE\"; this one is left as it is".to_owned(),
        ),
        Some(StoreObstacle::Unreadable(error)) => wrong(
            format!("{path} cannot be read: {error}."),
            "put that right, or name another file in store.url".to_owned(),
        ),
        None => match bytes {
            Some(bytes) => Check::ok("store", format!("{path} can be read and written ({bytes} bytes).")),
            None => Check::ok("store", format!("{path} is not there yet and can be made.")),
        },
    }
}

fn port(port: &Port) -> Check {
    let address = &port.address;
    match &port.holder {
        Holder::Nobody => Check::ok("port", format!("{address} is free.")),
        Holder::Closeout { ready: true } => {
            Check::ok("port", format!("{address} is used by a Closeout that is ready."))
        }
        Holder::Closeout { ready: false } => Check::warning(
            "port",
            format!(
                "{address} is used by a Closeout that is not ready: its store is away, or it is stopping."
            ),
            "look at its log, and at `curl http://ADDRESS/readyz`",
        ),
        Holder::Other => Check::wrong(
            "port",
            Fault::Machine,
            format!("{address} is taken by another program."),
            format!(
                "choose another port with server.listen, or stop the other: ss -ltnp 'sport = :{}' names it",
                address.rsplit(':').next().unwrap_or_default()
            ),
        ),
        Holder::Refused { why } => Check::wrong(
            "port",
            Fault::Machine,
            format!("{address} cannot be used: {why}."),
            "set server.listen to an address of this machine and a port from 1024 on, as 127.0.0.1:8080",
        ),
    }
}

fn clock(clock: &Clock) -> Check {
    let Clock { now, newest_file } = clock;
    if now.as_second() < BEFORE_THIS_PROGRAM {
        let what = format!("This machine's clock says {}, which is long past.", whole(*now));
        return Check::wrong("clock", Fault::Machine, what, SET_THE_CLOCK);
    }
    match newest_file {
        Some((path, written)) if written.duration_since(*now) > FUTURE => Check::warning(
            "clock",
            format!(
                "{} was written in the future, at {}: the clock was set back.",
                path.display(),
                whole(*written)
            ),
            SET_THE_CLOCK,
        ),
        Some(_) | None => {
            Check::ok("clock", format!("This machine's clock says {}, which can be true.", whole(*now)))
        }
    }
}

fn whole(at: Timestamp) -> String {
    format!("{at:.0}")
}
