//! Producers and operators: what they ask of replicas, and what they are told.

use std::sync::Arc;

use bytes::Bytes;
use closure_machine::{Act, Command as Asked, Subject, Target};
use genesys_types::Organisation;
use orchestrator::{Operation, ProducerKey, Said, Submission};
use queue::{Headers, Outgoing};
use store::{ClosureKey, Millis};

use crate::{conversation::Conversation, happening::Happening, trace::Told, world::World};

/// Whose keys those of producers by HTTP are, and those of messages.
pub(crate) const PRODUCER: &str = "producer";
pub(crate) const MESSAGES: &str = "source:orders";

/// How long a producer waits for an answer, and until it asks again.
const PRODUCER_WAITS: Millis = 5_000;

/// One command of a producer.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    /// What is to be closed.
    pub(crate) subject: Subject,
    pub(crate) by_queue: bool,
    /// The closure that answers for it, once its producer knows.
    pub(crate) acknowledged: Option<ClosureKey>,
}

/// What came of something that was asked of a replica.
pub(crate) enum News {
    /// Of an event.
    Hook { event: u32, status: u16 },
    /// Of an event by the other adapter.
    Notified { id: String, taken: bool },
    /// Of a command.
    Command { command: u32, answer: Result<ClosureKey, &'static str> },
    /// Of an operator's act: the version that it led to.
    Act { closure: ClosureKey, version: Option<u64> },
}

/// The organisation whose closures these are.
pub(crate) fn organisation() -> Organisation {
    "main".parse().expect("it is a name")
}

/// Another one.
pub(crate) fn other_organisation() -> Organisation {
    "other".parse().expect("it is a name")
}

/// The key of a command.
pub(crate) fn key_of(command: u32) -> String {
    format!("order-{command}")
}

/// What a message of the broker says.
pub(crate) fn message(command: u32, subject: &Subject) -> Outgoing {
    let body = match subject {
        Subject::Conversation(conversation) => conversation.to_string(),
        Subject::Sought(Target::ExternalId(id) | Target::Attribute { value: id, .. }) => id.to_string(),
    };
    Outgoing {
        id: Some(key_of(command)),
        headers: Headers::default(),
        reply_to: None,
        body: Bytes::from(body),
    }
}

/// What a message names: a conversation, or its guest.
pub(crate) fn named(body: &str) -> Option<Subject> {
    if let Ok(conversation) = body.parse() {
        return Some(Subject::Conversation(conversation));
    }
    Conversation::known_by(body).map(|_| Subject::Sought(Target::ExternalId(body.into())))
}

/// What is asked of the driver.
pub(crate) fn asked(subject: Subject) -> Asked {
    Asked { subject, participant: None, not_before: None, follows: 0 }
}

impl World {
    /// A producer asks for a closure, and will ask again until it is answered; `None` where it was.
    pub(crate) fn asks(&mut self, replica: usize, command: u32) -> Option<Submission> {
        let known = self.commands.get(usize::try_from(command).ok()?)?;
        if known.acknowledged.is_some() {
            return None;
        }
        let subject = known.subject.clone();
        self.plan(self.now + PRODUCER_WAITS, Happening::Commands(command));
        self.note(self.now, Told::Asked { replica, command });
        Some(Submission {
            organisation: organisation(),
            command: asked(subject),
            said: Said::default(),
            source: Arc::from("http"),
            key: Some(ProducerKey {
                scope: PRODUCER.to_owned(),
                key: key_of(command),
                digest: [u8::try_from(command % 251).unwrap_or_default(); 32],
            }),
            follows: None,
        })
    }

    /// What a producer was answered.
    pub(crate) fn answered(&mut self, command: u32, answer: Result<ClosureKey, &'static str>) {
        match answer {
            Ok(closure) => {
                self.note(self.now, Told::Acknowledged { command, closure });
                if self.witness.key(PRODUCER, &key_of(command)) != Some(closure) {
                    self.witness
                        .breaks("I3", format!("the command {command} was answered and is not written down"));
                }
                if let Some(known) = usize::try_from(command).ok().and_then(|at| self.commands.get_mut(at)) {
                    known.acknowledged = Some(closure);
                }
            }
            Err(why) => {
                self.trace.saw(why);
                self.note(self.now, Told::Refused { command, why });
            }
        }
    }

    /// An operator picks a closure, and something to do with it.
    pub(crate) fn operates(&mut self, replica: usize) -> Option<(ClosureKey, Operation)> {
        const ACTS: [Act; 8] = [
            Act::Retry,
            Act::Verify,
            Act::Retry,
            Act::Verify,
            Act::Force,
            Act::Force,
            Act::Cancel,
            Act::Resolve,
        ];
        let open: Vec<_> = self.witness.open_closures().map(|(key, row)| (key, row.version)).collect();
        if open.is_empty() {
            return None;
        }
        let (closure, version) = open[self.dice.usize(..open.len())];
        let act = ACTS[self.dice.usize(..ACTS.len())];
        let if_version = self.dice.bool().then_some(version);
        self.note(self.now, Told::Acts { replica, closure, act });
        let operation = Operation {
            act,
            by: "alice".to_owned(),
            role: "operate",
            reason: Some("it takes too long".to_owned()),
            batch: None,
            note: None,
            if_version,
        };
        Some((closure, operation))
    }

    /// What an operator was answered.
    pub(crate) fn acted(&mut self, closure: ClosureKey, version: Option<u64>) {
        self.note(self.now, Told::Acted { closure, done: version.is_some() });
        self.trace.saw(if version.is_some() { "an act done" } else { "an act refused" });
        let stored = self.witness.rows.get(&closure).map_or(0, |row| row.version);
        if version.is_some_and(|version| version > stored) {
            self.witness.breaks("I3", format!("an act on {closure} was answered and is not written down"));
        }
    }

    /// Takes in what came of what was asked of replicas.
    pub(crate) fn hear_the_news(&mut self) {
        while let Some(news) = self.news.pop_front() {
            match news {
                News::Hook { event, status } => self.hook_answered(event, status),
                News::Notified { id, taken } => {
                    if taken && !self.witness.remembers(crate::hooks::SOCKET, &id) {
                        self.witness
                            .breaks("I3", format!("the event {id} was taken and is not written down"));
                    }
                }
                News::Command { command, answer } => self.answered(command, answer),
                News::Act { closure, version } => self.acted(closure, version),
            }
        }
    }
}
