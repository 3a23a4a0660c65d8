//! Where the database is: `postgres://user@host:port/database?…`.

use std::{fmt, path::PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::{Config, Host, SslMode};

/// The schema in which the tables are, where the address names none.
const SCHEMA: &str = "closeout";

/// The database that holds a store, and how it is reached. It holds no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) config: Config,
    pub(crate) encryption: Encryption,
    pub(crate) schema: String,
}

/// How the connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Not at all.
    None,
    /// By TLS, with whoever answers.
    Unverified,
    /// By TLS, with a server that proves that it is the one that was named; to these authorities, or to those of the system.
    Verified(Option<PathBuf>),
}

impl Address {
    /// Reads an address. What PostgreSQL's own programs take is taken, but for a password; `schema` names the schema of the tables
    /// (`closeout`), `sslmode` is `disable`, `require` or `verify-full`, and `sslrootcert` a file with authorities.
    ///
    /// Without `sslmode` the server has to prove itself (`verify-full`), unless it is on this machine.
    ///
    /// # Errors
    ///
    /// Half a sentence that says what is wrong, without what was given.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut mode = None;
        let mut roots = None;
        let mut schema = SCHEMA.to_owned();
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => roots = Some(PathBuf::from(value)),
                Some(("schema", value)) => schema = checked_schema(value)?,
                Some(("password" | "passfile" | "sslpassword", _)) => return Err(NO_PASSWORD.to_owned()),
                Some(_) | None => rest.push(pair),
            }
        }
        let plain = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config: Config =
            plain.parse().map_err(|_| "is not of the form postgres://user@host:5432/database".to_owned())?;
        if config.get_password().is_some() {
            return Err(NO_PASSWORD.to_owned());
        }
        if config.get_hosts().is_empty() {
            return Err("names no host; write postgres://user@host/database".to_owned());
        }
        let encryption = encryption(mode, roots, is_here(&config))?;
        config.ssl_mode(match encryption {
            Encryption::None => SslMode::Disable,
            Encryption::Unverified | Encryption::Verified(_) => SslMode::Require,
        });
        Ok(Self { config, encryption, schema })
    }

    /// The same with a password.
    #[must_use]
    pub fn with_password(mut self, password: &SecretString) -> Self {
        self.config.password(password.expose_secret());
        self
    }

    /// Whether the server is not asked to prove that it is the one that was named, though the connection leaves this machine.
    pub fn trusts_anybody(&self) -> bool {
        match self.encryption {
            Encryption::Verified(_) => false,
            Encryption::None | Encryption::Unverified => !is_here(&self.config),
        }
    }
}

const NO_PASSWORD: &str =
    "holds a password, which would be shown with the settings; put it in store.password or in PGPASSWORD";

fn encryption(mode: Option<&str>, roots: Option<PathBuf>, here: bool) -> Result<Encryption, String> {
    match (mode, roots) {
        (None, None) if here => Ok(Encryption::None),
        (None | Some("verify-full"), roots) => Ok(Encryption::Verified(roots)),
        (Some("disable"), None) => Ok(Encryption::None),
        (Some("require"), None) => Ok(Encryption::Unverified),
        // As PostgreSQL's own programs read it; the name is checked too, which they leave out.
        (Some("require" | "verify-ca"), Some(roots)) => Ok(Encryption::Verified(Some(roots))),
        (Some("verify-ca"), None) => Ok(Encryption::Verified(None)),
        (Some("disable"), Some(_)) => Err("has sslrootcert, but sslmode=disable".to_owned()),
        (Some(_), _) => Err("has an sslmode that is not disable, require or verify-full".to_owned()),
    }
}

fn checked_schema(name: &str) -> Result<String, String> {
    let plain =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    // 63 is what PostgreSQL takes (NAMEDATALEN).
    if name.is_empty() || name.len() > 63 || !name.chars().all(plain) || name.starts_with("pg_") {
        return Err("has a schema that is not made of a-z, 0-9 and _".to_owned());
    }
    Ok(name.to_owned())
}

/// Whether every host is this machine.
fn is_here(config: &Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        let ports = self.config.get_ports();
        for (number, host) in self.config.get_hosts().iter().enumerate() {
            if number > 0 {
                f.write_str(",")?;
            }
            match host {
                Host::Tcp(name) => f.write_str(name)?,
                #[cfg(unix)]
                Host::Unix(folder) => write!(f, "{}", folder.display())?,
            }
            if let Some(port) = ports.get(number).or(ports.first()).filter(|port| **port != 5432) {
                write!(f, ":{port}")?;
            }
        }
        if let Some(database) = self.config.get_dbname() {
            write!(f, "/{database}")?;
        }
        if self.schema != SCHEMA { write!(f, "?schema={}", self.schema) } else { Ok(()) }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Address {
        Address::parse(url).unwrap()
    }

    #[test]
    fn a_server_elsewhere_has_to_prove_itself_unless_that_is_spelt_out() {
        for (url, expected) in [
            ("postgres://c@127.0.0.1/d", Encryption::None),
            ("postgres://c@localhost:5433/d", Encryption::None),
            ("postgres://c@%2Fvar%2Frun%2Fpostgresql/d", Encryption::None),
            ("postgres://c@db.example/d", Encryption::Verified(None)),
            ("postgres://c@localhost,db.example/d", Encryption::Verified(None)),
            ("postgres://c@127.0.0.1/d?sslmode=verify-full", Encryption::Verified(None)),
            ("postgres://c@db.example/d?sslmode=require", Encryption::Unverified),
            ("postgres://c@db.example/d?sslmode=disable", Encryption::None),
            (
                "postgres://c@db.example/d?sslmode=require&sslrootcert=/ca.pem",
                Encryption::Verified(Some("/ca.pem".into())),
            ),
        ] {
            assert_eq!(parsed(url).encryption, expected, "{url}");
        }
        assert!(parsed("postgres://c@db.example/d?sslmode=require").trusts_anybody());
        assert!(!parsed("postgres://c@127.0.0.1/d?sslmode=disable").trusts_anybody());
        assert!(!parsed("postgres://c@db.example/d").trusts_anybody());
    }

    #[test]
    fn a_password_is_never_part_of_an_address() {
        for url in ["postgres://c:geheim@h/d", "postgres://c@h/d?password=geheim"] {
            let why = Address::parse(url).unwrap_err();
            assert!(why.contains("store.password") && !why.contains("geheim"), "{why}");
        }
        let with = parsed("postgres://c@h/d").with_password(&SecretString::from("geheim"));
        assert!(!format!("{with} {with:?}").contains("geheim"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (url, why) in [
            ("postgres:///d", "no host"),
            ("postgres://c@h/d?schema=Mine", "schema"),
            ("postgres://c@h/d?schema=a;drop", "schema"),
            ("postgres://c@h/d?sslmode=prefer", "sslmode"),
            ("postgres://c@h/d?unheard=of", "form"),
        ] {
            let said = Address::parse(url).unwrap_err();
            assert!(said.contains(why), "{url}: {said}");
        }
    }

    #[test]
    fn an_address_is_shown_without_its_user() {
        assert_eq!(parsed("postgres://c@h:5433/d?schema=two").to_string(), "postgres://h:5433/d?schema=two");
        assert_eq!(
            parsed("postgres://c@a,b/d?target_session_attrs=read-write").to_string(),
            "postgres://a,b/d"
        );
    }
}
