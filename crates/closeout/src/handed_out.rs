//! Whatever the product and its documents tell somebody to type is taken by the command line.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Parser as _, error::ErrorKind};

use crate::cli::Cli;

const CLOSURE: &str = "cl_01jd5w3k9m2q8r7tb4x0y6z1ne";
const CONVERSATION: &str = "2f7bf00a-0fc2-4d6a-9b56-92238191433e";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files below a folder whose names end so.
fn files(folder: &Path, ends: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ends, found);
        } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            found.push(path);
        }
    }
}

/// What stands between an opening mark with `closeout ` behind it, and the next such mark.
fn between(text: &str, mark: char) -> Vec<String> {
    let begin = format!("{mark}closeout ");
    text.match_indices(&begin)
        .filter_map(|(at, _)| {
            let rest = &text[at + mark.len_utf8()..];
            let end = rest.char_indices().find(|(at, sign)| *sign == mark && !rest[..*at].ends_with('\\'));
            end.map(|(end, _)| rest[..end].replace("\\\"", "\"").replace("\\\n", ""))
        })
        .collect()
}

/// The words of a command as a shell splits them.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for sign in command.chars() {
        match quote {
            Some(open) if open == sign => quote = None,
            None if matches!(sign, '\'' | '"') => {
                quote = Some(sign);
                word.get_or_insert_default();
            }
            None if sign.is_whitespace() => words.extend(word.take()),
            Some(_) | None => word.get_or_insert_default().push(sign),
        }
    }
    words.extend(word);
    words
}

/// The command with something that fits in place of what the program or a reader puts in.
fn filled(command: &str) -> String {
    let id = match command.split(' ').nth(1) {
        Some("dead") => "dl_01jd5w3k9m2q8r7tb4x0y6z1ne",
        Some("deliveries") => "dv_01jd5w3k9m2q8r7tb4x0y6z1ne",
        Some("batch") => "bt_01jd5w3k9m2q8r7tb4x0y6z1ne",
        Some("close") => CONVERSATION,
        Some(_) | None => CLOSURE,
    };
    let mut filled = String::new();
    let mut rest = command;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}').unwrap_or((behind, ""));
        let value = match name {
            "name" | "act" => "retry",
            "command" => "list",
            "organisation" => "main",
            // The place of the configuration, where it is not the usual one.
            "flag" => "",
            _ if !before.ends_with(' ') => "",
            _ => id,
        };
        filled = filled + before + value;
        rest = after;
    }
    filled + rest
}

/// Why the command line does not take a command; nothing where it does.
fn refusal(command: &str) -> Option<clap::Error> {
    Cli::try_parse_from(words(&filled(command)))
        .err()
        .filter(|error| !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion))
}

/// A command that stands in prose may leave out its arguments, or name them as `ID`; what it has, there must be.
fn is_there(command: &str) -> bool {
    refusal(command).is_none_or(|error| {
        !matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand)
    })
}

#[test]
fn a_command_that_the_product_hands_out_is_taken_as_it_stands() {
    let mut found = Vec::new();
    for folder in ["http-api/src", "orchestrator/src", "batches/src", "ghost-report/src", "callbacks/src"] {
        files(&root().join("crates").join(folder), &[".rs"], &mut found);
    }
    let (mut seen, mut wrong) = (0, Vec::new());
    // What tests look for is often the beginning of a command.
    let is_test = |path: &&PathBuf| path.strip_prefix(root()).unwrap().to_string_lossy().contains("/tests");
    for path in found.iter().filter(|path| !is_test(path)) {
        for command in between(&fs::read_to_string(path).unwrap(), '"') {
            seen += 1;
            if let Some(error) = refusal(&command) {
                wrong.push(format!("{}: {command}\n{error}", path.display()));
            }
        }
    }
    assert!(seen >= 8, "the commands of an explanation were not found: {seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_command_in_prose_is_there_with_its_flags() {
    let mut found = vec![root().join("README.md")];
    files(&root().join("docs"), &[".md"], &mut found);
    files(&root().join("crates"), &[".rs"], &mut found);
    files(&root().join("crates/http-api/src/openapi/examples"), &[".json"], &mut found);
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in found.iter().filter(|path| !path.ends_with("handed_out.rs")) {
        for command in between(&fs::read_to_string(path).unwrap(), '`') {
            // What a pipe or a file takes is no longer this command.
            let command = command.split(" | ").next().unwrap_or_default();
            let command = command.split(" >>").next().unwrap_or_default();
            let command = command.strip_suffix(" …").unwrap_or(command);
            seen += 1;
            if !is_there(command) {
                wrong.push(format!("{}: {command}", path.display()));
            }
        }
    }
    assert!(seen >= 50, "{seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_not_there_is_seen() {
    assert!(refusal("closeout outgoing resume --organisation {organisation}").is_none());
    assert!(refusal("closeout force {id} --reason \"…\"").is_none());
    assert!(refusal("closeout watch {next} --frob").is_some());
    assert!(is_there("closeout close"));
    assert!(!is_there("closeout close --frob") && !is_there("closeout lits"));
    assert_eq!(words("a --b='c d' \"\""), ["a", "--b=c d", ""]);
    assert_eq!(between("x `closeout get a` y `closeout b`", '`'), ["closeout get a", "closeout b"]);
}
