//! A conversation that is named by what another system knows of it: how a command says so, and how it is shown.

use closure_machine::{Candidate, Sought, Subject, Target};
use genesys_types::{ConversationId, Time};
use orchestrator::closure_id;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    command::check_text,
    json::{Fields, Node},
    problem::{Problem, kinds},
    spans::Stamp,
};

/// The fields of a target, and of its attribute.
pub(crate) const FIELDS: &[&str] = &["externalId", "attribute"];
pub(crate) const ATTRIBUTE: &[&str] = &["name", "value"];

/// The longest external id, attribute's name and attribute's value. Genesys keeps 2,048 bytes of attributes for a guest
/// (API.md §7).
const LONGEST_ID: usize = 256;
const LONGEST_NAME: usize = 128;
const LONGEST_VALUE: usize = 1_024;

/// What a command names in place of the conversation.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ClosureTarget)]
pub(crate) struct TargetView {
    /// The id under which another system knows the guest or the conversation.
    external_id: Option<String>,
    /// An attribute of a participant.
    attribute: Option<AttributeView>,
    /// The open conversations that fit, where none was taken over: there were several, or one that has an open closure.
    candidates: Vec<CandidateView>,
    /// The closure that closes what was found, where that is another one.
    closure: Option<String>,
}

/// An attribute of a participant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClosureTargetAttribute)]
struct AttributeView {
    name: String,
    value: String,
}

/// An open conversation that fits a target.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Candidate)]
pub(crate) struct CandidateView {
    conversation_id: String,
    /// When it began; null where Genesys does not say.
    #[schema(value_type = Option<String>, format = DateTime)]
    start_time: Option<Stamp>,
    /// Its queue; null where Genesys does not say.
    queue_id: Option<String>,
}

impl CandidateView {
    pub(crate) fn of(candidate: &Candidate) -> Self {
        Self {
            conversation_id: candidate.conversation.to_string(),
            start_time: candidate.started_at.map(Stamp),
            queue_id: candidate.queue.map(|queue| queue.to_string()),
        }
    }

    /// One that a journal line tells of.
    pub(crate) fn of_line(fitting: orchestrator::Fitting) -> Self {
        Self {
            conversation_id: fitting.conversation,
            start_time: fitting.started_at.map(|at| Stamp(Time::from_millis(at))),
            queue_id: fitting.queue,
        }
    }
}

impl TargetView {
    /// A target as a command names it.
    pub(crate) fn of_target(target: &Target) -> Self {
        match target {
            Target::ExternalId(id) => Self { external_id: Some(id.to_string()), ..Self::default() },
            Target::Attribute { name, value } => Self {
                attribute: Some(AttributeView { name: name.to_string(), value: value.to_string() }),
                ..Self::default()
            },
        }
    }

    /// A closure's target, with what became of it.
    pub(crate) fn of(sought: &Sought) -> Self {
        Self {
            candidates: sought.candidates.iter().map(CandidateView::of).collect(),
            closure: other(sought),
            ..Self::of_target(&sought.target)
        }
    }
}

/// The closure that closes what was found for a target.
pub(crate) fn other(sought: &Sought) -> Option<String> {
    sought.other.map(|other| closure_id(Uuid::from_u128(other.0)))
}

/// Reads what a command wants closed.
pub(crate) fn read(conversation: Option<ConversationId>, target: Option<Node>) -> Result<Subject, Problem> {
    match (conversation, target) {
        (Some(conversation), None) => Ok(Subject::Conversation(conversation)),
        (None, Some(target)) => read_target(target).map(Subject::Sought),
        (Some(_), Some(_)) => Err(Problem::invalid(
            "target",
            "conversationId and target are both given; one of them says what to close.",
        )),
        (None, None) => Err(Problem::invalid(
            "conversationId",
            "conversationId is missing: it names the conversation to close. `target` may stand in its place.",
        )),
    }
}

fn read_target(target: Node) -> Result<Target, Problem> {
    let mut fields = Fields::of(target, "target.", FIELDS)?;
    let id = fields.text("externalId")?;
    match (id, fields.any("attribute")) {
        (Some(id), None) => checked("target.externalId", id, LONGEST_ID).map(Target::ExternalId),
        (None, Some(attribute)) => {
            let mut fields = Fields::of(attribute, "target.attribute.", ATTRIBUTE)?;
            let name = fields.text("name")?.unwrap_or_default();
            let value = fields.text("value")?.unwrap_or_default();
            Ok(Target::Attribute {
                name: checked("target.attribute.name", name, LONGEST_NAME)?,
                value: checked("target.attribute.value", value, LONGEST_VALUE)?,
            })
        }
        (Some(_), Some(_)) | (None, None) => Err(Problem::invalid(
            "target",
            "target is {\"externalId\": \"…\"} or {\"attribute\": {\"name\": \"…\", \"value\": \"…\"}}.",
        )),
    }
}

fn checked(field: &str, text: String, longest: usize) -> Result<Box<str>, Problem> {
    if text.is_empty() {
        return Err(Problem::invalid(field, format!("{field} is missing or empty.")));
    }
    check_text(field, Some(&text), longest)?;
    Ok(text.into())
}

/// Several open conversations fit: they are told, and none is guessed.
pub(crate) fn ambiguous(candidates: &[Candidate]) -> Problem {
    let detail = format!(
        "{} open conversations fit the target. Nothing was closed, and nothing is kept of this command.",
        candidates.len()
    );
    Problem::new(&kinds::AMBIGUOUS, detail)
        .field("target")
        .candidates(candidates.iter().map(CandidateView::of).collect())
}

/// A target in plain words.
pub(crate) fn words(target: &Target) -> String {
    match target {
        Target::ExternalId(id) => format!("the external id \"{id}\""),
        Target::Attribute { name, value } => format!("the attribute \"{name}\" = \"{value}\""),
    }
}

/// A candidate in plain words.
pub(crate) fn candidate_words(candidate: &Candidate) -> String {
    let mut facts = Vec::new();
    facts.extend(candidate.started_at.map(|at| format!("began at {}", Stamp(at))));
    facts.extend(candidate.queue.map(|queue| format!("queue {queue}")));
    match facts.as_slice() {
        [] => candidate.conversation.to_string(),
        facts => format!("{} ({})", candidate.conversation, facts.join(", ")),
    }
}

/// The arguments and the field with which a target is asked for again, for the command line and by HTTP.
pub(crate) fn again(target: &Target) -> (String, String) {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let json = |text: &str| serde_json::Value::from(text).to_string();
    match target {
        Target::ExternalId(id) => {
            (format!("--external-id={}", quoted(id)), format!("\"target\":{{\"externalId\":{}}}", json(id)))
        }
        Target::Attribute { name, value } => (
            // The first = of NAME=VALUE ends the name.
            match name.contains('=') {
                false => format!("--attribute={}", quoted(&format!("{name}={value}"))),
                true => format!("--attribute-name={} --attribute-value={}", quoted(name), quoted(value)),
            },
            format!("\"target\":{{\"attribute\":{{\"name\":{},\"value\":{}}}}}", json(name), json(value)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(body: &str) -> Result<Subject, Problem> {
        read(None, Some(Node::parse(body.as_bytes()).unwrap()))
    }

    #[test]
    fn a_target_is_an_external_id_or_an_attribute() {
        let external = read_text(r#"{"externalId":"customer-7"}"#).unwrap();
        assert_eq!(external, Subject::Sought(Target::ExternalId("customer-7".into())));
        let attribute = read_text(r#"{"attribute":{"name":"order","value":"7"}}"#).unwrap();
        let wanted = Target::Attribute { name: "order".into(), value: "7".into() };
        assert_eq!(attribute, Subject::Sought(wanted));
        for (body, field) in [
            ("{}", "target"),
            (r#"{"externalId":"a","attribute":{"name":"b","value":"c"}}"#, "target"),
            (r#"{"externalId":""}"#, "target.externalId"),
            (r#"{"externalId":7}"#, "target.externalId"),
            (r#"{"externalID":"a"}"#, "target.externalID"),
            (r#"{"attribute":{"name":"b"}}"#, "target.attribute.value"),
            (r#"{"attribute":{"value":"b"}}"#, "target.attribute.name"),
            (r#"{"attribute":"b"}"#, "target.attribute"),
            ("\"a\"", "target"),
        ] {
            let problem = read_text(body).unwrap_err();
            assert_eq!((problem.status(), problem.field_name()), (422, Some(field)), "{body}");
        }
        let long = format!(r#"{{"externalId":"{}"}}"#, "x".repeat(257));
        assert_eq!(read_text(&long).unwrap_err().field_name(), Some("target.externalId"));
    }

    #[test]
    fn a_conversation_is_named_in_one_way() {
        let id: ConversationId = "2f7bf00a-0fc2-4d6a-9b56-92238191433e".parse().unwrap();
        let target = || Node::parse(br#"{"externalId":"a"}"#).unwrap();
        assert_eq!(read(Some(id), None).unwrap(), Subject::Conversation(id));
        assert_eq!(read(Some(id), Some(target())).unwrap_err().field_name(), Some("target"));
        assert_eq!(read(None, None).unwrap_err().field_name(), Some("conversationId"));
    }

    #[test]
    fn a_target_is_asked_for_again_without_breaking_a_shell() {
        let (line, field) = again(&Target::ExternalId("it's \"7\"".into()));
        assert_eq!(line, r#"--external-id='it'\''s "7"'"#);
        assert_eq!(field, r#""target":{"externalId":"it's \"7\""}"#);
        let (line, _) = again(&Target::ExternalId("-7".into()));
        assert_eq!(line, "--external-id='-7'", "a value that begins like a flag is still a value");
        let (line, _) = again(&Target::Attribute { name: "order".into(), value: "7".into() });
        assert_eq!(line, "--attribute='order=7'");
        let (line, _) = again(&Target::Attribute { name: "a=b".into(), value: "c".into() });
        assert_eq!(line, "--attribute-name='a=b' --attribute-value='c'");
    }
}
