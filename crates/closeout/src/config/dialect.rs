//! `genesys.*.dialect`: which table the calls of an organisation are written by, and where that is refused.

use std::sync::Arc;

use genesys_client::{Dialect, InvalidDialect, PLATFORM, Region};
use genesys_types::Organisation;

use super::layers::Reader;

/// Reads the dialect of an organisation; nothing for the published API. `region` is where its calls go, as far as that
/// could be read.
pub fn read(
    reader: &mut Reader<'_>,
    organisation: &Organisation,
    region: Option<&Region>,
) -> Option<Arc<Dialect>> {
    let path = |key: &str| format!("genesys.{organisation}.{key}");
    let allowed = reader.flag(&path("allow_unpublished"));
    let dialect = path("dialect");
    let text = reader.text(&dialect).filter(|text| text != PLATFORM)?;
    let found = match reader.layers.setting(&dialect) {
        Some(setting) if text.ends_with(".toml") => {
            let file = reader.layers.path_of(setting, &text);
            let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            match std::fs::read_to_string(&file) {
                Ok(table) => Dialect::parse(&name, &table).map_err(|why| told(&text, &why)),
                Err(error) => Err(format!("{text:?} cannot be read: {error}")),
            }
        }
        Some(_) | None => Dialect::named(&text).map_err(|why| format!("{text:?} {why}")),
    };
    let found = found.map_err(|why| reader.refuse(&dialect, why)).ok()?;
    if let (Some(host), false) = (region.and_then(Region::at_genesys), allowed) {
        reader.refuse(
            &dialect,
            format_args!(
                "{text:?} is not the published API, and {host} is at Genesys, where such calls fail or do something else \
                 than they say; take dialect = \"{PLATFORM}\" there, or point region, or api_base_url and login_base_url, \
                 at the gateway or mock that speaks it, or set allow_unpublished = true if it is meant"
            ),
        );
    }
    Some(Arc::new(found))
}

fn told(file: &str, why: &InvalidDialect) -> String {
    format!("{file:?} is no dialect: {why}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{FromCommandLine, Layers, Variables, layers, origin::Problem, settings, tokens};

    const OWN: &str =
        "[close_conversation]\nverb = \"POST\"\npath = \"/close/{conversationId}\"\naccepted = [200]\n";

    fn layers_of(folder: &Path, genesys: &str) -> Result<Layers, Vec<Problem>> {
        let text = format!(
            "[genesys.main]\nclient_id = \"client\"\nclient_secret = \"secret\"\n{genesys}\n\
             [auth]\ntokens_file = \"tokens.toml\"\n"
        );
        let file = folder.join("closeout.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.join("tokens.toml"), tokens::file_with("admin", "a key", "main")).unwrap();
        let cli = FromCommandLine { file: Some(file), flags: Vec::new() };
        layers::gather(&cli, &Variables::default())
    }

    #[test]
    fn the_environment_sets_both_keys_too() {
        let set = |name: &str, value: &str| (format!("CLOSEOUT_GENESYS__MAIN__{name}"), value.to_owned());
        let of = |allowed: &str| {
            let pairs = [
                set("REGION", "eu-central-1"),
                set("ACCESS_TOKEN", "token"),
                set("DIALECT", "conversation-post"),
                set("ALLOW_UNPUBLISHED", allowed),
            ];
            let variables = Variables(pairs.into());
            let layers = layers::gather(&FromCommandLine::default(), &variables).unwrap();
            let problems =
                settings::read_with(&layers, &variables, Some(Vec::new())).err().unwrap_or_default();
            problems.into_iter().map(|problem| problem.0).collect::<Vec<_>>()
        };
        assert_eq!(of("true"), [""; 0]);
        let refused = of("false");
        assert!(refused[0].starts_with("environment CLOSEOUT_GENESYS__MAIN__DIALECT: "), "{refused:?}");
        let wrong = of("perhaps");
        assert!(
            wrong.iter().any(|said| said.contains("allow_unpublished must be true or false")),
            "{wrong:?}"
        );
    }

    /// The name of the dialect that holds, or the only thing that is wrong.
    fn dialect(folder: &Path, genesys: &str) -> Result<Option<String>, String> {
        let only = |problems: Vec<Problem>| {
            assert_eq!(problems.len(), 1, "{problems:?}");
            problems[0].0.rsplit_once("closeout.toml").unwrap().1.to_owned()
        };
        let layers = layers_of(folder, genesys).map_err(only)?;
        let mut settings = settings::read(&layers, &Variables::default()).map_err(only)?;
        let dialect = settings.organisations.remove(0).dialect;
        Ok(dialect.map(|dialect| dialect.name().to_owned()))
    }

    #[test]
    fn the_published_api_is_the_default_and_a_dialect_is_chosen_by_name_or_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("own.toml"), OWN).unwrap();
        let local = "region = \"http://127.0.0.1:8081\"\n";
        for (dialects, name) in [
            ("", None),
            ("dialect = \"platform\"", None),
            ("dialect = \"conversation-post\"", Some("conversation-post")),
            ("dialect = \"own.toml\"", Some("own")),
        ] {
            let found = dialect(folder.path(), &format!("{local}{dialects}")).unwrap();
            assert_eq!(found.as_deref(), name, "{dialects}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_dialect_is_one_sentence_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bad.toml"), OWN.replace("accepted", "acepted")).unwrap();
        let local = "region = \"http://127.0.0.1:8081\"\n";
        for (dialects, said) in [
            (
                "dialect = \"webchat-participant\"",
                ", line 5: genesys.main.dialect \"webchat-participant\" is no dialect; did you mean webchat-participants?",
            ),
            (
                "dialect = \"bad.toml\"",
                ", line 5: genesys.main.dialect \"bad.toml\" is no dialect: close_conversation.acepted is not known; did you \
                 mean accepted?",
            ),
            ("dialect = \"none.toml\"", ", line 5: genesys.main.dialect \"none.toml\" cannot be read: "),
            ("allow_unpublished = \"yes\"", ", line 5: genesys.main.allow_unpublished must be true or false"),
            (
                "allow_unpublishd = true",
                ", line 5: unknown key `genesys.main.allow_unpublishd`; did you mean",
            ),
        ] {
            let found = dialect(folder.path(), &format!("{local}{dialects}")).unwrap_err();
            assert!(found.starts_with(said), "{dialects}: {found}");
        }
    }

    #[test]
    fn no_dialect_is_spoken_to_genesys_unless_that_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("own.toml"), OWN).unwrap();
        let gateway = "region = \"eu-central-1\"\napi_base_url = \"https://gateway.example\"\n";
        for place in ["region = \"eu-central-1\"\n", "region = \"https://api.usw2.pure.cloud/x\"\n", gateway]
        {
            for name in ["webmessaging-sessions", "own.toml"] {
                let lines = format!("{place}dialect = \"{name}\"\n");
                let said = dialect(folder.path(), &lines).unwrap_err();
                for words in ["is not the published API", "is at Genesys", "allow_unpublished = true"] {
                    assert!(said.contains(words), "{said}");
                }
                assert!(
                    dialect(folder.path(), &format!("{lines}allow_unpublished = true")).unwrap().is_some()
                );
            }
            assert_eq!(dialect(folder.path(), &format!("{place}dialect = \"platform\"")), Ok(None));
        }
        let all = format!("{gateway}login_base_url = \"https://gateway.example\"\ndialect = \"own.toml\"");
        assert_eq!(dialect(folder.path(), &all), Ok(Some("own".to_owned())));
    }

    #[test]
    fn both_keys_are_shown_with_their_origin() {
        let folder = tempfile::tempdir().unwrap();
        let layers = layers_of(folder.path(), "region = \"eu-central-1\"\nallow_unpublished = true").unwrap();
        let shown = layers.shown();
        let of = |key: &str| shown.iter().find(|item| item["key"] == key).unwrap();
        assert_eq!(of("genesys.main.dialect")["value"], "platform");
        assert_eq!(of("genesys.main.dialect")["origin"], "default");
        assert_eq!(of("genesys.main.allow_unpublished")["value"], true);
    }
}
