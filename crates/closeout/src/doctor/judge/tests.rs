//! The judgement, from findings that no machine needs to have.

use std::{path::PathBuf, time::Duration};

use genesys_client::{
    Clocks, Deployment, Disconnect, Fault as Refused, FaultKind, Grants, Limit, Obstacle, TokenFacts,
    Unreached,
};
use jiff::Timestamp;
use webhook_signature::Strength;

use super::{super::findings::*, super::report::*, judge};
use crate::exit::Exit;
use crate::permissions;

const NOW: &str = "2026-11-21T10:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn refused(kind: FaultKind, status: u16, code: &str) -> Refused {
    let code = (!code.is_empty()).then(|| code.into());
    Refused { kind, status: Some(status), code, message: "as the service says".into(), correlation_id: None }
}

fn not_found() -> Refused {
    refused(FaultKind::NotFound, 404, "conversation.error.conversation.not.found")
}

fn forbidden() -> Refused {
    refused(FaultKind::Forbidden { missing: None }, 403, "missing.any.permissions")
}

/// The permissions of a role, as Genesys tells them.
fn grants(policies: &str) -> Grants {
    let body = format!(
        r#"{{"grants": [{{"division": {{"id": "*"}}, "role": {{"name": "R", "policies": [{policies}]}}}}]}}"#
    );
    serde_json::from_str(&body).unwrap()
}

const CLOSER: &str =
    r#"{"domain": "conversation", "entityName": "communication", "actions": ["view", "disconnect"]}"#;

const SEEKER: &str = r#"{"domain": "analytics", "entityName": "conversationDetail", "actions": ["view"]},
    {"domain": "conversation", "entityName": "participant", "actions": ["attributesView"]}"#;

fn deployment(name: &str, disconnect: Disconnect) -> Deployment {
    Deployment { id: name.into(), name: name.into(), status: Some("Active".into()), disconnect }
}

fn organisation() -> Organisation {
    let limit = Limit { key: "client.credentials.token.rate.per.minute".into(), value: 300 };
    Organisation {
        name: "main".to_owned(),
        hosts: vec![("login.example".to_owned(), None), ("api.example".to_owned(), None)],
        region_from: "genesys.main.region, closeout.toml, line 1".to_owned(),
        clocks: Some(Clocks { theirs: time(NOW), ours: time(NOW) }),
        client_from: Some(("the id's place".to_owned(), "the secret's place".to_owned())),
        client: Ok(()),
        login: Some(Ok(())),
        token: Some(Ok(TokenFacts { client: Some("closer".into()), ..TokenFacts::default() })),
        needs: vec![permissions::VIEW, permissions::DISCONNECT],
        view: Some(Err(not_found())),
        grants: Some(Ok(grants(&format!("{CLOSER}, {SEEKER}")))),
        limits: Some(Ok(vec![limit])),
        requests: (300, Duration::from_secs(60)),
        allowed: Some(300),
        wrap_up: None,
        sockets: Vec::new(),
        deployments: Some(Ok(vec![deployment("Shop", Disconnect::Send)])),
    }
}

fn hook(name: &str, scheme: &'static str, strength: Strength) -> Hook {
    Hook { name: name.to_owned(), scheme, strength, secrets: 1, reads_plain: true }
}

fn healthy() -> Findings {
    Findings {
        configuration: Configuration {
            source: "closeout.toml".to_owned(),
            organisations: vec!["main".to_owned()],
            hooks: vec![hook("relay", "hub-sha256-base64", Strength::Signed)],
            keys: (PathBuf::from("tokens.toml"), 1, 1),
            ..Configuration::default()
        },
        store: Some(Store::File { path: "closeout.db".into(), obstacle: None, bytes: None }),
        port: Some(Port { address: "127.0.0.1:8080".to_owned(), holder: Holder::Nobody }),
        clock: Clock { now: time(NOW), newest_file: None },
        service: Service {
            server: "http://127.0.0.1:8080".to_owned(),
            says: Says::Hooks(vec![heard(Some(NOW), None)]),
        },
        queues: Vec::new(),
        sources: Vec::new(),
        sign_on: None,
        online: Online::Asked(vec![organisation()]),
    }
}

fn heard(event_at: Option<&str>, refused_at: Option<&str>) -> Heard {
    Heard {
        name: "relay".to_owned(),
        event_at: event_at.map(time),
        refused_at: refused_at.map(time),
        refused_why: refused_at.map(|_| "no secret fits".to_owned()),
    }
}

/// The one check of this name after a change to what is healthy, and the exit code of the whole.
fn after(name: &str, change: impl FnOnce(&mut Findings)) -> (Check, Exit) {
    let mut findings = healthy();
    change(&mut findings);
    let report = judge(&findings);
    let mut fitting: Vec<_> = report.0.iter().filter(|check| check.name == name).cloned().collect();
    // What is least well comes first, as it is what the change was about.
    fitting.sort_by_key(|check| match check.verdict {
        Verdict::Wrong(_) => 0,
        Verdict::NotChecked => 1,
        Verdict::Warning => 2,
        Verdict::Ok => 3,
    });
    (fitting.swap_remove(0), report.exit())
}

fn after_in(name: &str, change: impl FnOnce(&mut Organisation)) -> (Check, Exit) {
    let mut changed = organisation();
    change(&mut changed);
    after(name, |findings| findings.online = Online::Asked(vec![changed]))
}

#[test]
fn a_receiver_that_hears_nothing_of_a_silence_is_warned_of() {
    let (check, exit) =
        after("receiver", |findings| findings.configuration.miss_silence = vec!["chat".to_owned()]);
    assert_eq!((check.verdict, check.about.as_str(), exit), (Verdict::Warning, "chat", Exit::Done));
    assert!(check.fix.unwrap().contains("adapter_silent"));
}

#[test]
fn what_is_healthy_is_all_well_and_ends_with_0() {
    let report = judge(&healthy());
    let other: Vec<_> = report.0.iter().filter(|check| check.verdict != Verdict::Ok).collect();
    assert!(other.is_empty(), "{other:?}");
    assert_eq!(report.exit(), Exit::Done);
    let names: Vec<_> = report.0.iter().map(|check| format!("{} {}", check.name, check.about)).collect();
    assert!(names.contains(&"permission main conversation:communication:view".to_owned()), "{names:?}");
    assert!(report.0.iter().all(|check| check.what.ends_with('.')));
}

#[test]
fn whatever_is_wrong_or_unknown_has_a_fix() {
    let mut findings = healthy();
    findings.configuration.problems = vec!["closeout.toml, line 3: something".to_owned()];
    findings.service.says = Says::Nothing;
    findings.online = Online::NotPossible;
    let report = judge(&findings);
    assert!(report.0.iter().all(|check| check.verdict == Verdict::Ok || check.fix.is_some()), "{report:?}");
    assert_eq!(report.exit(), Exit::Usage);
    let (genesys, _) = after("genesys", |findings| findings.online = Online::NotPossible);
    assert_eq!(genesys.verdict, Verdict::NotChecked);
}

#[test]
fn proof_by_analytics_is_told_to_be_weaker() {
    let (check, exit) = after("read-back", |findings| findings.configuration.reads_together = true);
    assert_eq!((check.verdict, exit), (Verdict::Warning, Exit::Done));
    assert!(check.what.contains("not documented"), "{check:?}");
}

#[test]
fn hooks_are_judged_by_what_they_prove() {
    let with = |hooks: Vec<Hook>, needs_events| {
        after("hook", |findings| {
            findings.configuration.hooks = hooks;
            findings.configuration.needs_events = needs_events;
        })
    };
    let (weak, exit) = with(vec![hook("relay", "bearer", Strength::StaticKey)], false);
    assert_eq!((weak.verdict, exit), (Verdict::Warning, Exit::Done));
    let (open, exit) = with(vec![hook("relay", "unsigned", Strength::Nothing)], false);
    assert_eq!((open.verdict, exit), (Verdict::Warning, Exit::Done));
    assert!(open.what.contains("ANYBODY IS BELIEVED"), "{open:?}");
    assert_eq!(with(Vec::new(), false).0.verdict, Verdict::Warning);
    assert_eq!(with(Vec::new(), true).1, Exit::Usage);
}

#[test]
fn store_port_and_clock_of_this_machine_are_faults_of_2() {
    let store = |obstacle| Store::File { path: "s.db".into(), obstacle: Some(obstacle), bytes: None };
    for (obstacle, says) in [
        (StoreObstacle::NoFolder("f".into()), "mkdir -p f"),
        (StoreObstacle::FolderNotWritable("f".into()), "chown"),
        (StoreObstacle::NotWritable("s.db-wal".into()), "s.db-wal"),
        (StoreObstacle::NotAFile, "store.url"),
        (StoreObstacle::Foreign, "store.url"),
        (StoreObstacle::Unreadable(std::io::ErrorKind::Other.into()), "store.url"),
    ] {
        let (check, exit) = after("store", |findings| findings.store = Some(store(obstacle)));
        assert_eq!((check.verdict, exit), (Verdict::Wrong(Fault::Machine), Exit::Usage));
        assert!(check.fix.as_ref().unwrap().contains(says), "{check:?}");
    }
    assert_eq!(after("store", |findings| findings.store = Some(Store::Memory)).1, Exit::Done);
    let database = |trusts_anybody, looked: Result<bool, &str>| {
        let looked = looked
            .map(|durable| store_postgres::Looked { server: "15.1".to_owned(), version: Some(1), durable })
            .map_err(str::to_owned);
        let address = "postgres://db.example/closeout".to_owned();
        after("store", |findings| findings.store = Some(Store::Database { address, trusts_anybody, looked }))
            .0
    };
    assert_eq!(database(false, Ok(true)).verdict, Verdict::Ok);
    assert_eq!(database(true, Ok(true)).verdict, Verdict::Warning);
    assert_eq!(database(false, Ok(false)).verdict, Verdict::Warning);
    let away = database(false, Err("nothing listens where the database should be"));
    assert_eq!(away.verdict, Verdict::Wrong(Fault::Machine));
    assert!(away.fix.unwrap().contains("docs/postgresql.md"));
    let port = |holder| after("port", |findings| findings.port.as_mut().unwrap().holder = holder);
    assert_eq!(port(Holder::Closeout { ready: true }).0.verdict, Verdict::Ok);
    assert_eq!(port(Holder::Closeout { ready: false }).0.verdict, Verdict::Warning);
    let (other, exit) = port(Holder::Other);
    assert_eq!(exit, Exit::Usage);
    assert!(other.fix.unwrap().contains("ss -ltnp 'sport = :8080'"));
    assert_eq!(port(Holder::Refused { why: "no".to_owned() }).1, Exit::Usage);
    let clock = |now, file| {
        after("clock", |findings| {
            findings.clock =
                Clock { now: time(now), newest_file: Some((PathBuf::from("closeout.db"), time(file))) };
        })
    };
    assert_eq!(clock("1970-01-01T00:10:00Z", NOW).1, Exit::Usage);
    assert_eq!(clock(NOW, "2026-11-21T11:00:00Z").0.verdict, Verdict::Warning);
    assert_eq!(clock(NOW, "2026-11-21T10:04:00Z").0.verdict, Verdict::Ok);
}

#[test]
fn a_hook_that_refuses_is_told_with_why() {
    let events = |says| after("events", |findings| findings.service.says = says).0;
    let later = "2026-11-21T10:00:01Z";
    let since = events(Says::Hooks(vec![heard(Some(NOW), Some(later))]));
    assert_eq!(since.verdict, Verdict::Warning);
    assert!(since.what.contains("no secret fits") && since.fix.unwrap().contains("closeout hooks verify"));
    assert_eq!(events(Says::Hooks(vec![heard(Some(later), Some(NOW))])).verdict, Verdict::Ok);
    assert_eq!(events(Says::Hooks(vec![heard(None, Some(NOW))])).verdict, Verdict::Warning);
    assert_eq!(
        events(Says::Hooks(Vec::new())).verdict,
        Verdict::Warning,
        "started with another configuration"
    );
    for says in [Says::Hooks(vec![heard(None, None)]), Says::Nothing] {
        let silent = events(says);
        assert_eq!(silent.verdict, Verdict::NotChecked);
        let fix = silent.fix.unwrap();
        assert!(fix.contains("closeout hooks sign --hook relay --body event.json"), "{fix}");
        assert!(fix.contains("http://127.0.0.1:8080/hooks/relay"), "{fix}");
    }
    assert!(events(Says::Closed(None)).fix.unwrap().contains("--role read"));
    assert_eq!(events(Says::Nonsense).verdict, Verdict::NotChecked);
}

#[test]
fn a_login_that_fails_is_told_by_its_status() {
    let login = |refused| {
        after_in("token", |organisation| {
            organisation.login = Some(Err(refused));
            organisation.token = None;
            organisation.view = None;
        })
    };
    let unauthenticated = |status, code| refused(FaultKind::Unauthenticated, status, code);
    for (refused, exit, says) in [
        (unauthenticated(400, "invalid_client"), Exit::NotAllowed, "the id's place"),
        (unauthenticated(401, "invalid_client"), Exit::NotAllowed, "the secret's place"),
        (unauthenticated(400, "unauthorized_client"), Exit::NotAllowed, "enabled"),
        (unauthenticated(404, ""), Exit::Usage, "login_base_url"),
        (refused(FaultKind::NotSent, 503, ""), Exit::Unreachable, "status page"),
        (refused(FaultKind::RateLimited { retry_after: Duration::ZERO }, 429, ""), Exit::Unreachable, "wait"),
    ] {
        let (check, found) = login(refused.clone());
        assert_eq!(found, exit, "{refused:?}");
        assert!(check.fix.as_ref().unwrap().contains(says), "{check:?}");
    }
}

#[test]
fn a_token_that_the_api_refuses_tells_of_a_disabled_client() {
    let token = |refused, ready| {
        after_in("token", |organisation| {
            organisation.token = Some(Err(refused));
            organisation.view = None;
            if ready {
                organisation.client_from = None;
            }
        })
    };
    let (disabled, exit) = token(refused(FaultKind::Unauthenticated, 401, "bad.credentials"), false);
    assert_eq!(exit, Exit::NotAllowed);
    assert!(disabled.what.contains("disabled"), "{disabled:?}");
    let (expired, _) = token(refused(FaultKind::Unauthenticated, 401, "credentials.expired"), true);
    assert!(expired.fix.unwrap().contains("client_secret"));
    assert_eq!(token(refused(FaultKind::OutcomeUnknown, 200, ""), false).1, Exit::Usage, "another program");
    assert_eq!(token(refused(FaultKind::Server, 503, ""), false).1, Exit::Unreachable);
    let (inactive, exit) = after_in("token", |organisation| {
        let facts = TokenFacts { client_state: Some("inactive".into()), ..TokenFacts::default() };
        organisation.token = Some(Ok(facts));
    });
    assert_eq!((inactive.verdict, exit), (Verdict::Warning, Exit::Done));
}

#[test]
fn a_host_that_does_not_answer_is_10_whatever_is_in_the_way() {
    for (obstacle, says) in [
        (Obstacle::Name, "getent hosts login.example"),
        (Obstacle::Tls, "SSL_CERT_FILE"),
        (Obstacle::Connection, "port 443"),
        (Obstacle::Time, "firewall"),
        (Obstacle::Broken, "proxy"),
    ] {
        let (check, exit) = after_in("reach", |organisation| {
            organisation.hosts[0].1 = Some(Unreached { obstacle, cause: "the cause".into() });
            organisation.login = None;
            organisation.token = None;
            organisation.view = None;
        });
        assert_eq!(exit, Exit::Unreachable);
        assert!(check.fix.as_ref().unwrap().contains(says), "{check:?}");
        assert!(check.what.contains("the cause"), "{check:?}");
    }
}

#[test]
fn a_missing_permission_is_named_and_an_unknown_one_is_said_to_be() {
    let with = |view: Result<(), Refused>, list: Result<Grants, Refused>| {
        after_in("permission", |organisation| {
            organisation.view = Some(view);
            organisation.grants = Some(list);
        })
    };
    let only = |action: &str| {
        grants(&format!(
            r#"{{"domain": "conversation", "entityName": "communication", "actions": ["{action}"]}}"#
        ))
    };
    let (view, exit) = with(Err(forbidden()), Ok(only("disconnect")));
    assert_eq!((exit, view.about.as_str()), (Exit::NotAllowed, "main conversation:communication:view"));
    assert!(view.fix.unwrap().contains("conversation > communication > view"));
    let (disconnect, exit) = with(Err(not_found()), Ok(only("view")));
    assert_eq!(
        (exit, disconnect.about.as_str()),
        (Exit::NotAllowed, "main conversation:communication:disconnect")
    );
    assert!(disconnect.fix.unwrap().contains("OAuth > closer > Roles"));
    // The list cannot be had, tells nothing, or contradicts what was seen: then nothing is claimed.
    let contradicting = grants(r#"{"domain": "routing", "entityName": "queue", "actions": ["view"]}"#);
    for list in [Err(forbidden()), Ok(Grants::default()), Ok(contradicting)] {
        let (unknown, exit) = with(Err(not_found()), list);
        assert_eq!((unknown.verdict, exit), (Verdict::NotChecked, Exit::Done));
        assert!(unknown.what.contains("cannot be tried without changing something"), "{unknown:?}");
        assert!(unknown.fix.unwrap().contains("look by hand"));
    }
}

#[test]
fn what_only_lookups_need_is_no_fault() {
    let (lookup, exit) =
        after_in("permission", |organisation| organisation.grants = Some(Ok(grants(CLOSER))));
    assert_eq!((lookup.verdict, exit), (Verdict::Warning, Exit::Done));
    assert!(lookup.what.contains("does not need it"), "{lookup:?}");
}

#[test]
fn divisions_and_conditions_of_a_role_are_told() {
    let with = |division: &str, condition: &str| {
        let body = format!(
            r#"{{"grants": [{{"division": {division}, "role": {{"policies": [{{"domain": "*", "entityName": "*",
                "actions": ["*"], "condition": "{condition}"}}]}}}}]}}"#
        );
        let list = serde_json::from_str(&body).unwrap();
        after_in("permission", |organisation| organisation.grants = Some(Ok(list))).0
    };
    let sales = with(r#"{"id": "d", "name": "Sales"}"#, "");
    assert_eq!(sales.verdict, Verdict::Ok);
    assert!(sales.what.contains("Sales"), "{sales:?}");
    assert_eq!(with(r#"{"id": "*"}"#, "userId == self").verdict, Verdict::Warning);
}

#[test]
fn clocks_that_differ_warn_from_30_s_and_are_wrong_from_300() {
    for (ours, verdict) in [
        ("2026-11-21T10:00:29Z", Verdict::Ok),
        ("2026-11-21T09:59:30Z", Verdict::Warning),
        ("2026-11-21T10:04:59Z", Verdict::Warning),
        ("2026-11-21T10:05:00Z", Verdict::Wrong(Fault::Machine)),
        ("2026-11-21T09:00:00Z", Verdict::Wrong(Fault::Machine)),
    ] {
        let mut changed = organisation();
        changed.clocks = Some(Clocks { theirs: time(NOW), ours: time(ours) });
        let mut findings = healthy();
        findings.online = Online::Asked(vec![changed]);
        let report = judge(&findings);
        let clock = report.0.iter().find(|check| check.name == "clock" && check.about == "main").unwrap();
        assert_eq!(clock.verdict, verdict, "{ours}");
    }
}

#[test]
fn limits_are_compared_with_what_is_configured() {
    let with = |requests, window| {
        after_in("limits", |organisation| organisation.requests = (requests, Duration::from_secs(window))).0
    };
    assert_eq!(with(300, 60).verdict, Verdict::Ok);
    let (over, none) = (with(100, 10), with(0, 60));
    assert_eq!((over.verdict, none.verdict), (Verdict::Warning, Verdict::Warning));
    assert_eq!(over.fix.as_deref(), Some("genesys.main.requests_per_minute = 300"));
    let (unread, exit) = after_in("limits", |organisation| organisation.limits = Some(Err(forbidden())));
    assert_eq!((unread.verdict, exit), (Verdict::NotChecked, Exit::Done));
    assert!(unread.what.contains("headers allow 300"), "{unread:?}");
}

#[test]
fn a_messenger_that_tells_guests_nothing_is_a_warning() {
    let with =
        |deployments| after_in("messenger", |organisation| organisation.deployments = Some(deployments)).0;
    let off = with(Ok(vec![deployment("Shop", Disconnect::ReadOnly), deployment("Help", Disconnect::Off)]));
    assert_eq!(off.verdict, Verdict::Warning);
    assert!(off.what.contains("off in Help:") && !off.what.contains("Shop"), "{off:?}");
    let mut asleep = deployment("Old", Disconnect::Off);
    asleep.status = Some("Inactive".into());
    assert_eq!(with(Ok(vec![deployment("Shop", Disconnect::Send), asleep])).verdict, Verdict::Ok);
    for unknown in [Err(forbidden()), Ok(Vec::new()), Ok(vec![deployment("Shop", Disconnect::Untold)])] {
        assert_eq!(with(unknown).verdict, Verdict::NotChecked);
    }
    assert!(with(Err(forbidden())).fix.unwrap().contains("webDeployments > deployment > view"));
}
