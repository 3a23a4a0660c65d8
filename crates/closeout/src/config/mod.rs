//! The configuration: flag over environment over file over default.
//!
//! ```text
//!  default ◄ alias ◄ profile of gc ◄ file ◄ GENESYSCLOUD_* ◄ CLOSEOUT_SECTION__KEY ◄ flag
//!     └────────┴──────────┴───────────┴───────────┴───────────────────┴─────────────┴──► Layers ──► Settings
//! ```
//!
//! Every key stands in one table ([`keys::KEYS`]); an unknown one is refused with a suggestion. Secrets are kept in types
//! that do not print.

mod callbacks;
pub mod confirm;
pub mod dialect;
pub mod duration;
pub mod environment;
pub mod file;
pub mod fingerprints;
pub mod hooks;
pub mod keys;
pub mod layers;
pub mod notifications;
pub mod origin;
pub mod reference;
mod scans;
pub mod secret;
pub mod settings;
pub mod sign_on;
pub mod source;
pub mod sqs;
pub mod tokens;
mod traces;

#[cfg(test)]
mod tests;

use std::path::Path;

use genesys_types::Organisation;
use tokens::Token;

pub use environment::Variables;
pub use layers::{FromCommandLine, Layers};
pub use origin::Problem;
pub use settings::Settings;

/// Reads the configuration of this process.
///
/// # Errors
///
/// Everything that is wrong with it, one sentence each.
pub fn load(cli: &FromCommandLine, variables: &Variables) -> Result<(Layers, Settings), Vec<Problem>> {
    let (layers, problems) = layers::gather_what_can_be_read(cli, variables)?;
    let settings = settings::read(&layers, variables);
    judge(layers, problems, settings)
}

/// Reads this text as [`load`] reads the file of a configuration, and takes these keys in place of those of `auth.tokens_file`.
///
/// # Errors
///
/// As [`load`].
pub fn load_text(
    path: &Path,
    text: &str,
    variables: &Variables,
    tokens: Vec<Token>,
) -> Result<(Layers, Settings), Vec<Problem>> {
    let (layers, problems) = layers::gather_text(path, text, variables)?;
    let settings = settings::read_with(&layers, variables, Some(tokens));
    judge(layers, problems, settings)
}

/// Which organisations there are, as the end of a sentence: those whose names can be used.
fn it_has(known: &[Organisation]) -> String {
    let names: Vec<_> = known.iter().map(Organisation::as_str).collect();
    match names.as_slice() {
        [] => "it has none whose name can be used".to_owned(),
        names => format!("it has {}", names.join(", ")),
    }
}

/// Tells what is wrong once, though it may be missed where it was read and where it was wanted.
fn judge(
    layers: Layers,
    mut problems: Vec<Problem>,
    settings: Result<Settings, Vec<Problem>>,
) -> Result<(Layers, Settings), Vec<Problem>> {
    let settings = settings.map_err(|found| {
        // A value of the wrong kind was told already; that it is missing therefore is no news.
        let path_of = |Problem(text): &Problem| {
            let (_, what) = text.split_once(": ")?;
            what.split(' ').next().filter(|path| keys::key_of(path).is_some()).map(str::to_owned)
        };
        let told: Vec<_> = problems.iter().filter_map(path_of).collect();
        let news =
            |Problem(text): &Problem| !text.split(' ').any(|word| told.iter().any(|path| path == word));
        found.into_iter().filter(news).collect::<Vec<_>>()
    });
    match settings {
        Ok(settings) if problems.is_empty() => return Ok((layers, settings)),
        Ok(_) => {}
        Err(found) => problems.extend(found),
    }
    Err(confirm::by_name(problems, &layers))
}
