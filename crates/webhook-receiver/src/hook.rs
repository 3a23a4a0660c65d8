//! One configured hook.

use std::{error::Error, fmt};

use genesys_types::Organisation;
use webhook_signature::WebhookSignature;

use crate::Decoder;

/// Longest name of a hook in bytes; it is a part of a path and a label of metrics.
const MAX_NAME_BYTES: usize = 64;

/// One configured hook: `POST /hooks/{name}`.
#[derive(Debug)]
pub struct Hook {
    /// Its name: 1 to 64 of `a-z`, `0-9`, `-` and `_`. Listings call it the adapter.
    pub name: String,
    /// The organisation whose closures its events may move.
    pub organisation: Organisation,
    /// How deliveries prove themselves, and the secrets for it.
    pub signature: WebhookSignature,
    /// The form of the bodies.
    pub decoder: Decoder,
}

/// Why hooks cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidHook {
    /// A name that cannot stand in a path.
    Name(String),
    /// Two hooks have this name.
    NameTwice(String),
    /// A hook belongs to an organisation that is not configured.
    UnknownOrganisation {
        /// The hook.
        hook: String,
        /// The organisation that it names.
        organisation: Organisation,
    },
}

impl fmt::Display for InvalidHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(
                f,
                "a hook cannot be called {name:?}: a name has 1 to {MAX_NAME_BYTES} characters, each of a-z, 0-9, - and _"
            ),
            Self::NameTwice(name) => write!(f, "two hooks are called {name}"),
            Self::UnknownOrganisation { hook, organisation } => {
                write!(
                    f,
                    "the hook {hook} belongs to the organisation {organisation}, which is not configured"
                )
            }
        }
    }
}

impl Error for InvalidHook {}

/// Checks what can only be checked with all hooks in sight.
pub(crate) fn check(hooks: &[Hook], organisations: &[Organisation]) -> Result<(), InvalidHook> {
    for (index, hook) in hooks.iter().enumerate() {
        if !is_name(&hook.name) {
            return Err(InvalidHook::Name(hook.name.clone()));
        }
        if hooks[..index].iter().any(|other| other.name == hook.name) {
            return Err(InvalidHook::NameTwice(hook.name.clone()));
        }
        if !organisations.contains(&hook.organisation) {
            return Err(InvalidHook::UnknownOrganisation {
                hook: hook.name.clone(),
                organisation: hook.organisation.clone(),
            });
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use webhook_signature::Scheme;

    use super::*;

    fn hook(name: &str) -> Hook {
        Hook {
            name: name.to_owned(),
            organisation: "main".parse().unwrap(),
            signature: WebhookSignature::new(Scheme::Unsigned, Vec::new()).unwrap(),
            decoder: Decoder::Auto,
        }
    }

    #[test]
    fn hooks_have_names_of_their_own_and_known_organisations() {
        let main: Organisation = "main".parse().unwrap();
        let known = [main.clone()];
        assert_eq!(check(&[hook("a"), hook("b-2_c")], &known), Ok(()));
        assert_eq!(check(&[hook("a"), hook("a")], &known), Err(InvalidHook::NameTwice("a".into())));
        for name in ["", "A", "a/b", "ä", "a b", &"x".repeat(65)] {
            assert_eq!(check(&[hook(name)], &known), Err(InvalidHook::Name(name.to_owned())));
        }
        assert_eq!(
            check(&[hook("a")], &[]),
            Err(InvalidHook::UnknownOrganisation { hook: "a".into(), organisation: main })
        );
    }
}
