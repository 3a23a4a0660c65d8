//! A dialect's file, read and checked: one table for each operation.

use genesys_types::{CommunicationId, ConversationId, ParticipantId};
use http::Method;
use toml::Table;

use super::{
    InvalidDialect,
    answer::{FoundShape, ReadShape},
    section::Section,
    template::{BodyTemplate, Filling, Gap, PathTemplate},
};

/// The operations that a file can describe.
const OPERATIONS: [&str; 6] =
    ["find", "read", "close_participant", "close_session", "close_conversation", "purge"];

/// How the calls of a closure are written for one gateway or mock.
#[derive(Debug, Clone, PartialEq)]
pub struct Dialect {
    name: Box<str>,
    pub(crate) find: Option<(Operation, FoundShape)>,
    pub(crate) read: Option<(Operation, ReadShape)>,
    pub(crate) guest: GuestClose,
    pub(crate) close_conversation: Option<Operation>,
    pub(crate) purge: Option<Operation>,
}

/// How a dialect closes the guest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum GuestClose {
    /// By one call for the participant.
    Participant(Operation),
    /// By one call for each of the participant's sessions.
    Sessions(Operation),
    /// By the close of the whole conversation only.
    WithTheWhole,
}

/// One call: how it is written, and what its statuses mean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Operation {
    /// The name in metrics and logs.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) path: PathTemplate,
    pub(crate) body: Option<BodyTemplate>,
    /// What a status means; one that stands in none of these means what it does on the published API.
    pub(crate) accepted: Vec<u16>,
    pub(crate) already_done: Vec<u16>,
    pub(crate) read_again: Vec<u16>,
}

/// What a file may say of one operation.
struct Kind {
    key: &'static str,
    operation: &'static str,
    verbs: &'static [Method],
    /// What may stand in braces.
    gaps: &'static [Gap],
    /// What must stand in braces, in the path or the body: what the call is about.
    about: Gap,
}

const WRITES: &[Method] = &[Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

const FIND: Kind = Kind {
    key: "find",
    operation: "dialect_find",
    verbs: &[Method::POST],
    gaps: &[Gap::ExternalId],
    about: Gap::ExternalId,
};

const READ: Kind = Kind {
    key: "read",
    operation: "dialect_read",
    verbs: &[Method::GET],
    gaps: &[Gap::Conversation],
    about: Gap::Conversation,
};

const CLOSE_PARTICIPANT: Kind = Kind {
    key: "close_participant",
    operation: "dialect_close_participant",
    verbs: WRITES,
    gaps: &[Gap::Conversation, Gap::Participant, Gap::Version, Gap::WrapUpCode],
    about: Gap::Participant,
};

const CLOSE_SESSION: Kind = Kind {
    key: "close_session",
    operation: "dialect_close_session",
    verbs: WRITES,
    gaps: &[Gap::Conversation, Gap::Participant, Gap::Session],
    about: Gap::Session,
};

const CLOSE_CONVERSATION: Kind = Kind {
    key: "close_conversation",
    operation: "dialect_close_conversation",
    verbs: WRITES,
    gaps: &[Gap::Conversation, Gap::Version, Gap::WrapUpCode],
    about: Gap::Conversation,
};

const PURGE: Kind = Kind { key: "purge", operation: "dialect_purge", ..CLOSE_CONVERSATION };

impl Dialect {
    /// Reads the text of a dialect's file.
    ///
    /// # Errors
    /// One sentence on the first thing that is wrong, with what was probably meant.
    pub fn parse(name: &str, text: &str) -> Result<Self, InvalidDialect> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
            InvalidDialect::new(format!("line {line} is no TOML: {}", error.message().replace('\n', "; ")))
        })?;
        let whole = Section::new("", &table, &OPERATIONS)?;
        let find = match whole.table(FIND.key)? {
            None => None,
            Some(table) => Some((operation(&FIND, table)?, FoundShape::read(answer_of(FIND.key, table)?)?)),
        };
        let read = match whole.table(READ.key)? {
            None => None,
            Some(table) => Some((operation(&READ, table)?, ReadShape::read(answer_of(READ.key, table)?)?)),
        };
        let close = |kind: &Kind| whole.table(kind.key)?.map(|table| operation(kind, table)).transpose();
        let dialect = Self {
            name: name.into(),
            find,
            read,
            guest: guest_close(close(&CLOSE_PARTICIPANT)?, close(&CLOSE_SESSION)?)?,
            close_conversation: close(&CLOSE_CONVERSATION)?,
            purge: close(&PURGE)?,
        };
        dialect.check()?;
        Ok(dialect)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has a close for the guest alone. Where it has none, the guest goes with the whole conversation.
    pub const fn closes_guest_alone(&self) -> bool {
        match self.guest {
            GuestClose::Participant(_) | GuestClose::Sessions(_) => true,
            GuestClose::WithTheWhole => false,
        }
    }

    /// Whether it finds conversations by the guest's external id.
    pub const fn finds(&self) -> bool {
        self.find.is_some()
    }

    /// The verb and path by which it finds, for people; `None` where that is done as the published API has it.
    pub fn shows_find(&self) -> Option<String> {
        let (find, _) = self.find.as_ref()?;
        Some(format!("{} {}", find.method, find.path.shown(&Filling::default())))
    }

    /// The verb and path by which it reads, for people; `None` where it is read as the published API has it.
    pub fn shows_read(&self, conversation: ConversationId) -> Option<String> {
        self.read.as_ref().map(|(read, _)| read.shown(conversation, None, None))
    }

    /// Whether it can purge a conversation after its close.
    pub const fn purges(&self) -> bool {
        self.purge.is_some()
    }

    /// The verb and path by which it closes a guest, for people: those of each of the `sessions` that are known to be open,
    /// where sessions are closed. What only a read tells is an ellipsis.
    pub(crate) fn shows_guest_close(
        &self,
        conversation: ConversationId,
        guest: ParticipantId,
        sessions: &[CommunicationId],
    ) -> Option<String> {
        match &self.guest {
            GuestClose::Sessions(close) if !sessions.is_empty() => {
                let of = |session: &CommunicationId| close.shown(conversation, Some(guest), Some(*session));
                Some(sessions.iter().map(of).collect::<Vec<_>>().join(", "))
            }
            GuestClose::Participant(close) | GuestClose::Sessions(close) => {
                Some(close.shown(conversation, Some(guest), None))
            }
            GuestClose::WithTheWhole => self.shows_close(conversation, false),
        }
    }

    /// The verb and path by which it closes, or purges, a conversation, for people; where it has no such call, those of
    /// the read that is made in its place.
    pub fn shows_close(&self, conversation: ConversationId, purge: bool) -> Option<String> {
        match self.whole_close(purge) {
            Some(close) => Some(close.shown(conversation, None, None)),
            None => self.shows_read(conversation),
        }
    }

    /// The call that closes a conversation; the purge where that is wanted and there is one.
    pub(crate) fn whole_close(&self, purge: bool) -> Option<&Operation> {
        let purge = self.purge.as_ref().filter(|_| purge);
        purge.or(self.close_conversation.as_ref())
    }

    /// Checks what one operation needs of another.
    fn check(&self) -> Result<(), InvalidDialect> {
        let shape = self.read.as_ref().map(|(_, shape)| shape);
        let refuse = |why: String| Err(InvalidDialect::new(why));
        match &self.guest {
            GuestClose::Sessions(_) if !shape.is_some_and(ReadShape::shows_sessions) => {
                return refuse(
                    "close_session needs a [read] with read.answer.sessions, which says which sessions there are"
                        .to_owned(),
                );
            }
            GuestClose::WithTheWhole if self.close_conversation.is_none() => {
                return refuse(
                    "there is no close: write [close_participant], [close_session] or [close_conversation]"
                        .to_owned(),
                );
            }
            GuestClose::Sessions(_) | GuestClose::Participant(_) | GuestClose::WithTheWhole => {}
        }
        let guest = match &self.guest {
            GuestClose::Participant(close) | GuestClose::Sessions(close) => Some(close),
            GuestClose::WithTheWhole => None,
        };
        let closes = [guest, self.close_conversation.as_ref(), self.purge.as_ref()];
        match closes.into_iter().flatten().find(|close| close.gaps().contains(&Gap::Version)) {
            Some(_) if !shape.is_some_and(ReadShape::shows_version) => refuse(
                "the placeholder {version} needs a [read] with read.answer.version, which says where it stands".to_owned(),
            ),
            Some(_) | None => Ok(()),
        }
    }
}

impl Operation {
    /// What has to be filled in, in the path and the body.
    pub(crate) fn gaps(&self) -> Vec<Gap> {
        self.path.gaps().chain(self.body.iter().flat_map(BodyTemplate::gaps)).collect()
    }

    fn shown(
        &self,
        conversation: ConversationId,
        participant: Option<ParticipantId>,
        session: Option<CommunicationId>,
    ) -> String {
        let filling =
            Filling { conversation: Some(conversation), participant, session, ..Filling::default() };
        format!("{} {}", self.method, self.path.shown(&filling))
    }
}

fn guest_close(
    participant: Option<Operation>,
    session: Option<Operation>,
) -> Result<GuestClose, InvalidDialect> {
    match (participant, session) {
        (Some(close), None) => Ok(GuestClose::Participant(close)),
        (None, Some(close)) => Ok(GuestClose::Sessions(close)),
        (None, None) => Ok(GuestClose::WithTheWhole),
        (Some(_), Some(_)) => Err(InvalidDialect::new(
            "has close_participant and close_session; write the one that closes the guest",
        )),
    }
}

fn operation(kind: &Kind, table: &Table) -> Result<Operation, InvalidDialect> {
    const KEYS: [&str; 7] = ["verb", "path", "body", "accepted", "already_done", "read_again", "answer"];
    let is_close = kind.verbs == WRITES;
    let known = if is_close { &KEYS[..6] } else { &["verb", "path", "body", "accepted", "answer"] };
    let section = Section::new(kind.key, table, known)?;
    let verbs: Vec<&str> = kind.verbs.iter().map(Method::as_str).collect();
    let verb = section.needed("verb", &format!("{:?}", verbs[0]))?;
    let method = kind.verbs.iter().find(|allowed| allowed.as_str() == verb).ok_or_else(|| {
        section.wrong("verb", format_args!("is {verb:?}; it must be {}", verbs.join(" or ")))
    })?;
    let path = section.needed("path", "\"/api/v2/conversations/{conversationId}\"")?;
    let path = PathTemplate::parse(path).map_err(|why| section.wrong("path", why))?;
    let body = section.text("body")?.map(BodyTemplate::parse).transpose();
    let body = body.map_err(|why| section.wrong("body", why))?;
    let operation = Operation {
        operation: kind.operation,
        method: method.clone(),
        path,
        body,
        accepted: section.statuses("accepted", 200, 299)?,
        already_done: section.statuses("already_done", 400, 499)?,
        read_again: section.statuses("read_again", 400, 499)?,
    };
    if operation.accepted.is_empty() {
        return Err(section.wrong("accepted", "is missing; write accepted = [200]"));
    }
    if let Some(both) = operation.already_done.iter().find(|status| operation.read_again.contains(status)) {
        return Err(section.wrong("already_done", format_args!("has {both}, which stands in read_again too")));
    }
    let gaps = operation.gaps();
    if let Some(gap) = gaps.iter().find(|gap| !kind.gaps.contains(gap)) {
        let allowed: Vec<_> = kind.gaps.iter().map(|gap| format!("{{{}}}", gap.name())).collect();
        let what = format!("cannot fill {{{}}}; possible are {}", gap.name(), allowed.join(", "));
        return Err(InvalidDialect::new(format!("{} {what}", kind.key)));
    }
    if !gaps.contains(&kind.about) {
        let what = format!("has {{{}}} neither in its path nor in its body", kind.about.name());
        return Err(InvalidDialect::new(format!("{} {what}", kind.key)));
    }
    Ok(operation)
}

/// The table that says where things stand in the answer.
fn answer_of<'a>(key: &str, table: &'a Table) -> Result<&'a Table, InvalidDialect> {
    match table.get("answer") {
        Some(toml::Value::Table(answer)) => Ok(answer),
        Some(_) | None => Err(InvalidDialect::new(format!("{key}.answer is missing; write [{key}.answer]"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSE: &str = "[close_participant]\nverb = \"POST\"\npath = \"/x/{conversationId}/{participantId}\"\naccepted = [202]\n";
    const READ: &str = "[read]\nverb = \"GET\"\npath = \"/x/{conversationId}\"\naccepted = [200]\n";
    const ANSWER: &str = "[read.answer]\nstate = \"state\"\nactive = [\"active\"]\nclosed = [\"closed\"]\n\
        participants = \"all\"\nparticipant_id = \"id\"\nparticipant_purpose = \"purpose\"\nparticipant_state = \"state\"\n";

    #[test]
    fn the_least_dialect_has_one_close() {
        let dialect = Dialect::parse("own", CLOSE).unwrap();
        assert!(dialect.closes_guest_alone());
        let whole = CLOSE.replace("_participant]", "_conversation]").replace("/{participantId}", "");
        assert!(!Dialect::parse("own", &whole).unwrap().closes_guest_alone());
    }

    fn assert_said(text: &str, sentence: &str) {
        let said = Dialect::parse("own", text).unwrap_err().to_string();
        assert!(said.contains(sentence), "{text}\nexpected: {sentence}\nsaid: {said}");
        assert!(!said.contains('\n'), "{said}");
    }

    #[test]
    fn what_is_wrong_is_told_in_one_sentence_with_what_was_meant() {
        for (text, sentence) in [
            (
                String::new(),
                "there is no close: write [close_participant], [close_session] or [close_conversation]",
            ),
            ("a = \n".to_owned(), "line 1 is no TOML: "),
            (
                CLOSE.replace("close_p", "close_P"),
                "close_Participant is not known; did you mean close_participant?",
            ),
            (CLOSE.replace("path", "pth"), "close_participant.pth is not known; did you mean path?"),
            (
                CLOSE.replace("\"POST\"", "\"GET\""),
                "close_participant.verb is \"GET\"; it must be POST or PUT",
            ),
            (
                CLOSE.replace("verb = \"POST\"\n", ""),
                "close_participant.verb is missing; write verb = \"POST\"",
            ),
            (CLOSE.replace("/x/", "x/"), "close_participant.path must begin with a slash"),
            (
                CLOSE.replace("{participantId}", "{participant}"),
                "close_participant.path has the unknown placeholder {participant}; did you mean participantId?",
            ),
            (
                CLOSE.replace("{participantId}", "{sessionId}"),
                "close_participant cannot fill {sessionId}; possible are {conversationId}, {participantId}",
            ),
            (
                CLOSE.replace("/{participantId}", ""),
                "close_participant has {participantId} neither in its path nor in its body",
            ),
            (format!("{CLOSE}body = '{{'\n"), "close_participant.body is not JSON"),
            (CLOSE.replace("accepted = [202]\n", ""), "close_participant.accepted is missing"),
            (
                CLOSE.replace("[202]", "[409]"),
                "close_participant.accepted must be a list of statuses from 200 to 299",
            ),
            (
                format!("{CLOSE}already_done = [409]\nread_again = [404, 409]\n"),
                "close_participant.already_done has 409, which stands in read_again too",
            ),
        ] {
            assert_said(&text, sentence);
        }
    }

    #[test]
    fn what_one_table_needs_of_another_is_told_too() {
        for (text, sentence) in [
            (
                format!("{CLOSE}body = '{{\"v\": \"{{version}}\"}}'\n"),
                "the placeholder {version} needs a [read] with read.answer.version",
            ),
            (
                CLOSE.replace("participant]", "session]").replace("participantId", "sessionId"),
                "close_session needs a [read] with read.answer.sessions",
            ),
            (
                format!(
                    "{CLOSE}{}",
                    CLOSE.replace("participant]", "session]").replace("participantId", "sessionId")
                ),
                "has close_participant and close_session",
            ),
            (format!("read = 1\n{CLOSE}"), "read must be a table: write [read]"),
            (format!("{CLOSE}{READ}"), "read.answer is missing; write [read.answer]"),
            (format!("{CLOSE}{READ}read_again = [409]\n{ANSWER}"), "read.read_again is not known"),
            (
                format!("{CLOSE}{READ}{}", ANSWER.replace("state = \"state\"\nactive", "active")),
                "read.answer.state is missing",
            ),
            (
                format!("{CLOSE}{READ}{}", ANSWER.replace("\"all\"", "\"a..b\"")),
                "read.answer.participants must be a place in the answer",
            ),
        ] {
            assert_said(&text, sentence);
        }
        Dialect::parse("own", &format!("{CLOSE}{READ}{ANSWER}")).unwrap();
    }

    #[test]
    fn the_calls_are_shown_as_they_are_made() {
        let (conversation, guest): (ConversationId, ParticipantId) = (
            "7d1b5a44-3f0e-4d0c-9f4e-0a6c2b7e9a11".parse().unwrap(),
            "c0a5e2d6-6c2c-4b9e-8a57-1f3b5f9d2e01".parse().unwrap(),
        );
        let sessions = Dialect::named("webmessaging-sessions").unwrap();
        let base = format!("/api/v2/conversations/webmessaging/{conversation}");
        assert_eq!(
            sessions.shows_guest_close(conversation, guest, &[]),
            Some(format!("PATCH {base}/sessions/…"))
        );
        let two = [7, 8].map(|n| CommunicationId::from_uuid(uuid::Uuid::from_u128(n)));
        let known = sessions.shows_guest_close(conversation, guest, &two);
        let each = two.map(|session| format!("PATCH {base}/sessions/{session}"));
        assert_eq!(known, Some(each.join(", ")));
        assert_eq!(sessions.shows_close(conversation, true), Some(format!("GET {base}")));
        let end = Dialect::named("webmessaging-participant-end").unwrap();
        assert_eq!(end.shows_close(conversation, true), Some(format!("DELETE {base}")));
        assert_eq!(end.shows_close(conversation, false), None, "the published read");
        let post = Dialect::named("conversation-post").unwrap();
        let whole = Some(format!("POST /api/v2/conversations/{conversation}"));
        assert_eq!(
            (post.shows_guest_close(conversation, guest, &[]), post.shows_read(conversation)),
            (whole, None)
        );
    }
}
