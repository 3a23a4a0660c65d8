//! Every key of the configuration, with its default and its meaning: the one list that file, environment, checks and
//! `config/closeout.toml` are made from.

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// A length of time, as `20s`.
    Duration,
    /// A whole number between these two.
    Count(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// What to do about a wrap-up: `none`, `skip`, `{ name = "…" }` or `{ id = "…" }`.
    WrapUp,
    /// A list of texts.
    Texts,
    /// A secret: the text itself, `env:NAME`, or `file:PATH`.
    Secret,
    /// A list of secrets.
    Secrets,
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its path; `*` stands for an organisation's name or the number of a table.
    pub path: &'static str,
    /// What its value must look like.
    pub form: Form,
    /// The value when nobody says anything, as it would stand in the environment.
    pub default: Option<&'static str>,
    /// What could stand there, for keys without a default.
    pub example: &'static str,
    /// What it does, in one line.
    pub comment: &'static str,
}

impl Key {
    /// The path without its last part: the section.
    pub fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The last part of the path.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }

    /// Whether its value must never show.
    pub fn is_secret(&self) -> bool {
        matches!(self.form, Form::Secret | Form::Secrets)
    }
}

/// The sections, in the order of the file, with what stands above each.
pub const SECTIONS: [(&str, &str); 15] = [
    ("server", "Where the service listens. TLS belongs to a proxy in front of it."),
    ("store", "Where closures, their evidence and received events are kept."),
    (
        "genesys.*",
        "One table for each Genesys Cloud organisation. Client id and secret had better come from \
         GENESYSCLOUD_OAUTHCLIENT_ID and GENESYSCLOUD_OAUTHCLIENT_SECRET.",
    ),
    ("closing", "How sessions are closed, unless a request says otherwise."),
    ("lookup", "Requests that name no conversation, but an external id or an attribute of the guest."),
    ("ghosts", "Closures without proof: when they are looked at again, and when they are given up."),
    (
        "confirm.*",
        "One table for each way by which evidence comes: a webhook (POST /hooks/{name}), a queue, or Genesys' notification WebSocket (docs/evidence.md).",
    ),
    (
        "callbacks",
        "Telling the outside of closures: of single ones, whose request names a `callback`, and of all, by the tables below. \
         Nothing is told while allowed_hosts is empty.",
    ),
    (
        "callback.*",
        "One table for each receiver that is told of every closure of an organisation. Its host must stand in \
         callbacks.allowed_hosts.",
    ),
    (
        "scan.*",
        "One table for each scan that is made at intervals for sessions that are stuck and that nobody asked to close \
         (docs/ghost-scan.md). Without a table none is made by itself.",
    ),
    (
        "source.*",
        "One table for each queue that commands come by (docs/sources.md). The HTTP interface is always there and needs no table.",
    ),
    (
        "traces",
        "OpenTelemetry: one trace for each closure, sent by OTLP/HTTP when it is over (docs/operations.md). Nothing is sent while \
         endpoint is not set.",
    ),
    ("auth", "Who may use the HTTP interface."),
    (
        "console.oidc",
        "Log-in to the console by a provider of OpenID Connect, beside keys (docs/console.md). Without an issuer there is none.",
    ),
    (
        "console.oidc.grant.*",
        "One table for each role that is granted to people whom the provider knows; whoever is named by none is not let in. \
         Of several the highest role holds, for the organisations that have it.",
    ),
];

const fn with(path: &'static str, form: Form, default: &'static str, comment: &'static str) -> Key {
    Key { path, form, default: Some(default), example: "", comment }
}

const fn without(path: &'static str, form: Form, example: &'static str, comment: &'static str) -> Key {
    Key { path, form, default: None, example, comment }
}

/// The schemes of `[[confirm]]`.
pub const SCHEMES: &[&str] = &[
    "hub-sha256-base64",
    "hub-sha256-hex",
    "standard-webhooks",
    "hmac",
    "bearer",
    "basic",
    "header",
    "unsigned",
];

/// Where an external id can stand.
pub const DIMENSIONS: &[&str] = &["externalTag", "externalContactId", "journeyCustomerId", "addressFrom"];

/// Every key.
#[rustfmt::skip]
pub const KEYS: [Key; 128] = [
    with("server.listen", Form::Text, "127.0.0.1:8080", "Address and port."),
    with("server.shutdown_grace", Form::Duration, "20s", "How long calls and requests under way may take to finish at a stop."),
    with("server.max_connections", Form::Count(1, 1_000_000), "4096", "Connections at once; one more takes the place of one that has not asked for anything yet, or is closed at once."),
    with("server.console", Form::Choice(&["on", "read_only", "off"]), "on", "The page for operators at /: on (roles hold), read_only for every key, or off (docs/console.md)."),

    with("store.url", Form::Text, "sqlite:closeout.db", "sqlite:FILE, postgres://USER@HOST/DATABASE (docs/postgresql.md), or memory: for trying things out (all is lost at the stop)."),
    without("store.password", Form::Secret, "env:MY_DATABASE_PASSWORD", "The password for PostgreSQL: env:NAME, file:PATH, or the text itself; without it, PGPASSWORD."),
    with("store.replicas", Form::Flag, "false", "Whether several services work on this store at once; PostgreSQL only (docs/scaling-out.md)."),
    with("store.retention", Form::Duration, "30d", "How long ended closures and their evidence are kept (at most 49d)."),
    with("store.inbox_retention", Form::Duration, "26h", "How long events and idempotency keys are remembered; at least 25h, as EventBridge repeats for 24h."),

    without("genesys.*.region", Form::Text, "eu-central-1", "AWS name, base domain, or a URL such as http://127.0.0.1:8081 (simulator, gateway)."),
    without("genesys.*.api_base_url", Form::Text, "https://gateway.example/genesys", "In place of the region's API address, when a gateway or a stub stands between."),
    without("genesys.*.login_base_url", Form::Text, "https://gateway.example/login", "In place of the region's login address."),
    with("genesys.*.dialect", Form::Text, "platform", "platform, the published API; for a gateway or a mock a dialect's name, or an own file.toml (docs/dialects.md)."),
    with("genesys.*.allow_unpublished", Form::Flag, "false", "Whether a dialect other than platform may be spoken to Genesys' own hosts."),
    without("genesys.*.client_id", Form::Text, "11111111-2222-4333-8444-555555555555", "OAuth client (client credentials)."),
    without("genesys.*.client_secret", Form::Secret, "env:MY_CLIENT_SECRET", "Its secret: env:NAME, file:PATH, or the text itself."),
    without("genesys.*.access_token", Form::Secret, "env:MY_ACCESS_TOKEN", "A ready token in place of client id and secret; it cannot be renewed."),
    without("genesys.*.profile", Form::Text, "DEFAULT", "Takes region and credentials from this profile of the gc command line (~/.gc/config.toml)."),
    with("genesys.*.requests_per_minute", Form::Count(0, 1_000_000), "300", "Requests in one window to begin with, 0 for no limit; the answers' headers correct it."),
    with("genesys.*.quota_window", Form::Duration, "60s", "Length of that window; shorter only against a simulator."),
    with("genesys.*.max_in_flight", Form::Count(1, 10_000), "32", "Calls to Genesys at once."),
    with("genesys.*.max_open", Form::Count(1, 100_000_000), "1000000", "Open closures at once; beyond that, requests are refused with 429 for a while."),
    with("genesys.*.connect_timeout", Form::Duration, "3s", "How long a connection to Genesys may take to stand."),
    with("genesys.*.request_timeout", Form::Duration, "10s", "How long one call to Genesys may take in all; less than 20s."),

    with("closing.evidence", Form::Choice(&["webhook_or_read_back", "webhook_only"]), "webhook_or_read_back", "What proves that the guest is gone: webhook_or_read_back, or webhook_only."),
    with("closing.order", Form::Choice(&["guest_first", "conversation_first"]), "guest_first", "Who is closed first: guest_first, or conversation_first."),
    with("closing.agent_connected", Form::Choice(&["refuse", "wait", "allow"]), "refuse", "When an agent is connected: refuse, wait for the agent to leave, or allow."),
    with("closing.wrapper_close", Form::Choice(&["patch", "delete"]), "patch", "The call that closes the conversation: patch or delete (which deletes nothing)."),
    with("closing.guest_returns", Form::Choice(&["never", "once", "up_to_3"]), "never", "A guest who comes back after the end is closed again: never, once, or up_to_3 times."),
    with("closing.confirm_within", Form::Duration, "20s", "How long an event is awaited before a read looks for itself."),
    with("closing.read_back", Form::Choice(&["alone", "together"]), "alone", "How closures are read whose events did not come: alone, or many together by analytics, whose lag is not documented (docs/evidence.md)."),
    with("closing.deadline", Form::Duration, "2m", "When a closure without proof becomes a ghost."),
    with("closing.max_rounds", Form::Count(1, 100), "3", "How often the guest's close is asked at most."),
    with("closing.max_attempts", Form::Count(1, 100), "8", "How many failures of one call are borne."),
    with("closing.wrap_up", Form::WrapUp, "none", "When Genesys demands a wrap-up: none, skip, { name = \"…\" } of a code of the agent's queue, or { id = \"…\" }."),
    with("closing.stale_read_gap", Form::Duration, "10s", "How far apart two reads lie that together prove that a close had no effect."),
    with("closing.participant_grace", Form::Duration, "30s", "How long a missing conversation or guest is looked for."),

    with("lookup.external_id_dimension", Form::Choice(DIMENSIONS), "externalTag", "Where analytics keep external ids (unverified): externalTag, externalContactId, journeyCustomerId, addressFrom."),
    with("lookup.within", Form::Duration, "72h", "How long ago a conversation may have begun to be found; 72h is the life of a guest's session."),
    with("lookup.look_for", Form::Duration, "2m", "How long a conversation is looked for, as analytics lag; by how much is not documented."),

    with("ghosts.look_again", Form::Duration, "5m", "When a ghost is first looked at again; the interval doubles."),
    with("ghosts.look_again_most", Form::Duration, "6h", "The longest interval between two looks."),
    with("ghosts.give_up_after", Form::Duration, "72h", "When a ghost ends as failed; 72h is the life of a guest's session."),
    with("ghosts.silent_adapter_after", Form::Duration, "3m", "After which silence of an adapter, while closures wait for its events, that is told as one incident."),

    without("confirm.*.name", Form::Text, "open-messaging", "The name: events of a webhook are posted to /hooks/{name}."),
    with("confirm.*.kind", Form::Text, "webhook", "The kind of adapter: webhook, sqs (EventBridge through an Amazon SQS queue: docs/evidence-sqs.md), or notifications."),
    without("confirm.*.verify", Form::Choice(SCHEMES), "hub-sha256-base64", "Signature: hub-sha256-base64, hub-sha256-hex, standard-webhooks, hmac, bearer, basic, header, unsigned."),
    without("confirm.*.secrets", Form::Secrets, "[\"env:HOOK_SECRET\", \"env:HOOK_SECRET_OLD\"]", "The secrets, the current one first: 16 bytes or more each; standard-webhooks: base64 of 24 or more."),
    with("confirm.*.organisation", Form::Text, "main", "The organisation that its events belong to."),
    with("confirm.*.decoder", Form::Choice(&["auto", "genesys-notification", "eventbridge", "cloudevents", "closeout"]), "auto", "How bodies are read: auto, genesys-notification, eventbridge (the default of sqs), cloudevents, closeout."),
    without("confirm.*.header", Form::Text, "X-Relay-Signature", "hmac and header: the header with the signature or key."),
    without("confirm.*.prefix", Form::Text, "v1=", "hmac: what stands before the signature."),
    with("confirm.*.encoding", Form::Choice(&["hex", "base64", "base64url", "base64url-padded"]), "hex", "hmac: how the signature is written: hex, base64, base64url, base64url-padded."),
    with("confirm.*.signed_content", Form::Choice(&["body", "timestamp.body"]), "body", "hmac: what is signed: body, or timestamp.body."),
    without("confirm.*.timestamp_header", Form::Text, "X-Relay-Time", "hmac: the header with the time in Unix seconds."),
    without("confirm.*.id_header", Form::Text, "X-Relay-Id", "hmac: the header with the event's id, which is not signed."),
    with("confirm.*.tolerance", Form::Duration, "5m", "hmac: how far the signed time may be off, both ways."),
    without("confirm.*.queue_url", Form::Text, "https://sqs.eu-central-1.amazonaws.com/123456789012/genesys-events", "sqs: the queue's URL."),
    without("confirm.*.region", Form::Text, "eu-central-1", "sqs: the queue's region, where its URL does not tell."),
    without("confirm.*.endpoint", Form::Text, "https://vpce-0a1b2c3d.sqs.eu-central-1.vpce.amazonaws.com", "sqs: another address of SQS, as a VPC endpoint; https, unless on loopback."),
    without("confirm.*.event_source", Form::Text, "aws.partner/genesys.com/cloud/11111111-2222-4333-8444-555555555555", "sqs: whose events are taken: EventBridge's source, or its beginning up to a /; without it, all."),
    without("confirm.*.queues", Form::Texts, "[\"9bfb36aa-cde3-4706-9744-70f0645754cf\"]", "notifications: the ids of the queues whose conversations are listened to; two topics each, 1,000 in all."),
    without("confirm.*.topics", Form::Texts, "[\"v2.users.5f0f2a1c-9c55-4a63-8e2a-2a0d1c7f6b04.conversations\"]", "notifications: further topics, with ids and not with {id}."),

    with("callbacks.allowed_hosts", Form::Texts, "[]", "Hosts, with :port where it is not 443; an address stands for itself, and is how private ones are allowed."),
    without("callbacks.secret", Form::Secret, "env:CALLBACK_SECRET", "Signs what requests ask to be told (Standard Webhooks): whsec_ and base64 of 24 bytes or more."),
    with("callbacks.timeout", Form::Duration, "10s", "How long one try may take in all."),
    without("callbacks.public_url", Form::Text, "https://closeout.example", "Where people reach this service; links begin with it."),

    without("callback.*.name", Form::Text, "orders", "The name, shown in the log of deliveries."),
    with("callback.*.organisation", Form::Text, "main", "The organisation whose closures are told."),
    without("callback.*.url", Form::Secret, "env:CALLBACK_URL", "Where to, https; kept as a secret, because the URLs of chats are."),
    with("callback.*.on", Form::Texts, "[\"closed\", \"ghost\", \"failed\", \"cancelled\", \"resolved\", \"adapter_silent\", \"adapter_recovered\"]", "What is told: these, or accepted, participant_closed, confirmed, already_closed, blocked, ghost_cleared, guest_returned, batch_finished, batch_found."),
    with("callback.*.format", Form::Choice(&["cloudevents", "chat"]), "cloudevents", "cloudevents; or chat, a line in the JSON that incoming webhooks of Slack and Teams take."),
    without("callback.*.secret", Form::Secret, "env:ORDERS_SECRET", "Signs what is told; a chat needs none."),

    without("scan.*.name", Form::Text, "nightly", "The name, shown in the list of batches."),
    with("scan.*.organisation", Form::Text, "main", "The organisation whose conversations are looked at."),
    with("scan.*.every", Form::Duration, "24h", "The time from one scan to the next; 15m at least."),
    with("scan.*.older_than", Form::Duration, "24h", "For how long a session has been open, and nobody came or left; 5m at least."),
    with("scan.*.within", Form::Duration, "7d", "How long ago it may have begun; 31d at most."),
    without("scan.*.queue", Form::Text, "9bfb36aa-cde3-4706-9744-70f0645754cf", "Only sessions that were in this queue."),
    without("scan.*.message_type", Form::Text, "webmessaging", "Only this message type."),
    with("scan.*.limit", Form::Count(1, 10_000), "1000", "At most so many are looked at; each costs one read."),
    with("scan.*.then", Form::Choice(&["preview", "close_what_is_found"]), "preview", "preview: an operator looks and executes; close_what_is_found: closes without anybody's look."),

    without("source.*.name", Form::Text, "orders", "The name: in listings and metrics, and as the source of the closures that it asks for."),
    without("source.*.kind", Form::Text, "nats", "The kind of broker: nats, amqp, sqs, kafka (docs/sources.md), or http, which needs no table."),
    with("source.*.organisation", Form::Text, "main", "The organisation whose closures its commands ask for; they may name no other."),
    with("source.*.decoder", Form::Choice(&intake::Decoder::NAMES), "auto", "How messages are read: auto (plain or CloudEvent), plain, cloudevents, eventbridge, sns, celery, jsonpath."),
    without("source.*.fields", Form::Texts, "[\"conversationId=/detail/id\", \"id=/id\"]", "jsonpath: which field of the command stands where, as a JSON pointer; id is the message's own."),
    without("source.*.results", Form::Text, "closures.ended", "The address to which every ending is published."),
    without("source.*.replies", Form::Texts, "[\"closures.replies.*\"]", "Addresses that messages may name for their own ending; a * at the end stands for any end."),
    without("source.*.url", Form::Text, "nats://127.0.0.1:4222", "nats: the server, nats:// or tls://; several of one cluster with commas. amqp: amqps://host:5671/vhost, or amqp://."),
    without("source.*.stream", Form::Text, "CLOSURES", "nats: the stream; it has to be there."),
    without("source.*.subject", Form::Text, "closures.v1.close", "nats: the subject that holds commands; without it, all of the stream's."),
    with("source.*.consumer", Form::Text, "closeout", "nats: the durable consumer; it is made where it is not there, and used as it stands where it is."),
    without("source.*.queue", Form::Text, "closures", "amqp: the queue; it has to be there."),
    without("source.*.user", Form::Text, "closeout", "nats, amqp, kafka: the user."),
    without("source.*.password", Form::Secret, "env:NATS_PASSWORD", "nats, amqp, kafka: the user's password."),
    without("source.*.token", Form::Secret, "env:NATS_TOKEN", "nats: a token in place of a user."),
    without("source.*.credentials_file", Form::Text, "closeout.creds", "nats: a file of credentials, as nsc writes it, in place of a user."),
    without("source.*.ca_file", Form::Text, "ca.pem", "nats, amqp, kafka: certificates to trust beside those of the machine."),
    without("source.*.queue_url", Form::Text, "https://sqs.eu-central-1.amazonaws.com/123456789012/closures", "sqs: the queue's URL."),
    without("source.*.region", Form::Text, "eu-central-1", "sqs: the queue's region, where its URL does not tell."),
    without("source.*.endpoint", Form::Text, "https://vpce-0a1b2c3d.sqs.eu-central-1.vpce.amazonaws.com", "sqs: another address of SQS, as a VPC endpoint; https, unless on loopback."),
    without("source.*.visibility_timeout", Form::Duration, "30s", "sqs: how long a message is hidden for whoever received it; without it, as long as the queue says."),
    without("source.*.brokers", Form::Texts, "[\"kafka-1.example:9092\", \"kafka-2.example:9092\"]", "kafka: some brokers of the cluster."),
    without("source.*.topic", Form::Text, "closures", "kafka: the topic; it has to be there."),
    with("source.*.tls", Form::Flag, "false", "kafka: whether brokers are spoken to by TLS, which this build has to have (docs/sources-kafka.md)."),
    without("source.*.sasl", Form::Choice(&["plain", "scram-sha-256", "scram-sha-512"]), "scram-sha-512", "kafka: how the user proves its password: plain, scram-sha-256, scram-sha-512; all but plain in a build with TLS."),
    with("source.*.group", Form::Text, "closeout", "kafka: the consumer group, one for all processes of a service."),

    without("traces.endpoint", Form::Text, "http://localhost:4318", "The collector; /v1/traces is added where it is missing."),
    without("traces.headers", Form::Secrets, "[\"env:OTLP_AUTHORIZATION\"]", "Sent with every request: secrets, each as Name: value."),
    with("traces.service_name", Form::Text, "closeout", "What this service is called in the traces."),
    with("traces.sample_percent", Form::Count(0, 100), "100", "Of so many in a hundred closures without a traceparent; with one, its sampled flag decides."),
    with("traces.trouble_always", Form::Flag, "true", "Whether ghosts and failures are sent in any case."),
    with("traces.timeout", Form::Duration, "10s", "How long one request may take in all."),
    with("traces.keep", Form::Duration, "15m", "For how long what the collector does not take is tried again; then it is dropped."),

    with("auth.tokens_file", Form::Text, "tokens.toml", "SHA-256 and role of each key; read again at SIGHUP."),

    without("console.oidc.issuer", Form::Text, "https://id.example/realms/staff", "The provider's issuer, letter by letter; https, unless on loopback."),
    without("console.oidc.client_id", Form::Text, "closeout", "The id under which the provider knows this service."),
    without("console.oidc.client_secret", Form::Secret, "env:OIDC_CLIENT_SECRET", "The secret that belongs to it."),
    without("console.oidc.public_url", Form::Text, "https://closeout.example", "Where browsers reach this service; without it, callbacks.public_url. Register it there with /console/login/oidc/back."),
    with("console.oidc.scopes", Form::Texts, "[\"openid\", \"profile\"]", "What is asked of the provider; some need one more for groups."),
    with("console.oidc.roles_claim", Form::Text, "groups", "The claim with the values that grants name; a JSON pointer for one within another, as /realm_access/roles."),
    with("console.oidc.name_claim", Form::Text, "preferred_username", "The claim with the name that timelines and audit show, after oidc:; without it, the subject."),
    with("console.oidc.session", Form::Duration, "8h", "After how long one has to log in anew, and what the provider says counts anew (at most 24h)."),
    with("console.oidc.button", Form::Text, "Log in with single sign-on", "What the button says."),

    without("console.oidc.grant.*.value", Form::Text, "closeout-operators", "A value of that claim, letter by letter."),
    without("console.oidc.grant.*.role", Form::Choice(&["read", "operate", "admin"]), "operate", "The role: read, operate, admin."),
    without("console.oidc.grant.*.organisations", Form::Texts, "[\"main\"]", "For which organisations; without it, the only one."),
];

/// Why a table of `[[confirm]]` or `[[source]]` of this kind cannot be used; nothing for a kind that this version has.
pub fn kind_refused(section: &str, kind: &str) -> Option<String> {
    match (section, kind) {
        ("confirm", "webhook" | "sqs" | "notifications")
        | ("source", "http" | "nats" | "amqp" | "sqs" | "kafka") => None,
        ("source", _) => Some(format!("= {kind:?} is not known; there are http, nats, amqp, sqs and kafka")),
        (_, _) => Some(format!("= {kind:?} is not known; there are webhook, sqs and notifications")),
    }
}

/// The key that a path stands for.
pub fn key_of(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| matches(key.path, path))
}

/// Whether a path, such as `genesys.main.region`, fits a pattern, such as `genesys.*.region`.
pub fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = path.split('.');
    pattern.split('.').all(|wanted| parts.next().is_some_and(|part| wanted == "*" || wanted == part))
        && parts.next().is_none()
}

/// How alike two names must be for one to be suggested in place of the other (Jaro-Winkler, found by trying slips).
const ALIKE: f64 = 0.8;

/// Half a sentence that names what was probably meant; empty when nothing is near.
pub fn suggestion(path: &str) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    let section = path.rsplit_once('.').map_or("", |(section, _)| section);
    let here = KEYS
        .iter()
        .filter(|key| matches(key.section(), section))
        .map(|key| (strsim::jaro_winkler(name, key.name()), key))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    if let Some((_, key)) = here {
        return format!("; did you mean `{}`?", key.name());
    }
    if let Some(key) = KEYS.iter().find(|key| key.name() == name) {
        return format!("; it belongs to [{}]", key.section().replace('*', "main"));
    }
    let begins = path.split('.').next().unwrap_or(path);
    let near = SECTIONS
        .iter()
        .map(|(section, _)| section.trim_end_matches(".*"))
        .map(|section| (strsim::jaro_winkler(begins, section), section))
        .filter(|(alike, section)| *alike >= ALIKE && *section != begins)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    if let Some((_, section)) = near {
        return format!("; did you mean the section `{section}`?");
    }
    let known: Vec<_> = KEYS.iter().filter(|key| matches(key.section(), section)).map(Key::name).collect();
    if known.is_empty() { String::new() } else { format!("; known here are {}", known.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_belongs_to_a_section_and_has_a_default_or_an_example() {
        for key in KEYS {
            assert!(SECTIONS.iter().any(|(section, _)| *section == key.section()), "{}", key.path);
            assert!(key.default.is_some() || !key.example.is_empty(), "{}", key.path);
            assert!(key.comment.ends_with('.'), "{}", key.path);
            assert_eq!(KEYS.iter().filter(|other| other.path == key.path).count(), 1, "{}", key.path);
        }
    }

    #[test]
    fn a_slip_is_answered_with_what_was_meant() {
        assert_eq!(suggestion("server.lisen"), "; did you mean `listen`?");
        assert_eq!(suggestion("server.deadline"), "; it belongs to [closing]");
        assert_eq!(suggestion("sever.listen"), "; it belongs to [server]");
        assert_eq!(suggestion("sever"), "; did you mean the section `server`?");
        assert_eq!(suggestion("genesys.main.regoin"), "; did you mean `region`?");
        assert!(suggestion("auth.qqq").contains("tokens_file"));
    }

    #[test]
    fn patterns_fit_names_and_numbers_but_not_other_depths() {
        assert!(matches("genesys.*.region", "genesys.main.region"));
        assert!(matches("confirm.*.name", "confirm.0.name"));
        assert!(!matches("genesys.*.region", "genesys.region"));
        assert!(!matches("genesys.*.region", "genesys.a.b.region"));
    }
}
