//! What every file keeps.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The longest file. About 300 lines are usual; beyond 600 there is a second subject in it.
const LONGEST_FILE: usize = 600;

const FOLDERS: [&str; 7] = ["bench", "config", "crates", "docs", "fuzz", "scripts", "tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn files(ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<_> =
        FOLDERS.iter().map(|folder| root().join(folder)).filter(|path| path.is_dir()).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !matches!(name.as_str(), "target" | "node_modules" | "fixtures" | ".venv") {
                folders.push(path);
            } else if path.is_file() && name.ends_with(ending) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no file ends in {ending}");
    found
}

#[test]
fn no_file_is_longer_than_its_subject() {
    for (path, text) in files(".rs") {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
    }
}

#[test]
fn every_source_file_begins_by_saying_what_it_is() {
    for (path, text) in files(".rs") {
        let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
        assert!(first.starts_with("//! "), "{} begins with {first:?}", path.display());
    }
}

#[test]
fn nothing_is_left_unfinished_or_switched_off() {
    let unfinished = ["todo!", "unimplemented!", "#[ignore", "dbg!"].map(|word| word.to_owned() + "(");
    for (path, text) in files(".rs") {
        if path.ends_with("tidy/files.rs") {
            continue;
        }
        for word in unfinished.iter().map(String::as_str).chain(["#[ignore]", "FIXME"]) {
            assert!(!text.contains(word), "{} holds {word}", path.display());
        }
    }
}

#[test]
fn signatures_are_never_made_around_the_check_of_their_secrets() {
    for (path, text) in files(".rs") {
        let allowed = path.components().any(|part| part.as_os_str() == "webhook-signature")
            || path.ends_with("files.rs");
        assert!(allowed || !text.contains("with_keys_of_published_vectors"), "{}", path.display());
    }
}

/// The tests of this package are left out of those of every crate, as they take long or need servers.
#[test]
fn the_test_command_names_every_suite_and_every_test_of_processes() {
    let script = fs::read_to_string(root().join("scripts/test")).unwrap();
    let rows = script.lines().find(|line| line.starts_with("rows=(")).unwrap();
    let named = |name: &str| {
        rows.split([' ', '"', '(', ')']).any(|word| word == name)
            || script.contains(&format!("--test {name}\n"))
    };
    let manifest = fs::read_to_string(root().join("tests/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let tests =
        manifest["test"].as_array().unwrap().iter().map(|test| test["name"].as_str().unwrap().to_owned());
    let folders = fs::read_dir(root().join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let suites = folders.filter(|path| path.join("run").is_file());
    let suites = suites.map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    let all: Vec<_> = tests.chain(suites).collect();
    assert!(all.len() > 15, "{all:?}");
    for name in all {
        assert!(named(&name), "scripts/test does not run {name}");
    }
}
