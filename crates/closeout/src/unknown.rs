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
