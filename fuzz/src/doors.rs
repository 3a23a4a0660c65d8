//! The doors through which strangers' bytes come, each as a function of bytes: it may refuse, and must not panic, whatever comes.
//!
//! What must hold of what is taken is asserted. The fuzzers feed these functions, and so does the test `replay`, which
//! compiles this file again and runs the corpus through it.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use callbacks::{AllowedHosts, Callbacks, HttpPost, NoAdapters, NoAdvice, Setup};
use closeout::config::{self, Variables};
use event_bodies::Decoder as BodyDecoder;
use genesys_client::{Dialect, Region};
use genesys_types::Time;
use http_api::CommandReader;
use intake::{Commands as _, Decoder as CommandDecoder};
use orchestrator::{Record, SystemClock};
use queue::Headers;
use store::{MemoryStore, Row};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use webhook_signature::{HmacScheme, Scheme, SecretString, WebhookSignature};

/// The receiver's clock, in seconds since 1970.
const NOW: i64 = 1_795_255_200;

/// The secret of all hooks: fit as text and as base64.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A door's name, which is that of its corpus, and what it does with bytes: whether they were taken in any way.
pub type Door = (&'static str, fn(&[u8]) -> bool);

/// Every door.
pub const DOORS: [Door; 6] = [
    ("deliveries", delivery),
    ("commands", command),
    ("stored", stored),
    ("dialects", dialect),
    ("addresses", address),
    ("configuration", configuration),
];

/// Header lines up to an empty line, and a body behind it; without an empty line all is body.
fn message(data: &[u8]) -> (Vec<(String, &[u8])>, &[u8]) {
    let end = data.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((&data[..0], data), |end| (&data[..end], &data[end + 2..]));
    let lines = head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        (String::from_utf8_lossy(&line[..colon]).into_owned(), value.strip_prefix(b" ").unwrap_or(value))
    });
    (lines.collect(), body)
}

fn hooks() -> &'static [WebhookSignature] {
    static HOOKS: OnceLock<Vec<WebhookSignature>> = OnceLock::new();
    HOOKS.get_or_init(|| {
        let schemes = [
            Scheme::HubSha256Base64,
            Scheme::HubSha256Hex,
            Scheme::StandardWebhooks,
            Scheme::Hmac(HmacScheme::slack()),
            Scheme::Hmac(HmacScheme::stripe()),
            Scheme::Bearer,
            Scheme::Header("X-Api-Key".into()),
        ];
        let hook = |scheme| WebhookSignature::new(scheme, vec![SecretString::from(SECRET)]);
        schemes.into_iter().map(|scheme| hook(scheme).expect("the secret fits every scheme")).collect()
    })
}

/// A delivery to hooks of every scheme but one: verified, and its body read by every decoder, as if it had been.
pub fn delivery(data: &[u8]) -> bool {
    let (head, body) = message(data);
    let mut taken = false;
    let lines = || head.iter().map(|(name, value)| (name.as_str(), *value));
    for hook in hooks() {
        if let Ok(verified) = hook.verify(lines(), body, NOW) {
            assert_eq!(verified.secret_index, Some(0));
            assert!(verified.signed_at.is_none_or(|at| at.abs_diff(NOW) <= 300), "{verified:?}");
            taken = true;
        }
    }
    for decoder in BodyDecoder::ALL {
        if let Ok(reading) = event_bodies::read(decoder, body) {
            assert!(reading.event_id.is_none_or(|id| (1..=256).contains(&id.len())));
            // A proof without a conversation would be nobody's.
            assert!(reading.what.is_none() || reading.conversation.is_some(), "{decoder:?}");
        }
    }
    taken
}

fn reader() -> &'static CommandReader {
    static READER: OnceLock<CommandReader> = OnceLock::new();
    READER.get_or_init(|| {
        let secret = vec![SecretString::from(SECRET)];
        let signature = WebhookSignature::new(Scheme::StandardWebhooks, secret).expect("the secret fits");
        let setup = Setup { allowed: shop(), signature: Some(Arc::new(signature)), ..Setup::default() };
        let stopped = CancellationToken::new();
        stopped.cancel();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let _inside = runtime.enter();
        let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(SystemClock::default()));
        let post = HttpPost::new(setup.allowed.clone(), setup.timeout).expect("nothing is posted");
        let (ears, advisor, post) = (Arc::new(NoAdapters), Arc::new(NoAdvice), Arc::new(post));
        CommandReader::new(Callbacks::start(setup, store, clock, ears, advisor, post, stopped))
    })
}

fn shop() -> AllowedHosts {
    AllowedHosts::read(&["shop.example".to_owned()]).expect("a host")
}

/// A message of a queue, taken out of what stands around it in every way, and read as a command.
pub fn command(data: &[u8]) -> bool {
    let (head, body) = message(data);
    let mut headers = Headers::default();
    for (name, value) in &head {
        headers.push(name, String::from_utf8_lossy(value));
    }
    let now = Time::from_millis(NOW * 1_000);
    let organisation = "main".parse().expect("a name");
    let mut taken = false;
    for name in CommandDecoder::NAMES.iter().filter(|name| **name != "jsonpath") {
        let decoder: CommandDecoder = name.parse().expect("a decoder");
        let Ok(command) = intake::command_in(&decoder, &headers, body, now) else { continue };
        if let Ok(asked) = reader().read(&organisation, &command, now) {
            let again = reader().read(&organisation, &command, now).expect("it was read before");
            assert_eq!(again, asked);
            assert!(asked.said.labels.len() <= 16);
            taken = true;
        }
    }
    taken
}

/// The stored form of a closure, behind a line with the column that has to agree with it: when it wants to be looked at, or `-`.
/// What can be read is written and read back as the same.
pub fn stored(data: &[u8]) -> bool {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or_default();
    let wake_at = str::from_utf8(&data[..line]).ok().and_then(|text| text.parse().ok());
    let row = Row {
        key: Uuid::from_u128(0x0193_4b5c_0000_7000_8000_0000_0000_004d),
        organisation: "main".to_owned(),
        conversation: Some(Uuid::from_u128(1)),
        participant: None,
        version: 3,
        state: "verifying".to_owned(),
        reason: None,
        source: "http".to_owned(),
        ended: wake_at.is_none(),
        wake_at,
        created_at: NOW * 1_000,
        updated_at: NOW * 1_000,
        labels: Vec::new(),
        queue: None,
        body: data[line..].to_vec().into(),
    };
    let Ok(record) = Record::from_row(&row) else { return false };
    assert_eq!(Record::from_row(&record.row()).as_ref(), Ok(&record));
    true
}

/// A table of routes: what it shows of its calls stays below the API and holds no gap.
pub fn dialect(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    let Ok(dialect) = Dialect::parse("fuzzed", text) else { return false };
    let conversation = "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11".parse().expect("an id");
    let shown = [
        dialect.shows_find(),
        dialect.shows_read(conversation),
        dialect.shows_close(conversation, false),
        dialect.shows_close(conversation, true),
    ];
    for call in shown.into_iter().flatten() {
        assert!(call.contains(" /"), "{call}");
        assert!(!call.contains("://") && !call.contains("/../"), "{call}");
    }
    true
}

/// Addresses of the configuration and of commands: what is taken is https, or on loopback, and where it says.
pub fn address(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    let region = Region::parse(text);
    if let Ok(region) = &region {
        for url in [region.api(), region.login()] {
            assert!(url.scheme() == "https" || (url.scheme() == "http" && region.is_loopback()), "{url}");
            assert!(url.username().is_empty() && url.password().is_none() && url.query().is_none(), "{url}");
        }
    }
    let callback = shop().check(text);
    if let Ok(url) = &callback {
        assert_eq!((url.scheme(), url.host_str(), url.port()), ("https", Some("shop.example"), None));
    }
    region.is_ok() || callback.is_ok() || AllowedHosts::read(&[text.to_owned()]).is_ok()
}

/// What the environment of a service holds in the inputs of the corpus: every secret is the same, and every id.
fn variables() -> &'static Variables {
    static VARIABLES: OnceLock<Variables> = OnceLock::new();
    VARIABLES.get_or_init(|| {
        let given = [
            ("GENESYSCLOUD_OAUTHCLIENT_ID", "0f0e0d0c-0b0a-4908-8706-050403020100"),
            ("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET),
            ("GENESYSCLOUD_REGION", "eu-central-1"),
            ("CALLBACK_URL", "https://shop.example/told"),
            ("A_SECRET", SECRET),
            ("A_HEADER", "authorization: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ];
        Variables(given.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    })
}

/// The text of a configuration file: read, laid over the defaults and checked, as it is before a service starts. What names files of
/// this machine is left out.
pub fn configuration(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else { return false };
    if ["\"file:", "'file:", "dialect = \"/", SECRET].into_iter().any(|part| text.contains(part)) {
        return false;
    }
    match config::load_text(Path::new("/nowhere/closeout.toml"), text, variables(), Vec::new()) {
        Ok((layers, settings)) => {
            assert!(!settings.organisations.is_empty());
            for one in &settings.organisations {
                let url = one.client.region.api();
                assert!(url.scheme() == "https" || one.client.region.is_loopback(), "{url}");
            }
            let shown = format!("{:?} {layers:?} {settings:?}", layers.shown());
            assert!(!shown.contains(SECRET), "a secret is shown");
            true
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.0.is_empty() && !problem.0.contains(SECRET)));
            false
        }
    }
}
