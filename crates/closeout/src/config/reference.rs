//! The file with every key, its default and one comment: `config/closeout.toml`, and what `config init` writes, in which
//! only that counts which must be decided.

use std::fmt::Write as _;

use super::keys::{Form, KEYS, Key, SECTIONS};

/// The longest line.
const WIDTH: usize = 120;

/// The column of the comments beside short lines.
const COMMENTS_AT: usize = 42;

/// Writes the file with every key, `config/closeout.toml`. Keys without a default are commented out.
#[cfg(test)]
pub fn file() -> String {
    let head = "# Configuration of Closeout: every key with its default.\n\
                # What is commented out has no default, or shows one table of several.\n";
    written(head, |key, in_list| {
        let value = key.default.unwrap_or(key.example);
        entry(key, value, !in_list && key.default.is_some())
    })
}

/// The keys that a new file sets: both name files beside it, which a default would look for in the folder in which the
/// program runs.
const SET_IN_NEW: [&str; 2] = ["store.url", "auth.tokens_file"];

/// Writes the file for a new service: nearly everything is commented out, so that later versions can better the defaults.
pub fn new_file() -> String {
    let head = "# Configuration of Closeout. What must be decided is genesys.main.region, here or as GENESYSCLOUD_REGION.\n\
                # What is commented out shows its default, or an example; take the # away to change it.\n";
    written(head, |key, _| entry(key, key.default.unwrap_or(key.example), SET_IN_NEW.contains(&key.path)))
}

fn written(head: &str, line: impl Fn(&Key, bool) -> String) -> String {
    let mut text = String::from(head);
    text.push_str(
        "#\n\
         # A flag outranks the environment, the environment this file, this file the defaults. Any key can stand in\n\
         # the environment as CLOSEOUT_SECTION__KEY, for example CLOSEOUT_SERVER__LISTEN, and a secret also in a file\n\
         # that CLOSEOUT_SECTION__KEY_FILE names. `closeout config show --origin` tells where each value came from.\n\
         # Durations: 500ms, 20s, 5m, 72h, 30d. A relative path is meant from the folder of this file.\n",
    );
    for (section, about) in SECTIONS {
        let is_list =
            matches!(section, "callback.*" | "confirm.*" | "console.oidc.grant.*" | "scan.*" | "source.*");
        let heading = match section {
            "genesys.*" => "[genesys.main]".to_owned(),
            _ if is_list => format!("# [[{}]]", section.trim_end_matches(".*")),
            _ => format!("[{section}]"),
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n# {}\n{heading}\n", wrapped(about));
        for key in KEYS.iter().filter(|key| key.section() == section) {
            text.push_str(&line(key, is_list));
        }
    }
    text
}

fn wrapped(about: &str) -> String {
    let mut lines = vec![String::new()];
    for word in about.split(' ') {
        let last = lines.last_mut().expect("there is a first line");
        if last.len() + word.len() > 110 {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.join("\n# ")
}

fn entry(key: &Key, value: &str, counts: bool) -> String {
    let value = match key.form {
        Form::Count(..) | Form::Flag | Form::Secrets | Form::Texts => value.to_owned(),
        Form::Text | Form::Duration | Form::Choice(_) | Form::WrapUp | Form::Secret => format!("\"{value}\""),
    };
    let mark = if counts { "" } else { "# " };
    let line = format!("{mark}{} = {value}", key.name());
    let beside = format!("{line:<COMMENTS_AT$} # {}", key.comment);
    if beside.chars().count() <= WIDTH {
        format!("{beside}\n")
    } else {
        format!("# {}\n{line}\n", key.comment)
    }
}
