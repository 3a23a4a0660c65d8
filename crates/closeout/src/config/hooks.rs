//! The `[[confirm]]` tables: which webhooks bring evidence, and how each proves its sender.

use genesys_types::Organisation;
use webhook_signature::{
    ConfigurationError, Encoding, HmacScheme, Scheme, SignatureLayout, SignedContent, Strength,
    WebhookSignature,
};

use super::{
    environment::Variables,
    keys::kind_refused,
    layers::{Layers, Reader, numbers},
    origin::Problem,
};

/// One webhook.
#[derive(Debug)]
pub struct Hook {
    /// Its name: events are posted to `/hooks/{name}`.
    pub name: String,
    /// The organisation that its events belong to.
    pub organisation: Organisation,
    /// How deliveries prove their sender.
    pub signature: WebhookSignature,
    /// How bodies are read: `auto`, or the name of one decoder.
    pub decoder: String,
}

impl Hook {
    /// Whether anybody who reaches the hook is believed.
    pub fn believes_anybody(&self) -> bool {
        self.signature.scheme().strength() == Strength::Nothing
    }
}

/// Reads every table.
pub fn read(reader: &mut Reader<'_>, variables: &Variables, known: &[Organisation]) -> Vec<Hook> {
    let mut hooks: Vec<Hook> = Vec::new();
    for number in numbers(&reader.layers.settings, "confirm") {
        let Some(hook) = one(reader, number, variables, known) else { continue };
        if hooks.iter().any(|other| other.name == hook.name) {
            reader.refuse(
                &format!("confirm.{number}.name"),
                format_args!("{:?} stands there twice", hook.name),
            );
        } else {
            hooks.push(hook);
        }
    }
    hooks
}

/// The problems with hooks told by the hook's name, in place of the number of its table: `secrets of [[confirm]] "relay"`.
pub fn by_name(problems: Vec<Problem>, layers: &Layers) -> Vec<Problem> {
    let tables: Vec<_> = numbers(&layers.settings, "confirm")
        .into_iter()
        .map(|number| {
            let table = format!("confirm.{number}");
            let name = layers.setting(&format!("{table}.name")).and_then(|setting| setting.given.as_text());
            let called = name.map_or_else(
                || format!("table {} of [[confirm]]", number + 1),
                |name| format!("[[confirm]] {name:?}"),
            );
            (format!("{table}."), called)
        })
        .collect();
    let told = |Problem(text): Problem| {
        let found =
            tables.iter().find_map(|(table, called)| Some((text.split_once(table.as_str())?, called)));
        let Some(((before, after), called)) = found else { return Problem(text) };
        let end = after.find(|sign: char| !(sign.is_ascii_lowercase() || sign == '_')).unwrap_or(after.len());
        let (key, rest) = after.split_at(end);
        Problem(format!("{before}{key} of {called}{rest}"))
    };
    problems.into_iter().map(told).collect()
}

fn one(
    reader: &mut Reader<'_>,
    number: usize,
    variables: &Variables,
    known: &[Organisation],
) -> Option<Hook> {
    let path = |key: &str| format!("confirm.{number}.{key}");
    let kind = reader.text(&path("kind"))?;
    if let Some(why) = kind_refused("confirm", &kind) {
        reader.refuse(&path("kind"), why);
        return None;
    }
    let name = name(reader, &path("name"));
    let organisation = organisation(reader, &path("organisation"), known);
    let decoder = reader.choice(&path("decoder"));
    let signature = signature(reader, number, variables);
    Some(Hook { name: name?, organisation: organisation?, signature: signature?, decoder: decoder? })
}

fn name(reader: &mut Reader<'_>, path: &str) -> Option<String> {
    if reader.layers.setting(path).is_none() {
        reader.missing(path, "is missing: events are posted to /hooks/{name}");
        return None;
    }
    reader.parsed(path, |text| {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(text.to_owned())
        } else {
            Err("must have 1 to 64 characters, each of a-z, 0-9, - and _".to_owned())
        }
    })
}

fn organisation(reader: &mut Reader<'_>, path: &str, known: &[Organisation]) -> Option<Organisation> {
    // The default is `main`; the only organisation that there is is meant too.
    let by_default = reader.layers.setting(path).is_some_and(|setting| setting.origin.rank() == 0);
    if let ([only], true) = (known, by_default) {
        return Some(only.clone());
    }
    reader.parsed(path, |text| {
        known.iter().find(|organisation| organisation.as_str() == text).cloned().ok_or_else(|| {
            let names: Vec<_> = known.iter().map(Organisation::as_str).collect();
            format!("is not an organisation of this configuration; it has {}", names.join(", "))
        })
    })
}

fn signature(reader: &mut Reader<'_>, number: usize, variables: &Variables) -> Option<WebhookSignature> {
    let path = |key: &str| format!("confirm.{number}.{key}");
    let verify = path("verify");
    if reader.layers.setting(&verify).is_none() {
        reader.missing(&verify, "is missing: say how the sender signs, for example hub-sha256-base64");
        return None;
    }
    let scheme = match reader.choice(&verify)?.as_str() {
        "hub-sha256-base64" => Scheme::HubSha256Base64,
        "hub-sha256-hex" => Scheme::HubSha256Hex,
        "standard-webhooks" => Scheme::StandardWebhooks,
        "hmac" => Scheme::Hmac(own_scheme(reader, number)?),
        "bearer" => Scheme::Bearer,
        "basic" => Scheme::Basic,
        "header" => Scheme::Header(header(reader, number)?),
        "unsigned" => Scheme::Unsigned,
        other => {
            reader.refuse(&verify, format_args!("{other:?} is not known"));
            return None;
        }
    };
    if !matches!(scheme, Scheme::Hmac(_)) {
        refuse_without_use(reader, number, matches!(scheme, Scheme::Header(_)));
    }
    let before = reader.problems.len();
    let secrets = reader.secrets(&path("secrets"), variables);
    if reader.problems.len() > before {
        return None;
    }
    let made = WebhookSignature::new(scheme, secrets);
    made.map_err(|error| {
        let to_blame = path(setting_of(&error));
        let place = if reader.layers.setting(&to_blame).is_some() { to_blame } else { verify };
        reader.refuse(&place, format_args!("cannot be used: {error}"));
    })
    .ok()
}

/// The setting that is wrong.
fn setting_of(error: &ConfigurationError) -> &'static str {
    match error {
        ConfigurationError::HeaderName { .. } | ConfigurationError::SameHeader { .. } => "header",
        ConfigurationError::NoPlaceForTime
        | ConfigurationError::NoPlaceForId
        | ConfigurationError::Separator => "signed_content",
        ConfigurationError::TimeNotSigned | ConfigurationError::TwoPlacesForTime => "timestamp_header",
        ConfigurationError::Prefix => "prefix",
        ConfigurationError::Tolerance { .. } => "tolerance",
        // The rest, and what a later version may add, is about secrets.
        ConfigurationError::NoSecret
        | ConfigurationError::SecretWithoutUse
        | ConfigurationError::EmptySecret { .. }
        | ConfigurationError::ShortSecret { .. }
        | ConfigurationError::SecretNotBase64 { .. }
        | ConfigurationError::AsymmetricKey { .. }
        | ConfigurationError::SecretNotPrintable { .. }
        | ConfigurationError::CredentialsWithoutUser { .. }
        | _ => "secrets",
    }
}

/// Settings of `hmac` under another scheme would be believed to do something.
fn refuse_without_use(reader: &mut Reader<'_>, number: usize, header_is_used: bool) {
    for key in
        ["header", "prefix", "encoding", "signed_content", "timestamp_header", "id_header", "tolerance"]
    {
        let path = format!("confirm.{number}.{key}");
        let given = reader.layers.setting(&path).is_some_and(|setting| setting.origin.rank() > 0);
        if given && !(key == "header" && header_is_used) {
            reader.refuse(&path, "has a use with verify = \"hmac\" only");
        }
    }
}

fn header(reader: &mut Reader<'_>, number: usize) -> Option<String> {
    let path = format!("confirm.{number}.header");
    let header = reader.text(&path);
    if header.is_none() {
        reader.missing(&path, "is missing: name the header that carries the proof");
    }
    header
}

fn own_scheme(reader: &mut Reader<'_>, number: usize) -> Option<HmacScheme> {
    let path = |key: &str| format!("confirm.{number}.{key}");
    let header = header(reader, number)?;
    let prefix = reader.text(&path("prefix")).unwrap_or_default();
    let encoding = reader.choice(&path("encoding"))?.parse::<Encoding>().ok()?;
    let content = reader.choice(&path("signed_content"))?.parse::<SignedContent>().ok()?;
    let tolerance = reader.duration(&path("tolerance"))?;
    Some(HmacScheme {
        layout: SignatureLayout::Single { prefix },
        encoding,
        content,
        timestamp_header: reader.text(&path("timestamp_header")),
        id_header: reader.text(&path("id_header")),
        tolerance_seconds: u32::try_from(tolerance.as_secs()).unwrap_or(u32::MAX),
        ..HmacScheme::over_body(&header)
    })
}
