//! The layers together: who wins, what is refused, and that the reference file is true.

mod sign_on;
mod sources;
mod traces;

use std::path::{Path, PathBuf};

use closure_machine::Policy;
use secrecy::ExposeSecret as _;

use super::{
    environment::Variables,
    keys::KEYS,
    layers::{FromCommandLine, Layers, gather},
    origin::{Given, Origin},
    settings::{self, Settings, StorePlace},
    tokens,
};

struct Scene {
    folder: tempfile::TempDir,
    variables: Variables,
    flags: Vec<(&'static str, String, String)>,
}

impl Scene {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("closeout.toml"), text).unwrap();
        std::fs::write(folder.path().join("tokens.toml"), tokens::file_with("admin", "a key", "main"))
            .unwrap();
        let mut scene = Self { folder, variables: Variables::default(), flags: Vec::new() };
        scene.set("GENESYSCLOUD_OAUTHCLIENT_ID", "some-client");
        scene.set("GENESYSCLOUD_OAUTHCLIENT_SECRET", "some-secret");
        scene
    }

    fn usual(more: &str) -> Self {
        Self::new(&format!(
            "[genesys.main]\nregion = \"eu-central-1\"\n[auth]\ntokens_file = \"tokens.toml\"\n{more}"
        ))
    }

    fn set(&mut self, name: &str, value: &str) {
        self.variables.0.insert(name.to_owned(), value.to_owned());
    }

    fn unset(&mut self, name: &str) {
        self.variables.0.remove(name);
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("closeout.toml")
    }

    fn layers(&self) -> Result<Layers, Vec<String>> {
        let cli = FromCommandLine { file: Some(self.path()), flags: self.flags.clone() };
        gather(&cli, &self.variables).map_err(|problems| problems.into_iter().map(|p| p.0).collect())
    }

    fn settings(&self) -> Result<Settings, Vec<String>> {
        let layers = self.layers()?;
        settings::read(&layers, &self.variables)
            .map_err(|problems| problems.into_iter().map(|problem| problem.0).collect())
    }

    fn refusal(&self) -> String {
        let problems = self.settings().expect_err("the configuration is wrong");
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].clone()
    }
}

#[test]
fn flag_outranks_environment_outranks_file_outranks_default() {
    let listen = |scene: &Scene| {
        let layers = scene.layers().unwrap();
        let setting = &layers.settings["server.listen"];
        (setting.given.as_text().unwrap(), setting.origin.clone())
    };
    let mut scene = Scene::usual("");
    assert_eq!(listen(&scene), ("127.0.0.1:8080".to_owned(), Origin::Default));
    scene = Scene::usual("[server]\nlisten = \"127.0.0.1:1\"\n");
    let file = Origin::File { path: scene.path(), line: 6 };
    assert_eq!(listen(&scene), ("127.0.0.1:1".to_owned(), file));
    scene.set("CLOSEOUT_SERVER__LISTEN", "127.0.0.1:2");
    let variable = Origin::Variable("CLOSEOUT_SERVER__LISTEN".to_owned());
    assert_eq!(listen(&scene), ("127.0.0.1:2".to_owned(), variable));
    scene.flags.push(("--listen", "server.listen".to_owned(), "127.0.0.1:3".to_owned()));
    assert_eq!(listen(&scene), ("127.0.0.1:3".to_owned(), Origin::Flag("--listen")));
}

#[test]
fn an_alias_fills_a_gap_and_never_outranks_the_file() {
    let mut scene = Scene::usual("");
    scene.set("GENESYS_REGION", "mypurecloud.ie");
    assert_eq!(scene.layers().unwrap().aliases(), []);
    let mut scene = Scene::new("[auth]\ntokens_file = \"tokens.toml\"\n");
    scene.set("GENESYS_REGION", "mypurecloud.ie");
    let layers = scene.layers().unwrap();
    assert_eq!(layers.aliases(), [("GENESYS_REGION", "genesys.main.region")]);
    let settings = scene.settings().unwrap();
    assert_eq!(settings.organisations[0].client.region.api().as_str(), "https://api.mypurecloud.ie/");
}

#[test]
fn without_words_the_settings_are_those_of_the_machine_and_the_client() {
    let settings = Scene::usual("").settings().unwrap();
    assert_eq!(settings.policy, Policy::default());
    let client = &settings.organisations[0].client;
    assert_eq!(client.quota, genesys_client::QuotaConfig::default());
    assert_eq!(client.lookup, genesys_client::LookupConfig::default());
    assert_eq!(client.connect_timeout.as_secs(), 3);
    assert_eq!(client.request_timeout.as_secs(), 10);
    assert_eq!(settings.server.shutdown_grace.as_secs(), 20);
    assert_eq!(settings.store.place, StorePlace::Sqlite(PathBuf::from("closeout.db")));
}

#[test]
fn lookups_are_told_where_external_ids_are_and_how_long_to_look() {
    use genesys_client::ExternalIdDimension;

    let told = "[lookup]\nexternal_id_dimension = \"addressFrom\"\nwithin = \"24h\"\nlook_for = \"30s\"\n";
    let settings = Scene::usual(told).settings().unwrap();
    let lookup = &settings.organisations[0].client.lookup;
    assert_eq!((lookup.external_id, lookup.within.as_secs()), (ExternalIdDimension::AddressFrom, 86_400));
    assert_eq!(settings.policy.lookup_grace.millis(), 30_000);
    let names = ExternalIdDimension::ALL.map(ExternalIdDimension::name);
    assert_eq!(names.as_slice(), super::keys::DIMENSIONS);
    let refusal = Scene::usual("[lookup]\nexternal_id_dimension = \"externalId\"\n").refusal();
    assert!(refusal.contains("did you mean"), "{refusal}");
}

#[test]
fn a_relative_path_in_the_file_is_meant_from_its_folder() {
    let scene = Scene::usual("[store]\nurl = \"sqlite:data/closeout.db\"\n");
    let place = scene.settings().unwrap().store.place;
    assert_eq!(place, StorePlace::Sqlite(scene.folder.path().join("data/closeout.db")));
}

#[test]
fn a_database_has_its_password_from_elsewhere_and_never_shows_it() {
    let mut scene = Scene::usual("[store]\nurl = \"postgres://u@h/d\"\n");
    let place = |scene: &Scene| match scene.settings().unwrap().store.place {
        StorePlace::Postgres(address) => *address,
        StorePlace::Sqlite(_) | StorePlace::Memory => panic!("it is a database"),
    };
    let bare = store_postgres::Address::parse("postgres://u@h/d").unwrap();
    assert_eq!(place(&scene), bare);
    scene.set("PGPASSWORD", "planted");
    let with = place(&scene);
    assert_eq!(with, bare.clone().with_password(&"planted".to_owned().into()));
    assert!(!format!("{with} {with:?} {:?}", scene.settings().unwrap().store).contains("planted"));
    let told = "[store]\nurl = \"postgres://u@h/d\"\npassword = \"other\"\n";
    let mut scene = Scene::usual(told);
    scene.set("PGPASSWORD", "planted");
    assert_eq!(place(&scene), bare.with_password(&"other".to_owned().into()));
}

#[test]
fn a_missing_client_is_one_sentence_with_the_variables() {
    let mut scene = Scene::usual("");
    scene.unset("GENESYSCLOUD_OAUTHCLIENT_ID");
    scene.unset("GENESYSCLOUD_OAUTHCLIENT_SECRET");
    let said = scene.refusal();
    for name in [
        "GENESYSCLOUD_OAUTHCLIENT_ID",
        "GENESYSCLOUD_OAUTHCLIENT_SECRET",
        "CLOSEOUT_GENESYS__MAIN__CLIENT_ID",
    ] {
        assert!(said.contains(name), "{said}");
    }
    scene.set("GENESYSCLOUD_OAUTHCLIENT_ID", "some-client");
    assert!(scene.refusal().contains("client secret (GENESYSCLOUD_OAUTHCLIENT_SECRET)"));
}

#[test]
fn an_unknown_region_lists_near_ones() {
    let mut scene = Scene::usual("");
    scene.set("GENESYSCLOUD_REGION", "eu-centrl-1");
    let said = scene.refusal();
    assert!(said.starts_with("environment GENESYSCLOUD_REGION: genesys.main.region"), "{said}");
    assert!(said.contains("unknown region \"eu-centrl-1\"; near are eu-central-1"), "{said}");
}

#[test]
fn wrong_values_name_their_line_and_what_would_be_right() {
    for (text, expected) in [
        ("[closing]\ndeadline = \"soon\"", "line 6: closing.deadline \"soon\" is not a duration"),
        ("[closing]\nevidence = \"webhok_only\"", "did you mean \"webhook_only\"?"),
        ("[closing]\nmax_rounds = 0", "\"0\" is not a whole number from 1 to 100"),
        ("[closing]\nwrap_up = { name = \" \" }", "must be \"none\", \"skip\", { name = "),
        ("[closing]\nwrap_up = { code = \"x\" }", "must be \"none\", \"skip\", { name = "),
        ("[closing]\ndeadline = \"1s\"", "must not be shorter than closing.confirm_within"),
        ("[store]\nurl = \"mysql://u@h/db\"", "use sqlite:FILE, postgres://USER@HOST/DATABASE or memory:"),
        ("[store]\nurl = \"postgres://u:planted@h/db\"", "url \"postgres://********@h/db\" holds a password"),
        ("[store]\nurl = \"postgres://u@h/db?sslmode=maybe\"", "has an sslmode that is not"),
        (
            "[store]\nurl = \"postgres://u@h/db\"\npassword = \"env:NOT_THERE\"",
            "store.password names the environment",
        ),
        ("[store]\ninbox_retention = \"24h\"", "at least 25h"),
        ("[server]\nlisten = \"8080\"", "is not an address and port, such as 127.0.0.1:8080"),
        ("[[source]]\nname = \"n\"\nkind = \"redis\"", "source.0.kind = \"redis\" is not known"),
        ("[[source]]\nname = \"n\"\nkind = \"amqp\"\nurl = \"amqp://h\"", "source.0.queue is missing"),
        (
            "[[source]]\nname = \"n\"\nkind = \"amqp\"\nqueue = \"q\"\nurl = \"nats://h\"",
            "must begin with amqp:// or amqps://",
        ),
        (
            "[[source]]\nname = \"n\"\nkind = \"amqp\"\nqueue = \"q\"\nurl = \"amqp://u:p@h\"",
            "must hold no user and password",
        ),
        (
            "[[source]]\nname = \"n\"\nkind = \"amqp\"\nqueue = \"q\"\nurl = \"amqp://h/\"",
            "leave out the / at the end",
        ),
        (
            "[[source]]\nname = \"n\"\nkind = \"amqp\"\nqueue = \"q\"\nurl = \"amqp://h\"\nuser = \"u\"",
            "source.0.password is missing",
        ),
        (
            "[[source]]\nname = \"n\"\nkind = \"amqp\"\nqueue = \"q\"\nurl = \"amqp://h\"\nstream = \"S\"",
            "has a use with kind = \"nats\" only, and this table is of kind \"amqp\"",
        ),
        (
            "[[source]]\nname = \"n\"\nkind = \"amqp\"\nqueue = \"q\"\nurl = \"amqp://h\"\n[[source]]\nname = \"m\"\nkind = \"amqp\"\n\
             queue = \"q\"\nurl = \"amqp://h\"",
            "source.1.queue is taken from by the source \"n\" too",
        ),
        ("[[confirm]]\nname = \"n\"", "confirm.0.verify is missing"),
        ("[[confirm]]\nname = \"n\"\nkind = \"pigeon\"", "there are webhook, sqs and notifications"),
        (
            "[[confirm]]\nname = \"n\"\nverify = \"unsigned\"\nqueues = [\"x\"]",
            "has a use with kind = \"notifications\" only",
        ),
        ("[[confirm]]\nname = \"n\"\nkind = \"notifications\"", "confirm.0.queues is missing"),
        (
            "[[confirm]]\nname = \"n\"\nkind = \"notifications\"\ntopics = [\"v2.x\"]\nsecrets = [\"env:X\"]",
            "confirm.0.secrets has a use with kind = \"webhook\" only",
        ),
        (
            "[[confirm]]\nname = \"n\"\nkind = \"notifications\"\nqueues = [\"web\"]",
            "\"web\", which is no queue's id",
        ),
        (
            "[[confirm]]\nname = \"n\"\nkind = \"notifications\"\ntopics = [\"v2.users.{id}.conversations\"]",
            "has {id} in it",
        ),
    ] {
        let said = Scene::usual(text).refusal();
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn notifications_are_read_with_two_topics_for_each_queue() {
    let queue = "9bfb36aa-cde3-4706-9744-70f0645754cf";
    let table = format!("[[confirm]]\nname = \"socket\"\nkind = \"notifications\"\nqueues = [\"{queue}\"]\n");
    let read = Scene::usual(&format!("{table}topics = [\"v2.users.x.conversations\"]\n")).settings().unwrap();
    let topics: Vec<_> = read.notifications[0].topics.iter().map(|topic| &**topic).collect();
    let of_queue = |event: &str| format!("v2.routing.queues.{queue}.{event}");
    assert_eq!(
        topics,
        [&of_queue("conversations"), &of_queue("conversations.messages"), "v2.users.x.conversations"]
    );
    assert_eq!((read.hooks.len(), read.notifications[0].organisation.as_str()), (0, "main"));
    let twice = Scene::usual(&format!("{table}{table}")).refusal();
    assert!(twice.contains("\"socket\" stands there twice"), "{twice}");
    let many: Vec<_> = (0..501).map(|number| format!("\"00000000-0000-4000-8000-{number:012}\"")).collect();
    let table = table.replace(&format!("[\"{queue}\"]"), &format!("[{}]", many.join(", ")));
    assert!(Scene::usual(&table).refusal().contains("come to 1002 topics, and a channel has 1000"));
}

#[test]
fn a_hook_is_read_with_its_secrets_and_refused_without() {
    let table = "[[confirm]]\nname = \"relay\"\nkind = \"webhook\"\nverify = \"hub-sha256-hex\"\nsecrets = [\"env:HOOK\", \"env:OLD\"]\n";
    let mut scene = Scene::usual(table);
    let said = scene.refusal();
    assert!(
        said.contains("confirm.0.secrets names the environment variable HOOK, which is not set"),
        "{said}"
    );
    scene.set("HOOK", "short");
    let said = scene.refusal();
    assert!(
        said.contains("the first secret has 5 bytes; at least 16 are needed") && !said.contains("short\""),
        "{said}"
    );
    scene.set("HOOK", "long-enough-for-a-hook");
    let hooks = scene.settings().unwrap().hooks;
    assert_eq!((hooks[0].name.as_str(), hooks[0].signature.secrets_held()), ("relay", 1));
    assert!(!hooks[0].believes_anybody());
    scene.set("OLD", "the-one-before-this-one");
    assert_eq!(scene.settings().unwrap().hooks[0].signature.secrets_held(), 2);
}

#[test]
fn an_own_scheme_is_read_and_its_settings_are_refused_elsewhere() {
    let own = "[[confirm]]\nname = \"relay\"\nkind = \"webhook\"\nverify = \"hmac\"\nsecrets = [\"long-enough-for-a-hook\"]\n\
               header = \"X-Sig\"\nprefix = \"v1=\"\nsigned_content = \"timestamp.body\"\ntimestamp_header = \"X-Time\"\n";
    let hooks = Scene::usual(own).settings().unwrap().hooks;
    assert_eq!(hooks[0].signature.scheme().strength(), webhook_signature::Strength::SignedWithTime);
    let idle = "[[confirm]]\nname = \"r\"\nkind = \"webhook\"\nverify = \"bearer\"\nsecrets = [\"long-enough-for-a-hook\"]\nprefix = \"v1=\"\n";
    assert!(Scene::usual(idle).refusal().contains("confirm.0.prefix has a use with verify = \"hmac\" only"));
}

const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/events";

/// A table of a queue with these lines.
fn queue(lines: &str) -> Scene {
    Scene::usual(&format!("[[confirm]]\nname = \"eventbridge\"\nkind = \"sqs\"\n{lines}\n"))
}

#[test]
fn a_queue_is_read_with_the_region_of_its_url_and_the_decoder_of_eventbridge() {
    let settings = queue(&format!("queue_url = \"{QUEUE}\"")).settings().unwrap();
    assert!(settings.hooks.is_empty());
    let [queue_read] = &settings.queues[..] else { panic!("one queue") };
    assert_eq!(
        (queue_read.place.queue_url.as_str(), queue_read.place.region.as_str()),
        (QUEUE, "eu-central-1")
    );
    assert_eq!((queue_read.place.endpoint.as_deref(), &queue_read.setup.source), (None, &None));
    assert_eq!(queue_read.setup.decoder, evidence_sqs::Decoder::EventBridge);
    let own = "queue_url = \"http://127.0.0.1:5000/123456789012/events\"\nregion = \"eu-west-1\"\n\
               endpoint = \"http://127.0.0.1:5000\"\ndecoder = \"auto\"\nevent_source = \"aws.partner/genesys.com/cloud/1\"";
    let settings = queue(own).settings().unwrap();
    let read = &settings.queues[0];
    assert_eq!(
        (read.place.region.as_str(), read.place.endpoint.as_deref()),
        ("eu-west-1", Some("http://127.0.0.1:5000"))
    );
    assert_eq!(read.setup.decoder, evidence_sqs::Decoder::Auto);
    assert!(read.setup.source.as_ref().unwrap().takes("aws.partner/genesys.com/cloud/1/suffix"));
}

#[test]
fn what_is_wrong_with_a_queue_is_said() {
    let with = |lines: &str| queue(&format!("queue_url = \"{QUEUE}\"\n{lines}")).refusal();
    for (said, part) in [
        (queue("").refusal(), "confirm.0.queue_url is missing: copy the URL"),
        (queue("queue_url = \"https://sqs.eu-central-1.amazonaws.com/\"").refusal(), "is no URL of a queue"),
        (queue(&format!("queue_url = \"{}\"", QUEUE.replace("https", "http"))).refusal(), "must begin with https://"),
        (queue("queue_url = \"https://example.com/1/events\"").refusal(), "confirm.0.region is missing"),
        (
            queue("queue_url = \"https://example.com/1/events\"\nregion = \"eu-west-1\"").refusal(),
            "names another host than Amazon's",
        ),
        (with("region = \"eu-west-1\""), "is \"eu-west-1\", and queue_url is in eu-central-1"),
        (with("endpoint = \"http://example.com\""), "must begin with https:// unless it is on loopback"),
        (with("event_source = \"a b\""), "is no source of events"),
        (with("secrets = [\"x\"]"), "confirm.0.secrets has a use with kind = \"webhook\" only"),
        (with("tolerance = \"1m\""), "confirm.0.tolerance has a use with kind = \"webhook\" only"),
        (
            Scene::usual(
                "[[confirm]]\nname = \"r\"\nverify = \"bearer\"\nsecrets = [\"long-enough-for-a-hook\"]\nregion = \"x\"\n",
            )
            .refusal(),
            "confirm.0.region has a use with kind = \"sqs\" only",
        ),
        (
            queue(&format!(
                "queue_url = \"{QUEUE}\"\n[[confirm]]\nname = \"eventbridge\"\nverify = \"bearer\"\n\
                 secrets = [\"long-enough-for-a-hook\"]"
            ))
            .refusal(),
            "\"eventbridge\" stands there twice",
        ),
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_token_of_higher_rank_replaces_the_client() {
    let mut scene = Scene::usual("");
    scene.set("GENESYSCLOUD_ACCESS_TOKEN", "ready");
    let credentials = |scene: &Scene| scene.settings().unwrap().organisations.remove(0).client.credentials;
    assert!(matches!(credentials(&scene), genesys_client::Credentials::Client { .. }));
    scene.set("CLOSEOUT_GENESYS__MAIN__ACCESS_TOKEN", "better");
    let genesys_client::Credentials::AccessToken(token) = credentials(&scene) else { panic!("a token") };
    assert_eq!(token.expose_secret(), "better");
}

#[test]
fn no_secret_shows_in_the_settings() {
    let mut scene = Scene::usual(
        "[[confirm]]\nname = \"relay\"\nkind = \"webhook\"\nverify = \"bearer\"\nsecrets = [\"planted-hook-secret\"]\n",
    );
    scene.set("GENESYSCLOUD_OAUTHCLIENT_SECRET", "planted-client-secret");
    let shown = format!("{:?} {:?}", scene.settings().unwrap(), scene.layers().unwrap());
    assert!(!shown.contains("planted"), "{shown}");
}

#[test]
fn receivers_are_read_and_what_is_wrong_with_one_is_told_without_its_url() {
    let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";
    let tables = |more: &str| {
        format!(
            "[callbacks]\nallowed_hosts = [\"hooks.example\"]\nsecret = \"{secret}\"\n[[callback]]\nname = \"a\"\n{more}"
        )
    };
    let url = "url = \"https://hooks.example/planted\"\n";
    let scene = Scene::usual(&tables(&format!("{url}secret = \"{secret}\"\n")));
    let setup = scene.settings().unwrap().callbacks;
    assert!(setup.is_on() && setup.signature.is_some());
    let [receiver] = setup.receivers.as_slice() else { panic!("{} receivers", setup.receivers.len()) };
    assert_eq!((receiver.name.as_str(), receiver.organisation.as_str()), ("a", "main"));
    let usual: Vec<_> =
        callbacks::USUAL.iter().copied().chain(["adapter_silent", "adapter_recovered"]).collect();
    assert_eq!(receiver.on, usual);
    let chat = Scene::usual(&tables(&format!("{url}format = \"chat\"\non = \"ghost\"\n")));
    let shown = format!("{:?}", chat.settings().unwrap());
    assert!(!shown.contains("planted"), "the address of a chat is a secret: {shown}");
    assert_eq!(chat.settings().unwrap().callbacks.receivers[0].on, ["ghost"]);
    let other = "url = \"https://b.example/planted\"\nformat = \"chat\"\n";
    for (more, why) in [
        (url.to_owned(), "secret is missing"),
        (format!("secret = \"{secret}\"\n"), "url is missing"),
        (format!("{url}secret = \"short\"\n"), "secret cannot be used"),
        (format!("{url}secret = \"{secret}\"\non = [\"close\"]\n"), "which is no event"),
        (format!("{url}secret = \"{secret}\"\norganisation = \"b\"\n"), "is not an organisation"),
        (other.to_owned(), "b.example is not in callbacks.allowed_hosts"),
    ] {
        let problems = Scene::usual(&tables(&more)).settings().unwrap_err().join("; ");
        assert!(problems.contains(why) && !problems.contains("planted"), "{why}: {problems}");
    }
    let wild = Scene::usual("[callbacks]\nallowed_hosts = [\"*.example\"]\n").settings().unwrap_err();
    assert!(wild.join("; ").contains("is not a host"), "{wild:?}");
}

#[test]
fn a_receiver_of_ghosts_that_is_not_told_of_silence_is_found() {
    let named = |on: &str, confirm: &str| {
        let scene = Scene::usual(&format!(
            "[callbacks]\nallowed_hosts = [\"chat.example\"]\n[[callback]]\nname = \"chat\"\nformat = \"chat\"\n\
             url = \"https://chat.example/a\"\n{on}{confirm}"
        ));
        scene.settings().unwrap().receivers_that_miss_silence().map(str::to_owned).collect::<Vec<_>>()
    };
    let hook = "[[confirm]]\nname = \"relay\"\nkind = \"webhook\"\nverify = \"unsigned\"\n";
    assert_eq!(named("on = [\"ghost\"]\n", hook), ["chat"]);
    assert_eq!(named("on = [\"ghost\", \"adapter_recovered\"]\n", hook), ["chat"]);
    for on in ["", "on = [\"closed\"]\n", "on = [\"ghost\", \"adapter_silent\"]\n"] {
        assert!(named(on, hook).is_empty(), "{on}");
    }
    assert!(named("on = [\"ghost\"]\n", "").is_empty(), "without an adapter none falls silent");
}

#[test]
fn the_file_with_every_key_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/closeout.toml");
    let text = super::reference::file();
    if std::env::var_os("UPDATE_CONFIG").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "config/closeout.toml is not what the keys say; run this test with UPDATE_CONFIG=1"
    );
    let (flat, _) = super::file::flatten(Path::new("config/closeout.toml"), &text).unwrap();
    for key in KEYS {
        let mention = format!("{} = ", key.name());
        assert!(text.contains(&mention) && text.contains(key.comment), "{} is not mentioned", key.path);
        let is_one_table =
            !["callback.", "confirm.", "scan.", "source."].into_iter().any(|list| key.path.starts_with(list));
        let written = |given: &Given| given.as_text().unwrap_or_else(|| given.to_string());
        let found = flat.get(&key.path.replace('*', "main")).map(|setting| written(&setting.given));
        let expected = key.default.filter(|_| is_one_table).map(str::to_owned);
        assert_eq!(found, expected, "{}", key.path);
    }
}

#[test]
fn an_unknown_key_hides_nothing_else_and_a_hook_is_told_by_its_name() {
    let scene = Scene::usual(
        "[server]\nlistn = \"a\"\nlisten = true\n[[confirm]]\nname = \"relay\"\nkind = \"webhook\"\n\
         verify = \"hub-sha256-hex\"\nsecrets = [\"short\"]\n[[confirm]]\nname = \"other\"\nkind = \"webhook\"\n\
         [[confirm]]\nname = \"third\"\nverify = true\n",
    );
    let cli = FromCommandLine { file: Some(scene.path()), flags: Vec::new() };
    let problems = super::load(&cli, &scene.variables).map(|_| ()).unwrap_err();
    let said: Vec<_> =
        problems.iter().map(|problem| problem.0.rsplit_once('/').unwrap().1.to_owned()).collect();
    assert_eq!(said.len(), 5, "{said:?}");
    for begins in [
        "closeout.toml, line 18: verify of [[confirm]] \"third\" must be",
        "closeout.toml, line 7: server.listen must be",
        "closeout.toml, line 6: unknown key `server.listn`",
        "closeout.toml, line 12: secrets of [[confirm]] \"relay\" cannot be used: the first secret has 5 bytes",
        "closeout.toml, line 13: verify of [[confirm]] \"other\" is missing",
    ] {
        assert!(said.iter().any(|text| text.starts_with(begins)), "{begins}: {said:?}");
    }
}

#[test]
fn the_commented_keys_of_the_files_are_valid_too() {
    for text in [super::reference::file(), super::reference::new_file()] {
        super::file::flatten(Path::new("config/closeout.toml"), &uncommented(&text)).unwrap();
    }
}

fn uncommented(text: &str) -> String {
    let is_key = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    text.lines()
        .filter_map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with("[[") => Some(rest),
            Some(rest) if rest.split_once(" = ").is_some_and(|(name, _)| is_key(name)) => Some(rest),
            Some(_) => None,
            None => Some(line).filter(|line| *line != "#"),
        })
        .flat_map(|line| [line, "\n"])
        .collect()
}
