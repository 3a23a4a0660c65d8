//! What a configuration's problem is about, and what puts it right.
//!
//! A problem is one sentence of the configuration's own. Which it is, is read from its words; the tests make each by the
//! configuration itself.

use std::path::Path;

use super::super::report::{Check, Fault};

/// What a secret is made with: 32 bytes as base64, which every scheme takes.
const MAKE_A_SECRET: &str = "openssl rand -base64 32";

/// Judges one problem. `keys` is the file with the keys; empty where none is named.
pub(super) fn check(problem: &str, flag: &str, keys: &Path) -> Check {
    let what = format!("{}.", problem.trim_end_matches('.'));
    if let Some(hook) = hook_of(problem) {
        return Check::wrong("hook", Fault::Machine, what, of_hook(problem)).about(hook);
    }
    let keys = keys.display().to_string();
    let stands_there = !keys.is_empty()
        && problem.strip_prefix(keys.as_str()).is_some_and(|rest| rest.starts_with([',', ' ']));
    if stands_there || is_about_keys(problem) {
        let keys = if keys.is_empty() { "tokens.toml" } else { keys.as_str() };
        return Check::wrong("keys", Fault::Machine, what, of_keys(problem, stands_there, keys));
    }
    Check::wrong("configuration", Fault::Machine, what, of_setting(problem, flag))
}

/// The hook that a problem is about: `… secrets of [[confirm]] "relay" …`.
fn hook_of(problem: &str) -> Option<String> {
    if let Some((_, after)) = problem.split_once(" of [[confirm]] \"") {
        return after.split('"').next().map(str::to_owned);
    }
    problem.contains(" of [[confirm]]").then(String::new)
}

fn of_hook(problem: &str) -> String {
    let too_short = ["at least", "is empty", "at least one secret", "is not base64"]
        .iter()
        .any(|word| problem.contains(word));
    if let Some(variable) = variable_of(problem) {
        return format!(
            "set the variable for the service, with the secret that the sender has: export {variable}=…\n\
             a new one is made with `{MAKE_A_SECRET}`, and goes to the sender too"
        );
    }
    if problem.contains("user:password") {
        return "write the secret as user:password, with a password of at least 16 bytes".to_owned();
    }
    if too_short && problem.contains("secret") {
        return format!(
            "make a secret with `{MAKE_A_SECRET}`, put it where `secrets` of the hook names it, and give the sender the \
             same"
        );
    }
    "correct that table; config/closeout.toml shows every key of [[confirm]], `closeout hooks sign --help` the schemes"
        .to_owned()
}

fn is_about_keys(problem: &str) -> bool {
    problem.contains("auth.tokens_file") || problem.contains("[[token]]") || problem.contains(": key \"")
}

fn of_keys(problem: &str, stands_there: bool, file: &str) -> String {
    let new = "closeout config new-key --name admin --role admin";
    if problem.contains(": key \"") {
        return format!("correct that entry of {file}; `{new}` prints a good one");
    }
    if stands_there && problem.contains(", line ") {
        return format!("correct that line of {file}; `{new}` prints a good entry");
    }
    format!("make a key, and its entry in the file that auth.tokens_file names: {new} >> {file}")
}

fn of_setting(problem: &str, flag: &str) -> String {
    if let Some(variable) = variable_of(problem) {
        return format!("set the variable for the service: export {variable}=…");
    }
    if problem.contains("has no OAuth") {
        return "in Genesys Cloud, Admin > Integrations > OAuth > Add client: grant type Client Credentials, and a role with \
                conversation > communication > view and disconnect\n\
                then export GENESYSCLOUD_OAUTHCLIENT_ID=… and GENESYSCLOUD_OAUTHCLIENT_SECRET=…"
            .to_owned();
    }
    if problem.contains("region is not set") {
        return "export GENESYSCLOUD_REGION=…, or write region into the table: the AWS name of your organisation's region, \
                as eu-central-1"
            .to_owned();
    }
    if problem.contains("region cannot be used") {
        return "write the AWS name (eu-central-1), the domain (mypurecloud.de), or a URL that begins with https://"
            .to_owned();
    }
    if problem.contains("unknown key") {
        return "correct the key, or take it out; config/closeout.toml shows all of them".to_owned();
    }
    if problem.contains("line ") {
        return "correct that line; config/closeout.toml shows every key with its default".to_owned();
    }
    format!("correct it there; `closeout config show --origin{flag}` shows where each value comes from")
}

/// The variable that a setting names and that is not set.
fn variable_of(problem: &str) -> Option<&str> {
    let (_, after) = problem.split_once("names the environment variable ")?;
    after.split(',').next().filter(|_| after.contains("which is not set"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, FromCommandLine, Variables};

    /// What the configuration itself says of this file, judged.
    fn judged(text: &str, variables: &[(&str, &str)]) -> Vec<Check> {
        let keys = format!(
            "[[token]]\nname = \"a\"\nsha256 = \"{}\"\nrole = \"admin\"\norganisations = [\"main\"]\n",
            "0".repeat(64)
        );
        judged_with(text, &keys, variables)
    }

    /// The same with these keys.
    fn judged_with(text: &str, keys: &str, variables: &[(&str, &str)]) -> Vec<Check> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("closeout.toml");
        std::fs::write(&path, text).unwrap();
        let tokens = folder.path().join("tokens.toml");
        std::fs::write(&tokens, keys).unwrap();
        let variables = Variables(
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        );
        let from = FromCommandLine { file: Some(path), ..FromCommandLine::default() };
        let problems = config::load(&from, &variables).unwrap_err();
        problems.iter().map(|problem| check(&problem.to_string(), "", &tokens)).collect()
    }

    const GENESYS: &str = "[auth]\ntokens_file = \"tokens.toml\"\n[genesys.main]\nregion = \"eu-central-1\"\nclient_id = \"i\"\nclient_secret = \"s\"\n";

    #[test]
    fn a_hook_is_named_with_the_fix_of_its_secret() {
        let hook = |keys: &str| {
            let checks = judged(&format!("{GENESYS}[[confirm]]\nname = \"relay\"\n{keys}\n"), &[]);
            assert_eq!(
                (checks.len(), checks[0].name, checks[0].about.as_str()),
                (1, "hook", "relay"),
                "{checks:?}"
            );
            assert!(!checks[0].what.contains("planted"), "{checks:?}");
            checks[0].fix.clone().unwrap()
        };
        let scheme = "verify = \"hub-sha256-base64\"";
        assert!(hook(&format!("{scheme}\nsecrets = [\"planted\"]")).contains("openssl rand -base64 32"));
        assert!(hook(scheme).contains("openssl rand -base64 32"));
        assert!(hook(&format!("{scheme}\nsecrets = [\"env:NOT_SET\"]")).contains("export NOT_SET=…"));
        assert!(hook("verify = \"basic\"\nsecrets = [\"planted\"]").contains("user:password"));
        assert!(
            hook("verify = \"standard-webhooks\"\nsecrets = [\"planted-but-no-base64!\"]")
                .contains("openssl rand")
        );
        assert!(
            hook("verify = \"hmac\"\nsecrets = [\"planted, 32 bytes or even more\"]")
                .contains("correct that table")
        );
    }

    #[test]
    fn settings_and_keys_are_told_with_what_to_do() {
        let fix = |text: &str, name: &str| {
            let checks = judged(text, &[]);
            assert_eq!((checks.len(), checks[0].name), (1, name), "{checks:?}");
            checks[0].fix.clone().unwrap()
        };
        let without = |line: &str| GENESYS.replace(line, "");
        assert!(
            fix(&without("client_id = \"i\"\n"), "configuration").contains("GENESYSCLOUD_OAUTHCLIENT_ID=…")
        );
        assert!(
            fix(&without("region = \"eu-central-1\"\n"), "configuration").contains("GENESYSCLOUD_REGION")
        );
        assert!(fix(&GENESYS.replace("eu-central-1", "mars"), "configuration").contains("AWS name"));
        assert!(
            fix(&GENESYS.replace("\"s\"", "\"env:NOT_SET\""), "configuration").contains("export NOT_SET=…")
        );
        assert!(
            fix(&format!("{GENESYS}[server]\nlisen = \"x\"\n"), "configuration").contains("correct the key")
        );
        assert!(fix(&format!("{GENESYS}[server]\nlisten = \"x\"\n"), "configuration").contains("that line"));
        assert!(fix("= no TOML", "configuration").contains("that line"));
        assert!(fix(&GENESYS.replace("tokens.toml", "nowhere.toml"), "keys").contains("new-key"));
    }

    #[test]
    fn an_entry_of_the_keys_is_told_as_one() {
        let checks =
            check("tokens.toml, line 2: key \"a\": the role \"root\" is not known", "", Path::new(""));
        assert_eq!(checks.name, "keys");
        assert!(checks.fix.unwrap().contains("correct that entry"));
    }

    #[test]
    fn a_mistake_in_the_file_with_the_keys_leads_there() {
        for (keys, fix) in [
            ("= no TOML", "correct that line of "),
            ("[[token]]\nname = \"a\"\n", "correct that line of "),
            (
                "[[token]]\nname = \"a\"\nrole = \"root\"\nsha256 = \"\"\norganisations = []\n",
                "correct that entry of ",
            ),
            ("", "new-key --name admin --role admin >> "),
        ] {
            for check in judged_with(GENESYS, keys, &[]) {
                let said = check.fix.clone().unwrap();
                assert_eq!(check.name, "keys", "{keys}: {check:?}");
                assert!(said.contains(fix) && said.contains("/tokens.toml"), "{keys}: {said}");
                assert!(!said.contains("closeout.toml"), "{keys}: {said}");
            }
        }
    }
}
