//! What is said of a command that there is not: the one that was probably meant.

use clap::{
    Command, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// How alike two names must be (Jaro-Winkler) for one to be suggested. Found by trying slips: `batch` is 0.78 like `watch`.
const ALIKE: f64 = 0.8;

/// The same error with one suggestion at most, the nearest.
pub fn explain(mut error: Error, command: &Command, arguments: &[String]) -> Error {
    if error.kind() == ErrorKind::UnknownArgument {
        // No id begins with two dashes, so the advice to pass a slip of a flag as a value is never right.
        error.remove(ContextKind::Suggested);
    }
    if error.kind() == ErrorKind::MissingRequiredArgument {
        return with_other_ways(error, &command_of(command, arguments));
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    if error.kind() != ErrorKind::InvalidSubcommand {
        return error;
    }
    let unknown = unknown.clone();
    let near = nearest(group_of(command, arguments, &unknown), &unknown)
        .map(|name| ContextValue::Strings(vec![name]));
    error.remove(ContextKind::SuggestedSubcommand);
    if let Some(near) = near {
        error.insert(ContextKind::SuggestedSubcommand, near);
    }
    error
}

/// The arguments of which one is needed, and which others do instead; clap tells of the first alone.
const OTHER_WAYS: [(&str, &str, &str); 8] = [
    ("close", "<ID>...", "--file <FILE>, --external-id <TEXT>, --attribute <NAME=VALUE>"),
    ("retry", "<ID>...", "--filter <NAME=VALUE,…>"),
    ("cancel", "<ID>...", "--filter <NAME=VALUE,…>"),
    ("verify", "<ID>...", "--filter <NAME=VALUE,…>"),
    ("force", "<ID>...", "--filter <NAME=VALUE,…>"),
    ("resolve", "<ID>...", "--filter <NAME=VALUE,…>"),
    ("snooze", "--until <TIME>", "--for <TIME>"),
    ("batch preview", "<FILE>", "--state, --reason, --label and the other filters"),
];

/// The same error with the other ways to give what is missing.
fn with_other_ways(mut error: Error, command: &str) -> Error {
    let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else { return error };
    let other = |missing: &String| {
        let way = OTHER_WAYS.iter().find(|(of, argument, _)| *of == command && argument == missing);
        way.map_or_else(|| missing.clone(), |(_, _, others)| format!("{missing}, or {others}"))
    };
    let told = missing.iter().map(other).collect();
    error.insert(ContextKind::InvalidArg, ContextValue::Strings(told));
    error
}

/// The words of the command that is meant, such as `batch preview`.
fn command_of(command: &Command, arguments: &[String]) -> String {
    let (mut group, mut words) = (command, Vec::new());
    for argument in arguments.iter().skip(1) {
        if let Some(sub) = group.find_subcommand(argument) {
            words.push(sub.get_name());
            group = sub;
        }
    }
    words.join(" ")
}

/// The command under which the unknown one was looked for.
fn group_of<'a>(command: &'a Command, arguments: &[String], unknown: &str) -> &'a Command {
    let before = arguments.iter().take_while(|argument| *argument != unknown);
    before.fold(command, |group, argument| group.find_subcommand(argument).unwrap_or(group))
}

fn nearest(group: &Command, unknown: &str) -> Option<String> {
    group
        .get_subcommands()
        .map(Command::get_name)
        .map(|name| (strsim::jaro_winkler(unknown, name), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::cli::Cli;

    fn told(line: &[&str]) -> String {
        let arguments: Vec<String> =
            std::iter::once("closeout").chain(line.iter().copied()).map(str::to_owned).collect();
        let error = Cli::try_parse_from(&arguments).unwrap_err();
        explain(error, &Cli::command(), &arguments).to_string()
    }

    #[test]
    fn what_is_missing_is_told_with_the_other_ways_to_give_it() {
        for (line, ways) in [
            (&["close"][..], &["<ID>...", "--file", "--external-id", "--attribute"][..]),
            (&["-q", "retry"], &["<ID>...", "--filter"]),
            (&["resolve", "--reason", "seen"], &["<ID>...", "--filter"]),
            (&["snooze", "cl_1"], &["--until", "--for"]),
            (&["batch", "preview"], &["<FILE>", "--state"]),
        ] {
            let said = told(line);
            let (missing, _) = said.split_once("Usage:").unwrap();
            assert!(ways.iter().all(|way| missing.contains(way)), "{line:?}: {said}");
        }
        for (name, missing, others) in OTHER_WAYS {
            let command = Cli::command();
            let words = name.split(' ');
            let sub = words.fold(&command, |group, word| group.find_subcommand(word).unwrap());
            let flags = others.split([' ', ',']).chain([missing.split(' ').next().unwrap()]);
            for flag in flags.filter_map(|word| word.strip_prefix("--")) {
                assert!(sub.get_arguments().any(|known| known.get_long() == Some(flag)), "{name} --{flag}");
            }
        }
    }

    #[test]
    fn the_nearest_command_is_suggested_and_no_other() {
        for (line, meant) in [
            (&["ghost"][..], "'ghosts'"),
            (&["lits"], "'list'"),
            (&["ghosts", "sumary"], "'summary'"),
            (&["--no-color", "sim", "conversaton"], "'conversation'"),
        ] {
            let said = told(line);
            assert!(said.contains(&format!("a similar subcommand exists: {meant}")), "{said}");
        }
        let said = told(&["close", "--frob"]);
        assert!(said.contains("'--frob'") && !said.contains("as a value"), "{said}");
        let said = told(&["frobnicate"]);
        assert!(said.contains("'frobnicate'") && !said.contains("tip:"), "{said}");
    }
}
