//! The commands that the pages for operators tell are those of the program.

use std::{collections::BTreeSet, fs, path::Path};

use closeout_tests::run;

const PAGES: [&str; 2] = ["docs/operations.md", "docs/scaling.md"];

/// The commands of a page: what follows `closeout ` up to the end of the code.
fn commands(page: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(page);
    let text = fs::read_to_string(path).unwrap();
    let mut found = BTreeSet::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            let line = line.split(" #").next().unwrap();
            found.extend(
                line.split("&&").map(|command| command.trim().trim_end_matches('&').trim().to_owned()),
            );
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    let command = |text: String| {
        text.strip_prefix("closeout ").map(|rest| rest.split(" >>").next().unwrap().to_owned())
    };
    found.into_iter().filter_map(command).collect()
}

#[test]
fn commands_for_operators_exist_with_the_flags_they_are_told_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for page in PAGES {
        for command in commands(page) {
            let is_name = |word: &&str| {
                word.chars().all(|sign| sign.is_ascii_lowercase() || sign == '-') && !word.starts_with('-')
            };
            let names: Vec<&str> = command.split_whitespace().take_while(is_name).collect();
            if names.is_empty() {
                continue;
            }
            let help = run(folder.path(), &[names.as_slice(), &["--help"]].concat(), &[]);
            assert_eq!(help.code, 0, "{page}: closeout {command}: {}", help.stderr);
            for flag in command.split_whitespace().filter(|word| word.starts_with('-')) {
                assert!(help.stdout.contains(flag), "{page}: closeout {command} has no {flag}");
            }
            tried += 1;
        }
    }
    assert!(tried > 20, "only {tried} commands were found");
}
