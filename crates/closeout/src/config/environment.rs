//! The environment: `CLOSEOUT_SECTION__KEY`, the variables that the Genesys Cloud tools share, older names, and the
//! profiles of the Genesys Cloud command line.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    file::{Flat, unknown_key},
    keys::{self, Form},
    origin::{Given, Origin, Problem, Setting},
};

/// The variables of one process, so that tests need not touch those of their own.
#[derive(Debug, Clone, Default)]
pub struct Variables(pub BTreeMap<String, String>);

impl Variables {
    /// Takes those of this process; names and values that are not text are left out.
    pub fn of_this_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// The value of a variable that is set and not empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The home folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.value("HOME").or_else(|| self.value("USERPROFILE")).map(PathBuf::from)
    }
}

/// The variables that stand for a setting of an organisation, and whether their rank is the lowest (an alias).
const SHARED: [(&str, &str, bool); 10] = [
    ("GENESYSCLOUD_OAUTHCLIENT_ID", "client_id", false),
    ("GENESYSCLOUD_OAUTHCLIENT_SECRET", "client_secret", false),
    ("GENESYSCLOUD_ACCESS_TOKEN", "access_token", false),
    ("GENESYSCLOUD_REGION", "region", false),
    ("GENESYS_CLOUD_CLIENT_ID", "client_id", true),
    ("GENESYS_CLOUD_CLIENT_SECRET", "client_secret", true),
    ("GENESYS_CLIENT_ID", "client_id", true),
    ("GENESYS_CLIENT_SECRET", "client_secret", true),
    ("GENESYS_REGION", "region", true),
    ("GENESYS_ENVIRONMENT", "region", true),
];

/// Reads the settings that the variables of this program give. `organisations` are those of the file: names in
/// variables are upper case and have `_` for `-`.
pub fn own(variables: &Variables, organisations: &[String]) -> (Flat, Vec<Problem>) {
    let mut found = Flat::new();
    let mut problems = Vec::new();
    for (name, value) in &variables.0 {
        let Some(rest) = name.strip_prefix("CLOSEOUT_") else { continue };
        if !rest.contains("__") {
            continue;
        }
        let origin = Origin::Variable(name.clone());
        let path = path_of(rest, organisations);
        let of_file =
            path.strip_suffix("_file").filter(|path| keys::key_of(path).is_some_and(keys::Key::is_secret));
        let (path, text) = match (keys::key_of(&path), of_file) {
            (Some(_), _) => (path, Ok(value.clone())),
            (None, Some(path)) => (path.to_owned(), secret_file(value)),
            (None, None) => {
                problems.push(unknown_key(&path, &origin));
                continue;
            }
        };
        let form = keys::key_of(&path).map_or(Form::Text, |key| key.form);
        match text {
            Ok(text) => {
                found.insert(path, Setting { given: read(form, text), origin });
            }
            Err(why) => problems.push(Problem(format!("{origin}: {why}"))),
        }
    }
    (found, problems)
}

fn path_of(rest: &str, organisations: &[String]) -> String {
    let mut parts: Vec<String> = rest.split("__").map(str::to_lowercase).collect();
    if let [section, organisation, ..] = parts.as_mut_slice()
        && section == "genesys"
        && let Some(known) =
            organisations.iter().find(|known| known.to_lowercase().replace('-', "_") == *organisation)
    {
        organisation.clone_from(known);
    }
    parts.join(".")
}

/// Reads the text of a value as the environment and the table of defaults give it.
pub fn read(form: Form, text: String) -> Given {
    match form {
        Form::Secret => Given::Secret(text.into()),
        Form::Secrets => {
            let listed = text.trim_start().starts_with('[').then(|| list(&text)).flatten();
            Given::List(listed.unwrap_or_else(|| vec![text])).into_secret()
        }
        Form::Texts => {
            let listed = text.trim_start().starts_with('[').then(|| list(&text)).flatten();
            Given::List(listed.unwrap_or_else(|| vec![text]))
        }
        Form::WrapUp if text.trim_start().starts_with('{') => {
            inline_table(&text).map_or(Given::Text(text), Given::Table)
        }
        Form::Flag => text.parse().map_or(Given::Text(text), Given::Flag),
        Form::Text | Form::Duration | Form::Count(..) | Form::Choice(_) | Form::WrapUp => Given::Text(text),
    }
}

fn list(text: &str) -> Option<Vec<String>> {
    let table: toml::Table = format!("value = {text}").parse().ok()?;
    table["value"].as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

fn inline_table(text: &str) -> Option<BTreeMap<String, String>> {
    let table: toml::Table = format!("value = {text}").parse().ok()?;
    let fields = table["value"].as_table()?.iter();
    fields.map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Reads a secret from a file; the line break at its end is not part of it.
pub fn secret_file(path: &str) -> Result<String, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("the file {path} cannot be read: {error}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Reads the variables that the Genesys Cloud tools share, for the organisation that they are meant for.
pub fn shared(variables: &Variables, organisation: &str) -> (Flat, Vec<Problem>) {
    let mut found = Flat::new();
    let mut problems = Vec::new();
    for (name, key, alias) in SHARED {
        let path = format!("genesys.{organisation}.{key}");
        let is_secret = keys::key_of(&path).is_some_and(keys::Key::is_secret);
        let file = format!("{name}_FILE");
        let (used, text) = match (variables.value(name), variables.value(&file).filter(|_| is_secret)) {
            (Some(text), _) => (name.to_owned(), Ok(text.to_owned())),
            (None, Some(path)) => (file, secret_file(path)),
            (None, None) => continue,
        };
        let origin = if alias { Origin::Alias(name) } else { Origin::GenesysVariable(used.clone()) };
        match text {
            Ok(text) => {
                let given = if is_secret { Given::Secret(text.into()) } else { Given::Text(text) };
                found.entry(path).or_insert(Setting { given, origin });
            }
            Err(why) => problems.push(Problem(format!("environment {used}: {why}"))),
        }
    }
    (found, problems)
}

/// Reads a profile of the Genesys Cloud command line: its `environment`, `client_credentials`, `client_secret` and
/// `access_token`.
///
/// # Errors
///
/// When the file or the profile in it cannot be found.
pub fn profile(variables: &Variables, organisation: &str, name: &str) -> Result<Flat, Problem> {
    let home = variables.home().ok_or_else(|| {
        Problem(format!("genesys.{organisation}.profile needs a home folder, and HOME is not set"))
    })?;
    let path = home.join(".gc").join("config.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Problem(format!("genesys.{organisation}.profile: {} cannot be read: {error}", path.display()))
    })?;
    let table: toml::Table = text.parse().map_err(|_| {
        // The parser's own words would show the line, which may hold a secret.
        Problem(format!("genesys.{organisation}.profile: {} is not valid TOML", path.display()))
    })?;
    let Some(profile) = table.get(name).and_then(toml::Value::as_table) else {
        let known: Vec<_> = table.keys().map(String::as_str).collect();
        return Err(Problem(format!(
            "genesys.{organisation}.profile: {} has no profile {name:?}; it has {}",
            path.display(),
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        )));
    };
    let mut found = Flat::new();
    for (theirs, ours) in [
        ("environment", "region"),
        ("client_credentials", "client_id"),
        ("client_secret", "client_secret"),
        ("access_token", "access_token"),
    ] {
        let Some(text) = profile.get(theirs).and_then(toml::Value::as_str).filter(|text| !text.is_empty())
        else {
            continue;
        };
        let path_of_key = format!("genesys.{organisation}.{ours}");
        let is_secret = keys::key_of(&path_of_key).is_some_and(keys::Key::is_secret);
        let given = Given::Text(text.to_owned());
        let given = if is_secret { given.into_secret() } else { given };
        let origin = Origin::Profile { path: path.clone(), name: name.to_owned() };
        found.insert(path_of_key, Setting { given, origin });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        Variables(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn any_key_can_stand_in_the_environment() {
        let (found, problems) = own(
            &variables(&[
                ("CLOSEOUT_SERVER__LISTEN", "0.0.0.0:1"),
                ("CLOSEOUT_GENESYS__EU_PROD__REGION", "mypurecloud.de"),
                ("CLOSEOUT_CONFIRM__0__SECRETS", "[\"env:A\", \"env:B\"]"),
                ("CLOSEOUT_TOKEN", "not a key of the configuration"),
                ("OTHER__THING", "1"),
            ]),
            &["eu-prod".to_owned()],
        );
        assert_eq!(problems, []);
        assert_eq!(
            found.keys().map(String::as_str).collect::<Vec<_>>(),
            ["confirm.0.secrets", "genesys.eu-prod.region", "server.listen"]
        );
        assert_eq!(found["confirm.0.secrets"].given.to_string(), "[\"env:A\", \"env:B\"]");
    }

    #[test]
    fn an_unknown_variable_is_refused_with_a_suggestion() {
        let (_, problems) = own(&variables(&[("CLOSEOUT_SERVER__LISTN", "x")]), &[]);
        assert_eq!(
            problems[0].0,
            "environment CLOSEOUT_SERVER__LISTN: unknown key `server.listn`; did you mean `listen`?"
        );
    }

    #[test]
    fn a_secret_can_come_from_a_file_without_its_final_line_break() {
        use secrecy::ExposeSecret as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "very secret\n").unwrap();
        let (found, problems) =
            own(&variables(&[("CLOSEOUT_GENESYS__MAIN__CLIENT_SECRET_FILE", path.to_str().unwrap())]), &[]);
        assert_eq!(problems, []);
        let Given::Secret(secret) = &found["genesys.main.client_secret"].given else { panic!("a secret") };
        assert_eq!(secret.expose_secret(), "very secret");
        let (_, problems) = own(&variables(&[("CLOSEOUT_SERVER__LISTEN_FILE", "x")]), &[]);
        assert!(problems[0].0.contains("unknown key"), "{}", problems[0]);
    }

    #[test]
    fn the_shared_names_outrank_the_older_ones() {
        let (found, _) = shared(
            &variables(&[("GENESYS_CLIENT_ID", "old"), ("GENESYSCLOUD_OAUTHCLIENT_ID", "new")]),
            "main",
        );
        assert_eq!(found["genesys.main.client_id"].given.as_text().as_deref(), Some("new"));
        let (found, _) = shared(&variables(&[("GENESYS_ENVIRONMENT", "mypurecloud.ie")]), "main");
        assert_eq!(found["genesys.main.region"].origin, Origin::Alias("GENESYS_ENVIRONMENT"));
    }

    #[test]
    fn a_profile_of_the_genesys_command_line_gives_region_and_credentials() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".gc")).unwrap();
        let text = "[DEFAULT]\nenvironment = \"mypurecloud.de\"\nclient_credentials = \"id\"\nclient_secret = \"planted\"\n";
        std::fs::write(home.path().join(".gc/config.toml"), text).unwrap();
        let variables = variables(&[("HOME", home.path().to_str().unwrap())]);
        let found = profile(&variables, "main", "DEFAULT").unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found["genesys.main.region"].given.as_text().as_deref(), Some("mypurecloud.de"));
        assert!(!format!("{found:?}").contains("planted"));
        let said = profile(&variables, "main", "OTHER").unwrap_err().0;
        assert!(said.contains("has no profile \"OTHER\"; it has DEFAULT"), "{said}");
    }
}
