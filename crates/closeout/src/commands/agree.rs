//! Asking before something is done to many, and for the reason of an act that needs one.

use std::io::{BufRead as _, IsTerminal as _};

use crate::{
    exit::{Exit, Failure},
    output::{Voice, spelt_out},
};

/// Whether somebody is there to be asked. Ids that come from stdin leave no stdin to answer from.
pub fn can_be_asked(voice: &Voice) -> bool {
    voice.asks && std::io::stdin().is_terminal()
}

/// Goes on once somebody agrees. Where nobody can be asked, the command line needs `--yes`.
///
/// # Errors
///
/// When nobody agrees, or can be asked: nothing is done.
pub async fn or_nothing(what: &str, voice: &Voice) -> Result<(), Failure> {
    if !can_be_asked(voice) {
        return Err(needs_yes(what));
    }
    let answer = ask(format!("{}? [y/N] ", capitalised(what))).await;
    agreed(answer.as_deref())
}

/// The operator's words: those of the command line, or what is answered at a terminal.
///
/// # Errors
///
/// When there are none: nothing is done.
pub async fn reason(said: Option<&str>, command: &str, voice: &Voice) -> Result<String, Failure> {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    if let Some(reason) = said.and_then(given) {
        return Ok(reason);
    }
    let answer = if can_be_asked(voice) { ask(format!("Why {command}? ")).await } else { None };
    answer.as_deref().and_then(given).ok_or_else(|| needs_reason(command))
}

fn needs_yes(what: &str) -> Failure {
    Failure::usage(format!("{what} needs --yes; nothing was done"))
}

fn needs_reason(command: &str) -> Failure {
    Failure::usage(format!("{command} needs --reason: it is kept in the audit; nothing was done"))
        .fix("add --reason \"…\" with why, for those who wonder later")
}

/// Whoever says no has not erred: what was asked for is called off.
fn agreed(answer: Option<&str>) -> Result<(), Failure> {
    match answer.map(str::trim) {
        Some("y" | "Y" | "yes") => Ok(()),
        Some(_) | None => Err(Failure::new(Exit::Failed, "called off: nothing was done")),
    }
}

fn capitalised(what: &str) -> String {
    let mut letters = what.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// Asks, and waits for the answer beside the rest, so that Ctrl-C still ends the program.
async fn ask(question: String) -> Option<String> {
    let answer = tokio::task::spawn_blocking(move || {
        eprint!("{}", spelt_out(&question));
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    answer.await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_is_no_mistake_of_the_command_line() {
        for yes in ["y\n", "Y", "yes\n"] {
            assert_eq!(agreed(Some(yes)), Ok(()));
        }
        for no in [Some("n\n"), Some(""), Some("yesterday"), None] {
            let failure = agreed(no).unwrap_err();
            assert_eq!(
                (failure.exit, failure.message.as_str()),
                (Exit::Failed, "called off: nothing was done")
            );
        }
    }

    #[tokio::test]
    async fn what_would_be_asked_is_a_mistake_where_nobody_can_be_asked() {
        let silent = Voice { asks: false, ..Voice::default() };
        let failure = or_nothing("closing 40 conversations", &silent).await.unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.starts_with("closing 40 conversations needs --yes"), "{failure}");
        assert_eq!(reason(Some(" a look "), "outgoing pause", &silent).await.as_deref(), Ok("a look"));
        for nothing in [None, Some(""), Some("  ")] {
            let failure = reason(nothing, "outgoing pause", &silent).await.unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.to_string().contains("outgoing pause needs --reason"), "{failure}");
        }
    }
}
