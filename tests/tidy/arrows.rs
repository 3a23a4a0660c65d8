//! Arrows between our crates go down only. A new arrow changes this table; think before you change it.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// What each crate may use of ours, in the order of the layers. Tests of a crate may also use what stands under `tests`.
const ARROWS: &[(&str, &[&str])] = &[
    ("shown-text", &[]),
    ("genesys-types", &[]),
    ("webhook-signature", &[]),
    ("closure-machine", &["genesys-types"]),
    ("event-bodies", &["closure-machine", "genesys-types"]),
    ("genesys-client", &["genesys-types", "shown-text"]),
    ("store", &[]),
    ("queue", &[]),
    ("queue-nats", &["queue"]),
    ("queue-sqs", &["queue"]),
    ("queue-kafka", &["queue"]),
    ("store-sqlite", &["store"]),
    ("store-postgres", &["store"]),
    ("queue-amqp", &["queue"]),
    ("http-listener", &[]),
    ("orchestrator", &["closure-machine", "genesys-client", "genesys-types", "store"]),
    ("evidence-log", &["genesys-types", "orchestrator"]),
    ("evidence-sqs", &["closure-machine", "event-bodies", "evidence-log", "genesys-types", "orchestrator"]),
    (
        "notification-socket",
        &[
            "closure-machine",
            "event-bodies",
            "evidence-log",
            "genesys-client",
            "genesys-types",
            "orchestrator",
        ],
    ),
    (
        "webhook-receiver",
        &[
            "closure-machine",
            "event-bodies",
            "evidence-log",
            "genesys-types",
            "orchestrator",
            "webhook-signature",
        ],
    ),
    ("ghost-report", &["shown-text"]),
    ("intake", &["callbacks", "closure-machine", "genesys-types", "orchestrator", "queue", "store"]),
    ("batches", &["closure-machine", "genesys-types", "orchestrator", "shown-text", "store"]),
    ("callbacks", &["genesys-types", "orchestrator", "store", "webhook-signature"]),
    ("traces", &["genesys-types", "orchestrator", "store"]),
    (
        "http-api",
        &[
            "batches",
            "callbacks",
            "closure-machine",
            "genesys-types",
            "ghost-report",
            "intake",
            "orchestrator",
            "shown-text",
            "store",
        ],
    ),
    ("console-oidc", &["shown-text"]),
    (
        "simulation",
        &[
            "callbacks",
            "closure-machine",
            "genesys-client",
            "genesys-types",
            "intake",
            "orchestrator",
            "queue",
            "store",
            "webhook-receiver",
            "webhook-signature",
        ],
    ),
    ("operator-console", &["ghost-report"]),
    ("genesys-simulator", &["webhook-signature"]),
    (
        "closeout",
        &[
            "batches",
            "callbacks",
            "closure-machine",
            "console-oidc",
            "evidence-log",
            "evidence-sqs",
            "genesys-client",
            "genesys-simulator",
            "genesys-types",
            "ghost-report",
            "http-api",
            "http-listener",
            "intake",
            "notification-socket",
            "operator-console",
            "orchestrator",
            "queue",
            "queue-amqp",
            "queue-kafka",
            "queue-nats",
            "queue-sqs",
            "shown-text",
            "store",
            "store-postgres",
            "store-sqlite",
            "traces",
            "webhook-receiver",
            "webhook-signature",
        ],
    ),
    ("closeout-bench", &[]),
    ("closeout-tests", &["genesys-simulator", "webhook-signature"]),
    ("genesys-client-tests", &[]),
    ("orchestrator-tests", &[]),
];

/// Crates that neither wait, read a clock nor log: what they may use of others.
const PURE: &[(&str, &[&str])] = &[
    ("shown-text", &[]),
    ("genesys-types", &["uuid"]),
    ("closure-machine", &[]),
    ("event-bodies", &["jiff", "serde", "serde_json"]),
    ("ghost-report", &["askama", "jiff", "serde_json", "shown-text"]),
    ("webhook-signature", &["base64", "hmac", "secrecy", "sha2", "subtle"]),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The dependencies of each of our crates, those for its tests left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let normal = |dependency: &&Value| dependency["kind"].is_null();
    let name = |dependency: &Value| dependency["name"].as_str().unwrap().to_owned();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let uses = package["dependencies"].as_array().unwrap().iter().filter(normal).map(name).collect();
            (package["name"].as_str().unwrap().to_owned(), uses)
        })
        .collect()
}

#[test]
fn every_crate_has_its_line_in_the_page_of_the_architecture() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md")).unwrap();
    let table: String = page.lines().filter(|line| line.starts_with("| ")).collect();
    // Those beside the product stand there by their folders.
    let folder = |name: &'static str| name.strip_prefix("closeout-").unwrap_or(name);
    let names = ARROWS.iter().map(|(name, _)| folder(name));
    let missing: Vec<_> = names.filter(|name| !table.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md says nothing of {missing:?}");
}

#[test]
fn crates_use_only_what_lies_below_them() {
    let found = dependencies();
    let ours: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    let listed: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(ours, listed, "every crate of the workspace stands in the table");
    for (name, allowed) in ARROWS {
        let uses: BTreeSet<&str> =
            found[*name].iter().map(String::as_str).filter(|uses| ours.contains(uses)).collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let beyond: Vec<_> = uses.difference(&allowed).collect();
        assert!(beyond.is_empty(), "{name} may not use {beyond:?}");
        let unused: Vec<_> = allowed.difference(&uses).collect();
        assert!(unused.is_empty(), "{name} does not use {unused:?}: take the arrow out of the table");
    }
}

#[test]
fn the_table_has_no_circle() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for name in arrows.keys() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&str> = arrows[name].to_vec();
        while let Some(below) = next.pop() {
            assert_ne!(below, *name, "{name} uses itself");
            if seen.insert(below) {
                next.extend(arrows[below]);
            }
        }
    }
}

#[test]
fn pure_crates_use_nothing_that_waits_or_speaks() {
    let found = dependencies();
    for (name, allowed) in PURE {
        let ours = |uses: &str| ARROWS.iter().any(|(ours, _)| *ours == uses);
        let beyond: Vec<_> =
            found[*name].iter().filter(|uses| !allowed.contains(&uses.as_str()) && !ours(uses)).collect();
        assert!(beyond.is_empty(), "{name} is pure and uses {beyond:?}");
    }
}

#[test]
fn a_crate_is_named_as_its_folder() {
    for package in metadata()["packages"].as_array().unwrap() {
        let (name, manifest) =
            (package["name"].as_str().unwrap(), package["manifest_path"].as_str().unwrap());
        let mut folders = manifest.rsplit('/').skip(1);
        let folder = folders.next().unwrap();
        // The tests of a crate that are a package of their own stand in its folder.
        let of_a_crate = name.strip_suffix("-tests").filter(|crate_| folders.next() == Some(crate_));
        let name_of_folder =
            of_a_crate.map_or_else(|| folder.to_owned(), |crate_| format!("{crate_}-{folder}"));
        assert_eq!(
            name.trim_start_matches("closeout-"),
            name_of_folder.trim_start_matches("closeout-"),
            "{manifest}"
        );
        if let Some(dependencies) = package["dependencies"].as_array() {
            for dependency in dependencies {
                let pinned_here = dependency["source"].is_null() || dependency["req"] != "*";
                assert!(pinned_here, "{name} takes any version of {}", dependency["name"]);
            }
        }
    }
}
