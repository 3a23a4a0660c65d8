//! What is said of a command that there is not: the one that was probably meant, or that this version does not have it.

use clap::{
    Command, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::exit::Failure;

/// Commands whose names are taken by later versions, and what can be done instead.
const ABSENT: [(&str, &str); 1] = [("man", "every command has --help")];

/// How alike two names must be (Jaro-Winkler) for one to be suggested. Found by trying slips: `batch` is 0.78 like `watch`.
const ALIKE: f64 = 0.8;

/// The same error with one suggestion at most, the nearest; or what to do instead of a command that this version has not.
///
/// # Errors
///
/// Always: with the failure to tell in place of the error, where there is one.
pub fn explain(mut error: Error, command: &Command, arguments: &[String]) -> Result<Error, Failure> {
    if error.kind() == ErrorKind::UnknownArgument {
        // No id begins with two dashes, so the advice to pass a slip of a flag as a value is never right.
        error.remove(ContextKind::Suggested);
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidSubcommand) else {
        return Ok(error);
    };
    if error.kind() != ErrorKind::InvalidSubcommand {
        return Ok(error);
    }
    let unknown = unknown.clone();
    let (group, path) = group_of(command, arguments, &unknown);
    if let Some((name, instead)) = ABSENT.iter().find(|(name, _)| *name == path) {
        return Err(Failure::usage(format!("closeout {name} is not part of this version")).fix(*instead));
    }
    let near = nearest(group, &unknown).map(|name| ContextValue::Strings(vec![name]));
    error.remove(ContextKind::SuggestedSubcommand);
    if let Some(near) = near {
        error.insert(ContextKind::SuggestedSubcommand, near);
    }
    Ok(error)
}

/// The command under which the unknown one was looked for, and the unknown one's whole path.
fn group_of<'a>(command: &'a Command, arguments: &[String], unknown: &str) -> (&'a Command, String) {
    let mut group = command;
    let mut path = String::new();
    for argument in arguments.iter().take_while(|argument| *argument != unknown) {
        if let Some(sub) = group.find_subcommand(argument) {
            group = sub;
            path.push_str(argument);
            path.push(' ');
        }
    }
    path.push_str(unknown);
    (group, path)
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
        match explain(error, &Cli::command(), &arguments) {
            Ok(error) => error.to_string(),
            Err(failure) => failure.to_string(),
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

    #[test]
    fn a_command_of_a_later_version_is_named_as_such() {
        for (name, _) in ABSENT {
            let line: Vec<_> = name.split(' ').collect();
            let said = told(&line);
            assert!(
                said.starts_with(&format!("error: closeout {name} is not part of this version\n  fix: ")),
                "{said}"
            );
        }
    }
}
