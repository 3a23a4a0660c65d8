//! Asking before something is done to many.

use std::io::{BufRead as _, IsTerminal as _};

use crate::output::{Voice, spelt_out};

/// Whether somebody is there to be asked. Ids that come from stdin leave no stdin to answer from.
pub fn can_be_asked(voice: &Voice) -> bool {
    voice.asks && std::io::stdin().is_terminal()
}

/// Asks, and waits for the answer beside the rest, so that Ctrl-C still ends the program.
pub async fn agrees(question: String) -> bool {
    let answer = tokio::task::spawn_blocking(move || {
        eprint!("{} [y/N] ", spelt_out(&question));
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    matches!(answer.await, Ok(Ok(answer)) if matches!(answer.trim(), "y" | "Y" | "yes"))
}
