//! The keys of producers and operators: `tokens.toml`, which holds their SHA-256 and never the keys.

use std::{fmt, path::Path, str::FromStr as _};

use genesys_types::Organisation;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::origin::Problem;

/// What a key may do.
pub const ROLES: [&str; 4] = ["submit", "read", "operate", "admin"];

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Whose it is.
    pub name: String,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// What it may do: one of [`ROLES`].
    pub role: String,
    /// For which organisations.
    pub organisations: Vec<Organisation>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: toml::Spanned<String>,
    sha256: String,
    role: String,
    organisations: Vec<String>,
}

/// Reads the file.
///
/// # Errors
///
/// One sentence for each thing that is wrong with it.
pub fn read(path: &Path, known: &[Organisation]) -> Result<Vec<Token>, Vec<Problem>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::NotFound {
            "; `closeout config init` writes one with a fresh key"
        } else {
            ""
        };
        vec![Problem(format!("auth.tokens_file {} cannot be read: {error}{hint}", path.display()))]
    })?;
    parse(path, &text, known)
}

fn parse(path: &Path, text: &str, known: &[Organisation]) -> Result<Vec<Token>, Vec<Problem>> {
    let shown = path.display();
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        vec![Problem(format!("{shown}, line {line}: {}", error.message().replace('\n', "; ")))]
    })?;
    let mut problems = Vec::new();
    let mut tokens: Vec<Token> = Vec::new();
    for entry in file.token {
        let place = format!("{shown}, line {}", line_of(text, entry.name.span().start));
        let name = entry.name.get_ref();
        match token(&entry, known) {
            Ok(token) if tokens.iter().any(|other| other.sha256 == token.sha256) => {
                problems.push(Problem(format!("{place}: the key {name:?} stands there twice")));
            }
            Ok(token) => tokens.push(token),
            Err(found) => {
                problems.extend(found.iter().map(|why| Problem(format!("{place}: key {name:?}: {why}"))));
            }
        }
    }
    if tokens.is_empty() && problems.is_empty() {
        problems.push(Problem(format!("{shown} has no [[token]]: nobody could use the service")));
    }
    if problems.is_empty() { Ok(tokens) } else { Err(problems) }
}

fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Reads one entry, or says everything that is wrong with it.
fn token(entry: &Entry, known: &[Organisation]) -> Result<Token, Vec<String>> {
    let mut wrong = Vec::new();
    let name = entry.name.get_ref().clone();
    if name.is_empty() {
        wrong.push("the name is empty".to_owned());
    }
    let sha256 = digest_of_hex(&entry.sha256);
    if sha256.is_none() {
        wrong.push("sha256 must be the 64 hex digits of the key's SHA-256, never the key itself".to_owned());
    }
    if !ROLES.contains(&entry.role.as_str()) {
        wrong.push(format!("the role {:?} is not known; choose one of {}", entry.role, ROLES.join(", ")));
    }
    if entry.organisations.is_empty() {
        wrong.push("organisations is empty, so the key would open nothing".to_owned());
    }
    let mut organisations = Vec::new();
    for text in &entry.organisations {
        match Organisation::from_str(text) {
            Ok(organisation) if known.contains(&organisation) => organisations.push(organisation),
            Ok(_) => wrong.push(format!("the organisation {text:?} is not configured")),
            Err(error) => wrong.push(format!("the organisation {text:?} is no name: {error}")),
        }
    }
    match sha256 {
        Some(sha256) if wrong.is_empty() => {
            Ok(Token { name, sha256, role: entry.role.clone(), organisations })
        }
        Some(_) | None => Err(wrong),
    }
}

fn digest_of_hex(text: &str) -> Option<[u8; 32]> {
    let text = text.as_bytes();
    if text.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(digest)
}

/// Makes a fresh key: `ck_` and 64 hex digits, 244 bits of which are random.
pub fn fresh_key() -> String {
    format!("ck_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// The SHA-256 of a key, as the file has it.
pub fn digest_as_hex(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of a file with one key that may do everything.
pub fn file_with(name: &str, key: &str, organisation: &str) -> String {
    format!(
        "# Who may use the HTTP interface. The file holds the SHA-256 of each key, never the key.\n\
         # A further key: closeout config new-key --name checkout-service --role submit >> tokens.toml\n\
         # It is read at the start and at a reload (SIGHUP): a key that is added or taken out counts from then on.\n\n{}",
        entry_with(name, key, "admin", &[organisation.to_owned()])
    )
}

/// The text of one key's entry.
pub fn entry_with(name: &str, key: &str, role: &str, organisations: &[String]) -> String {
    let organisations: Vec<_> = organisations.iter().cloned().map(toml::Value::String).collect();
    format!(
        "[[token]]\nname = {}\nsha256 = \"{}\"\nrole = \"{role}\"                # submit, read, operate, admin\n\
         organisations = {}\n",
        toml::Value::String(name.to_owned()),
        digest_as_hex(key),
        toml::Value::Array(organisations),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Token>, String> {
        parse(Path::new("tokens.toml"), text, &["main".parse().unwrap()])
            .map_err(|problems| problems[0].to_string())
    }

    #[test]
    fn a_file_that_this_program_writes_is_read_again() {
        let key = fresh_key();
        assert_eq!(key.len(), 67);
        let tokens = read_text(&file_with("admin", &key, "main")).unwrap();
        assert_eq!(tokens[0].sha256.as_slice(), Sha256::digest(key.as_bytes()).as_slice());
        assert_eq!((tokens[0].name.as_str(), tokens[0].role.as_str()), ("admin", "admin"));
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said() {
        let digest = digest_as_hex("x");
        let with = |fields: &str| {
            let organisations =
                if fields.contains("organisations") { "" } else { "organisations = [\"main\"]" };
            read_text(&format!("[[token]]\nname = \"a\"\n{fields}\n{organisations}\n")).unwrap_err()
        };
        assert!(with("sha256 = \"my-key\"\nrole = \"admin\"").contains("never the key itself"));
        assert!(
            with(&format!("sha256 = \"{digest}\"\nrole = \"root\"")).contains("submit, read, operate, admin")
        );
        let elsewhere = format!("sha256 = \"{digest}\"\nrole = \"read\"\norganisations = [\"other\"]");
        assert!(with(&elsewhere).contains("\"other\" is not configured"));
        assert!(with("sha = \"\"").starts_with("tokens.toml, line 3: unknown field"));
        assert!(read_text("").unwrap_err().contains("has no [[token]]"));
    }

    #[test]
    fn everything_that_is_wrong_with_keys_is_told_with_their_lines() {
        let text = "[[token]]\nname = \"a\"\nsha256 = \"x\"\nrole = \"root\"\norganisations = [\"main\", \"b\"]\n\
                    [[token]]\nname = \"c\"\nsha256 = \"y\"\nrole = \"read\"\norganisations = [\"main\"]\n";
        let problems = parse(Path::new("tokens.toml"), text, &["main".parse().unwrap()]).unwrap_err();
        let begins: Vec<_> = problems
            .iter()
            .map(|Problem(text)| text.split_whitespace().take(6).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            begins,
            [
                "tokens.toml, line 2: key \"a\": sha256",
                "tokens.toml, line 2: key \"a\": the",
                "tokens.toml, line 2: key \"a\": the",
                "tokens.toml, line 7: key \"c\": sha256",
            ]
        );
    }

    #[test]
    fn a_digest_does_not_show() {
        let tokens = read_text(&file_with("admin", "some key", "main")).unwrap();
        assert!(!format!("{tokens:?}").contains(&digest_as_hex("some key")));
    }
}
