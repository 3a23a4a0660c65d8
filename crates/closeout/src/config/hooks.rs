//! The `[[confirm]]` tables of webhooks: how each proves its sender.

use genesys_types::Organisation;
use webhook_signature::{
    ConfigurationError, Encoding, HmacScheme, Scheme, SignatureLayout, SignedContent, Strength,
    WebhookSignature,
};

use super::{confirm, environment::Variables, layers::Reader};

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

/// Reads the table of this number.
pub(super) fn one(
    reader: &mut Reader<'_>,
    number: usize,
    variables: &Variables,
    known: &[Organisation],
) -> Option<Hook> {
    let path = |key: &str| format!("confirm.{number}.{key}");
    let name = confirm::name(reader, number);
    let organisation = confirm::organisation(reader, number, known);
    let decoder = reader.choice(&path("decoder"));
    let signature = signature(reader, number, variables);
    Some(Hook { name: name?, organisation: organisation?, signature: signature?, decoder: decoder? })
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
            let only = if key == "header" { "verify = \"hmac\" or \"header\"" } else { "verify = \"hmac\"" };
            reader.refuse(&path, format_args!("has a use with {only} only"));
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
