//! The body of `POST /v1/closures`: what it may say, and what it means.

use closure_machine::{Command, Subject, Target, WrapUpPolicy};
use genesys_types::{Organisation, Span, Time};
use orchestrator::{Overrides, Said};
use sha2::{Digest, Sha256};

use crate::{
    access::Caller,
    callback,
    json::{Fields, Node},
    options,
    policy_texts::option_texts,
    problem::{Problem, kinds},
    spans::{self, Stamp},
    target,
};

/// The fields of a command.
pub(crate) const FIELDS: &[&str] = &[
    "organisation",
    "conversationId",
    "participantId",
    "target",
    "reason",
    "policy",
    "notBefore",
    "dryRun",
    "callback",
    "labels",
];

/// The fields of its policy.
pub(crate) const POLICY: &[&str] =
    &["evidence", "order", "agentConnected", "wrapperClose", "wrapUp", "guestReturns", "deadline"];

/// The longest `reason`, label's value and, in bytes, label's name.
const LONGEST_REASON: usize = 200;
pub(crate) const LONGEST_LABEL: usize = 256;
const LONGEST_LABEL_NAME: usize = 64;

/// The most labels of one command.
const MOST_LABELS: usize = 16;

/// The longest name of a wrap-up code.
const LONGEST_CODE_NAME: usize = 256;

/// The longest notes of a wrap-up.
const LONGEST_NOTES: usize = 1_000;

/// A closure waits at least this long for proof: less is never enough for an event to arrive.
const SHORTEST_DEADLINE: Span = Span::from_secs(1);

/// And at most this long: the life of a guest's session (design §1).
const LONGEST_DEADLINE: Span = Span::from_secs(72 * 3_600);

/// How far ahead `notBefore` may lie; what lies farther is taken for a slip of the pen.
const FARTHEST_START: Span = Span::from_secs(30 * 24 * 3_600);

/// A command as it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) organisation: Organisation,
    pub(crate) command: Command,
    pub(crate) said: Said,
    pub(crate) dry_run: bool,
}

impl Wanted {
    /// Reads a command. `configured` are the organisations of this service.
    pub(crate) fn read(
        body: Node,
        caller: &Caller,
        configured: &[Organisation],
        now: Time,
    ) -> Result<Self, Problem> {
        refuse_events(&body)?;
        let mut fields = Fields::of(body, "", FIELDS)?;
        let organisation = organisation(fields.text("organisation")?, caller, configured)?;
        let shape = |kind| {
            move || format!("a {kind} in hyphenated form, such as 2f7bf00a-0fc2-4d6a-9b56-92238191433e.")
        };
        let conversation = fields.read("conversationId", |text| text.parse().ok(), shape("UUID"))?;
        let participant = fields.read("participantId", |text| text.parse().ok(), shape("UUID"))?;
        let not_before = fields.read("notBefore", spans::parse_time, || {
            "an RFC 3339 time, such as 2026-11-21T09:15:00Z.".to_owned()
        })?;
        let reason = fields.text("reason")?;
        let (overrides, labels) = policy_and_labels(&mut fields)?;
        let callback = fields.any("callback").map(callback::read).transpose()?;
        let dry_run = fields.boolean("dryRun")?.unwrap_or(false);
        let subject = target::read(conversation, fields.any("target"))?;
        if not_before.is_some_and(|at| at > now + FARTHEST_START) {
            return Err(Problem::invalid("notBefore", "notBefore is more than 30 days ahead."));
        }
        check_text("reason", reason.as_deref(), LONGEST_REASON)?;
        Ok(Self {
            organisation,
            command: Command { subject, participant, not_before, follows: 0 },
            said: Said { reason, overrides, labels, callback, reply: None, trace: None },
            dry_run,
        })
    }

    /// SHA-256 over what the command means: the order of fields, white space and defaults that are spelt out as null
    /// make no other command.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        let mut say = |name: &str, value: &str| {
            digest.update(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
            digest.update(name);
            digest.update([0]);
            digest.update(value);
        };
        say("organisation", self.organisation.as_str());
        match &self.command.subject {
            Subject::Conversation(conversation) => say("conversationId", &conversation.to_string()),
            Subject::Sought(Target::ExternalId(id)) => say("externalId", id),
            Subject::Sought(Target::Attribute { name, value }) => {
                say("attributeName", name);
                say("attributeValue", value);
            }
        }
        if let Some(participant) = self.command.participant {
            say("participantId", &participant.to_string());
        }
        if let Some(at) = self.command.not_before {
            say("notBefore", &Stamp(at).to_string());
        }
        if let Some(reason) = &self.said.reason {
            say("reason", reason);
        }
        for (name, value) in option_texts(&self.said.overrides) {
            say(name, &value);
        }
        let mut labels: Vec<_> = self.said.labels.iter().collect();
        labels.sort_unstable();
        for (name, value) in labels {
            say("label", name);
            say("value", value);
        }
        if let Some(callback) = &self.said.callback {
            say("callback", &callback.url);
            callback.on.iter().for_each(|word| say("on", word));
        }
        digest.finalize().into()
    }
}

/// An event of EventBridge is evidence, and no command; whoever sends one here is told what to send.
fn refuse_events(body: &Node) -> Result<(), Problem> {
    let is_event =
        matches!(body, Node::Object(fields) if fields.iter().any(|(name, _)| name == "detail-type"));
    if !is_event {
        return Ok(());
    }
    let fix = "As evidence, post it to /hooks/{name}. To have the session closed, send {\"conversationId\", \"participantId\"} \
               from its detail.eventBody, with its id as the Idempotency-Key.";
    Err(Problem::invalid("detail-type", "This is an event of EventBridge, and no command.").fix(fix))
}

/// The organisation that is named; without a name the caller's only one, else the one that is called `main`.
pub(crate) fn organisation(
    named: Option<String>,
    caller: &Caller,
    configured: &[Organisation],
) -> Result<Organisation, Problem> {
    let mut seen = caller.seen(configured);
    let unknown =
        |detail: String| Err(Problem::new(&kinds::UNKNOWN_ORGANISATION, detail).field("organisation"));
    if let Some(named) = named {
        return match seen.find(|organisation| organisation.as_str() == named) {
            Some(organisation) => Ok(organisation.clone()),
            None => {
                unknown(format!("The organisation \"{named}\" is not configured here, or not for this key."))
            }
        };
    }
    let mut rest = seen.clone();
    match (rest.next(), rest.next()) {
        (None, _) => unknown("This key is for no organisation that is configured here.".to_owned()),
        (Some(only), None) => Ok(only.clone()),
        (Some(_), Some(_)) => match seen.find(|organisation| organisation.as_str() == "main") {
            Some(main) => Ok(main.clone()),
            None => unknown("organisation is missing, and this key is for several.".to_owned()),
        },
    }
}

/// What a command sets differently from the organisation's policy, and its labels.
pub(crate) fn policy_and_labels(fields: &mut Fields) -> Result<(Overrides, Vec<(String, String)>), Problem> {
    let overrides = match fields.any("policy") {
        Some(policy) => read_policy(policy)?,
        None => Overrides::default(),
    };
    let labels = match fields.any("labels") {
        Some(labels) => read_labels(fields, labels)?,
        None => Vec::new(),
    };
    Ok((overrides, labels))
}

fn read_policy(policy: Node) -> Result<Overrides, Problem> {
    let mut fields = Fields::of(policy, "policy.", POLICY)?;
    let mut overrides = Overrides {
        evidence: option(&mut fields, "evidence", options::EVIDENCE)?,
        order: option(&mut fields, "order", options::ORDER)?,
        agent_connected: option(&mut fields, "agentConnected", options::AGENT_CONNECTED)?,
        wrapper_close: option(&mut fields, "wrapperClose", options::WRAPPER_CLOSE)?,
        guest_returns: option(&mut fields, "guestReturns", options::GUEST_RETURNS)?,
        deadline: fields.read("deadline", spans::parse_iso, || {
            "an ISO 8601 duration in hours, minutes and seconds, such as PT2M.".to_owned()
        })?,
        ..Overrides::default()
    };
    if overrides.deadline.is_some_and(|deadline| !(SHORTEST_DEADLINE..=LONGEST_DEADLINE).contains(&deadline))
    {
        return Err(fields.invalid("deadline", "policy.deadline lies between PT1S and PT72H.".to_owned()));
    }
    match fields.any("wrapUp") {
        None => {}
        Some(Node::Text(text)) => {
            overrides.wrap_up = Some(match text.as_str() {
                "none" => WrapUpPolicy::None,
                "skip" => WrapUpPolicy::Skip,
                _ => return Err(fields.invalid("wrapUp", wrap_up_shape())),
            });
        }
        Some(code @ Node::Object(_)) => read_wrap_up(code, &mut overrides)?,
        Some(other @ (Node::Null | Node::Bool(_) | Node::Number(_) | Node::List(_))) => {
            return Err(fields.wrong_type("wrapUp", &other, "none, skip, {\"id\"} or {\"name\"}"));
        }
    }
    Ok(overrides)
}

fn option<T: Copy>(fields: &mut Fields, name: &str, names: options::Names<T>) -> Result<Option<T>, Problem> {
    fields.read(name, |text| options::value(names, text), || options::one_of(names))
}

fn read_wrap_up(code: Node, overrides: &mut Overrides) -> Result<(), Problem> {
    let mut fields = Fields::of(code, "policy.wrapUp.", &["id", "name", "notes"])?;
    let id = fields.read("id", |text| text.parse().ok(), || "the UUID of a wrap-up code.".to_owned())?;
    let name = fields.text("name")?;
    check_text("policy.wrapUp.name", name.as_deref(), LONGEST_CODE_NAME)?;
    let wrap_up = match (id, name) {
        (Some(id), None) => WrapUpPolicy::Code(id),
        (None, Some(name)) if !name.trim().is_empty() => WrapUpPolicy::Named(name.into()),
        (None, Some(_)) => {
            return Err(Problem::invalid("policy.wrapUp.name", "policy.wrapUp.name is empty.".to_owned()));
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::invalid("policy.wrapUp", wrap_up_shape()));
        }
    };
    let notes = fields.text("notes")?;
    check_text("policy.wrapUp.notes", notes.as_deref(), LONGEST_NOTES)?;
    overrides.wrap_up = Some(wrap_up);
    overrides.wrap_up_notes = notes;
    Ok(())
}

fn wrap_up_shape() -> String {
    "policy.wrapUp is \"none\", \"skip\", or an object with the id or the name of a wrap-up code, and notes where wanted."
        .to_owned()
}

pub(crate) fn read_labels(fields: &Fields, labels: Node) -> Result<Vec<(String, String)>, Problem> {
    let given = match labels {
        Node::Object(given) => given,
        other @ (Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::List(_)) => {
            return Err(fields.wrong_type("labels", &other, "an object of texts"));
        }
    };
    if given.len() > MOST_LABELS {
        return Err(Problem::invalid("labels", format!("There are more than {MOST_LABELS} labels.")));
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    given
        .into_iter()
        .map(|(name, value)| {
            let field = format!("labels.{name}");
            if name.is_empty() || name.len() > LONGEST_LABEL_NAME || !name.bytes().all(letter) {
                let detail = "A label's name has 1 to 64 letters, digits and the signs _ - . and /.";
                return Err(Problem::invalid(field, detail));
            }
            match value {
                Node::Text(value) => {
                    check_text(&field, Some(&value), LONGEST_LABEL)?;
                    Ok((name, value))
                }
                Node::Null | Node::Bool(_) | Node::Number(_) | Node::List(_) | Node::Object(_) => {
                    Err(Problem::invalid(field, "A label's value is a text."))
                }
            }
        })
        .collect()
}

/// Texts that people wrote are shown to people, so they hold nothing that acts instead of being seen, and have a bound.
pub(crate) fn check_text(field: &str, text: Option<&str>, longest: usize) -> Result<(), Problem> {
    let Some(text) = text else { return Ok(()) };
    if text.chars().count() > longest {
        return Err(Problem::invalid(field, format!("{field} has more than {longest} characters.")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::invalid(field, format!("{field} holds a control character.")));
    }
    if text.chars().any(shown_text::steers) {
        let detail = format!("{field} holds a mark that turns the direction of writing, or ends a line.");
        return Err(Problem::invalid(field, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::access::{Role, Sight};

    const ID: &str = "2f7bf00a-0fc2-4d6a-9b56-92238191433e";

    fn read(body: &str) -> Result<Wanted, Problem> {
        let caller = Caller { name: Arc::from("checkout"), role: Role::Submit, sight: Sight::All };
        let configured = ["main".parse().unwrap(), "other".parse().unwrap()];
        Wanted::read(Node::parse(body.as_bytes())?, &caller, &configured, Time::from_millis(0))
    }

    fn with(more: &str) -> Result<Wanted, Problem> {
        read(&format!("{{\"conversationId\":\"{ID}\"{}{more}}}", if more.is_empty() { "" } else { "," }))
    }

    #[test]
    fn a_text_that_others_are_shown_holds_nothing_that_acts_instead_of_being_seen() {
        for sign in
            ['\u{7}', '\u{9b}', '\n', '\u{202e}', '\u{2066}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{2029}']
        {
            let problem = check_text("reason", Some(&format!("all{sign}good")), 99).unwrap_err();
            assert_eq!((problem.status(), problem.field_name()), (422, Some("reason")), "{sign:?}");
            assert!(problem.detail().starts_with("reason holds a ") && problem.detail().ends_with('.'));
            let label = with(&format!(r#""labels":{{"team":"a\u{:04x}b"}}"#, u32::from(sign)));
            assert_eq!(label.unwrap_err().field_name(), Some("labels.team"), "{sign:?}");
        }
        assert!(check_text("reason", Some("the guest’s “window” 👩‍🚀 שלום"), 99).is_ok());
    }

    #[test]
    fn an_event_is_told_apart_from_a_command() {
        let event = with(r#""detail-type":"x","detail":{}"#).unwrap_err();
        assert_eq!(
            (event.status(), event.detail()),
            (422, "This is an event of EventBridge, and no command.")
        );
    }

    #[test]
    fn a_wrap_up_code_may_be_named() {
        let wanted =
            with(r#""policy":{"wrapUp":{"name":"Closed by backend","notes":"order 8812"}}"#).unwrap();
        let overrides = &wanted.said.overrides;
        assert_eq!(overrides.wrap_up, Some(WrapUpPolicy::Named("Closed by backend".into())));
        assert_eq!(
            option_texts(overrides),
            [("wrapUp", "name: Closed by backend".to_owned()), ("wrapUpNotes", "order 8812".to_owned())]
        );
    }

    #[test]
    fn only_the_conversation_is_required() {
        let wanted = with("").unwrap();
        assert_eq!(wanted.organisation.as_str(), "main");
        assert_eq!(wanted.command.subject, Subject::Conversation(ID.parse().unwrap()));
        assert_eq!(wanted.said, Said::default());
        assert_eq!(read("{}").unwrap_err().status(), 422);
    }

    #[test]
    fn every_field_is_read() {
        let wanted = with(
            r#""organisation":"other","participantId":"5f7bf00a-0fc2-4d6a-9b56-92238191433e","reason":"order_completed",
            "policy":{"evidence":"webhook_only","order":"conversation_first","agentConnected":"wait","wrapperClose":"delete","guestReturns":"up_to_3",
            "wrapUp":{"id":"7f7bf00a-0fc2-4d6a-9b56-92238191433e","notes":"order 8812"},"deadline":"PT5M"},
            "notBefore":"1970-01-01T01:00:00Z","dryRun":true,"callback":null,"labels":{"team":"checkout"}"#,
        )
        .unwrap();
        assert!(wanted.dry_run);
        assert_eq!(wanted.command.not_before, Some(Time::from_millis(3_600_000)));
        assert_eq!(wanted.said.labels, [("team".to_owned(), "checkout".to_owned())]);
        assert_eq!(
            option_texts(&wanted.said.overrides),
            [
                ("evidence", "webhook_only".to_owned()),
                ("order", "conversation_first".to_owned()),
                ("agentConnected", "wait".to_owned()),
                ("wrapperClose", "delete".to_owned()),
                ("wrapUp", "7f7bf00a-0fc2-4d6a-9b56-92238191433e".to_owned()),
                ("guestReturns", "up_to_3".to_owned()),
                ("wrapUpNotes", "order 8812".to_owned()),
                ("deadline", "PT5M".to_owned()),
            ]
        );
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (more, field) in [
            (r#""participantId":"x""#, "participantId"),
            (r#""participantId":5"#, "participantId"),
            (r#""organisation":"third""#, "organisation"),
            (r#""notBefore":"tomorrow""#, "notBefore"),
            (r#""notBefore":"1971-01-01T00:00:00Z""#, "notBefore"),
            (r#""dryRun":"yes""#, "dryRun"),
            (r#""reason":"a\u0000b""#, "reason"),
            (r#""policy":[]"#, "policy"),
            (r#""policy":{"evidence":"none"}"#, "policy.evidence"),
            (r#""policy":{"deadline":"2m"}"#, "policy.deadline"),
            (r#""policy":{"deadline":"PT0S"}"#, "policy.deadline"),
            (r#""policy":{"deadline":"PT73H"}"#, "policy.deadline"),
            (r#""policy":{"wrapUp":"maybe"}"#, "policy.wrapUp"),
            (r#""policy":{"wrapUp":{}}"#, "policy.wrapUp"),
            (r#""policy":{"wrapUp":{"id":"x"}}"#, "policy.wrapUp.id"),
            (r#""policy":{"wrapUp":{"name":7}}"#, "policy.wrapUp.name"),
            (r#""policy":{"wrapUp":{"name":" "}}"#, "policy.wrapUp.name"),
            (
                r#""policy":{"wrapUp":{"id":"7f7bf00a-0fc2-4d6a-9b56-92238191433e","name":"x"}}"#,
                "policy.wrapUp",
            ),
            (r#""labels":{"":"x"}"#, "labels."),
            (r#""labels":{"a":1}"#, "labels.a"),
            (r#""callback":"https://shop.example""#, "callback"),
            (r#""callback":{"on":["closed"]}"#, "callback.url"),
            (r#""callback":{"url":"https://shop.example","on":[]}"#, "callback.on"),
            (r#""callback":{"url":"https://shop.example","on":["close"]}"#, "callback.on"),
            (r#""callback":{"url":"https://shop.example","at":1}"#, "callback.at"),
            (r#""target":{"externalId":"x"}"#, "target"),
            (r#""conversation_id":"x""#, "conversation_id"),
        ] {
            let problem = with(more).unwrap_err();
            assert_eq!((problem.status(), problem.field_name()), (422, Some(field)), "{more}");
        }
    }

    #[test]
    fn the_digest_is_that_of_the_meaning() {
        let same = [
            with(r#""reason":"r","labels":{"a":"1","b":"2"}"#),
            with(r#""labels":{"b":"2","a":"1"},"reason":"r","participantId":null,"organisation":"main""#),
            with(r#""reason":"r","labels":{"a":"1","b":"2"},"policy":{},"dryRun":false"#),
        ]
        .map(|wanted| wanted.unwrap().digest());
        assert!(same.iter().all(|digest| *digest == same[0]));
        let others = [
            with(r#""reason":"s","labels":{"a":"1","b":"2"}"#),
            with(r#""reason":"r","labels":{"a":"1","b":"3"}"#),
            with(r#""reason":"r","labels":{"a":"1"}"#),
            with(r#""reason":"r","labels":{"a":"1","b":"2"},"policy":{"deadline":"PT3M"}"#),
            with(r#""reason":"r","labels":{"a":"1","b":"2"},"organisation":"other""#),
            with(r#""reason":"r","labels":{"a":"1","b":"2"},"notBefore":"1970-01-01T01:00:00Z""#),
            read(r#"{"target":{"externalId":"x"},"reason":"r","labels":{"a":"1","b":"2"}}"#),
            read(r#"{"target":{"attribute":{"name":"x","value":"y"}},"reason":"r","labels":{"a":"1","b":"2"}}"#),
        ]
        .map(|wanted| wanted.unwrap().digest());
        for (index, digest) in others.iter().enumerate() {
            assert!(*digest != same[0] && !others[..index].contains(digest), "{index}");
        }
    }
}
