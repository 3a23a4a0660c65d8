//! Events of Genesys on their way to a hook: genuine, forged, and of others.

use closure_machine::{Heard, ProofSource, What};
use genesys_types::{CommunicationId, ConversationId, ParticipantId, Snapshot, Time};
use orchestrator::Delivery;
use store::Millis;
use webhook_signature::{Scheme, SecretString, WebhookSignature};

use crate::{
    clock::BEGINNING, conversation::GuestLeg, happening::Happening, people, trace::Told, world::World,
};

/// The hook of the organisation, and that of another one.
pub(crate) const HOOK: &str = "genesys";
pub(crate) const OTHER_HOOK: &str = "others";

/// The adapter by which whole conversations are told.
pub(crate) const SOCKET: &str = "socket";

/// How long a sender waits for an answer, and how often it sends again.
const SENDER_WAITS: Millis = 4_000;
const SENDER_TRIES: u32 = 30;

/// The longest time that an event is late.
const LATE: Millis = 20_000;

/// What an event says of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// It ended.
    Left,
    /// It is there.
    Came,
}

/// Who sends an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Genesys.
    Genesys,
    /// Somebody without the secret.
    Forger,
    /// Another organisation, with its own secret, about a conversation that is not its own.
    Other,
}

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct HookEvent {
    pub(crate) sender: Sender,
    conversation: ConversationId,
    participant: ParticipantId,
    communication: CommunicationId,
    word: Word,
    /// Whether it names the leg, or only its participant.
    names_leg: bool,
    at: Millis,
    /// Whether its sender need not send it again.
    pub(crate) done: bool,
}

/// An event that is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Post {
    pub(crate) event: u32,
    pub(crate) tries: u32,
}

/// A request to a hook.
pub(crate) struct Letter {
    pub(crate) hook: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl HookEvent {
    /// Its id, by which it is remembered.
    pub(crate) fn id(number: u32) -> String {
        format!("e-{number}")
    }

    pub(crate) fn hook(&self) -> &'static str {
        match self.sender {
            Sender::Genesys | Sender::Forger => HOOK,
            Sender::Other => OTHER_HOOK,
        }
    }

    fn posted(&self, replica: usize, Post { event, tries }: Post) -> Told {
        let by = match self.sender {
            Sender::Genesys => "Genesys",
            Sender::Forger => "a forger",
            Sender::Other => "another organisation",
        };
        let says = if self.word == Word::Left { "left" } else { "came" };
        Told::Posted { replica, event, tries, by, says, leg: self.names_leg.then_some(self.communication) }
    }

    fn letter(&self, number: u32, now: Millis) -> Letter {
        let Self { conversation, participant, communication, .. } = self;
        let leg =
            if self.names_leg { format!(r#","communicationId":"{communication}""#) } else { String::new() };
        let state = if self.word == Word::Left { "disconnected" } else { "connected" };
        let (id, at) = (Self::id(number), BEGINNING + self.at);
        let body = format!(
            r#"{{"eventId":"{id}","conversationId":"{conversation}","participantId":"{participant}"{leg},"state":"{state}","occurredAt":{at}}}"#
        );
        let signature = match self.sender {
            Sender::Genesys => signature("the secret of the organisation's hook"),
            Sender::Forger => signature("what somebody guessed it to be, wrongly"),
            Sender::Other => signature("the secret of the other organisation's hook"),
        };
        let seconds = (BEGINNING + now) / 1_000;
        let headers = signature.sign(None, seconds, body.as_bytes()).unwrap_or_default();
        Letter { hook: self.hook(), headers, body }
    }
}

/// The scheme of both hooks, with a secret.
pub(crate) fn signature(secret: &str) -> WebhookSignature {
    WebhookSignature::new(Scheme::HubSha256Hex, vec![SecretString::from(secret)])
        .expect("the secret is long enough")
}

impl World {
    /// Genesys tells of a leg: perhaps late, perhaps more than once, perhaps never.
    pub(crate) fn tell(&mut self, conversation: ConversationId, leg: u32, word: Word) {
        let names_leg = self.dice.u8(..6) != 0;
        let Some(number) = self.event(Sender::Genesys, conversation, leg, word, names_leg) else { return };
        let chances = self.plan.chances;
        if self.fails(chances.event_lost) {
            return;
        }
        let copies = if self.fails(chances.event_doubled) { self.dice.u32(2..=3) } else { 1 };
        for _ in 0..copies {
            let late = if self.fails(chances.event_late) { self.dice.i64(0..LATE) } else { self.some(400) };
            self.plan(self.now + late, Happening::Posts(Post { event: number, tries: 0 }));
        }
        if self.dice.u8(..8) == 0 {
            let late = self.dice.i64(0..3_000);
            self.plan(self.now + late, Happening::Notifies(conversation));
        }
    }

    /// An event of a guest's end is sent as soon as its close was accepted, whether it was done or not.
    pub(crate) fn tells_too_early(&mut self, conversation: ConversationId, who: ParticipantId) {
        let Some(truth) = self.conversations.get(&conversation) else { return };
        let legs = (0..).zip(&truth.guests).filter(|(_, leg)| leg.participant == who).map(|(leg, _)| leg);
        for leg in legs.collect::<Vec<_>>() {
            if let Some(event) = self.event(Sender::Genesys, conversation, leg, Word::Left, true) {
                self.plan(self.now, Happening::Posts(Post { event, tries: 0 }));
            }
        }
    }

    /// Somebody tells of the end of a guest who may well be there.
    pub(crate) fn forge(&mut self, conversation: ConversationId) {
        let sender = if self.dice.bool() { Sender::Forger } else { Sender::Other };
        if let Some(event) = self.event(sender, conversation, 0, Word::Left, true) {
            self.plan(self.now, Happening::Posts(Post { event, tries: 0 }));
        }
    }

    fn event(
        &mut self,
        sender: Sender,
        conversation: ConversationId,
        leg: u32,
        word: Word,
        names_leg: bool,
    ) -> Option<u32> {
        let truth = self.conversations.get(&conversation)?;
        let leg = truth.guests.get(usize::try_from(leg).ok()?)?;
        let (participant, communication) = (leg.participant, leg.communication);
        let number = u32::try_from(self.events.len()).ok()?;
        self.events.push(HookEvent {
            sender,
            conversation,
            participant,
            communication,
            word,
            names_leg,
            at: self.now,
            done: false,
        });
        Some(number)
    }

    /// Sends an event to a replica; its sender sends it again until it is answered.
    pub(crate) fn posts(&mut self, replica: usize, post: Post) -> Option<Letter> {
        let index = usize::try_from(post.event).ok()?;
        let event = self.events.get(index)?.clone();
        // A second copy is sent though the first was answered.
        if (event.done && post.tries > 0) || post.tries >= SENDER_TRIES {
            return None;
        }
        let again = Post { event: post.event, tries: post.tries + 1 };
        self.plan(self.now + SENDER_WAITS, Happening::Posts(again));
        if event.sender == Sender::Genesys && event.word == Word::Left {
            self.told_of_an_end(&event);
        }
        self.note(self.now, event.posted(replica, post));
        Some(event.letter(post.event, self.now))
    }

    /// An event is evidence of what has ended: of its leg, or of whichever of its participant where it names none.
    fn told_of_an_end(&mut self, event: &HookEvent) {
        let Some(truth) = self.conversations.get(&event.conversation) else { return };
        let meant = |leg: &GuestLeg| match event.names_leg {
            true => leg.communication == event.communication,
            false => leg.participant == event.participant,
        };
        let ended = |leg: &&GuestLeg| meant(leg) && leg.ended_at.is_some();
        truth.guests.iter().filter(ended).for_each(|leg| self.witness.told_of(leg.communication));
    }

    /// What a hook answered.
    pub(crate) fn hook_answered(&mut self, number: u32, status: u16) {
        self.note(self.now, Told::HookAnswered { event: number, status });
        let Some(event) = usize::try_from(number).ok().and_then(|index| self.events.get_mut(index)) else {
            return;
        };
        let taken = (200..300).contains(&status);
        if status == 401 {
            self.trace.saw("a forgery refused");
        }
        event.done |= taken || status == 401;
        let (forged, hook) = (event.sender == Sender::Forger, event.hook());
        if forged != (status == 401) && status != 503 {
            self.witness.breaks("forged", format!("the event {number} was answered with {status}"));
        }
        if taken && !self.witness.remembers(hook, &HookEvent::id(number)) {
            self.witness.breaks("I3", format!("the event {number} was answered and is not written down"));
        }
    }

    /// An event that tells of a whole conversation as it is now, and comes a while later.
    pub(crate) fn notifies(&mut self, conversation: ConversationId) {
        let Some(snapshot) = self.conversations.get(&conversation).map(|truth| truth.snapshot()) else {
            return;
        };
        let late = if self.faults { self.dice.i64(0..LATE / 2) } else { 0 };
        let at = self.now;
        self.plan(at + late, Happening::Notified { conversation, snapshot, at });
    }

    /// The delivery of such an event.
    pub(crate) fn notified(
        &mut self,
        conversation: ConversationId,
        snapshot: Snapshot,
        at: Millis,
    ) -> Delivery {
        self.witness.shown(conversation, &snapshot);
        let event_id = format!("n-{at}-{conversation}");
        let time = |at: Millis| Time::from_millis(BEGINNING + at);
        Delivery {
            organisation: people::organisation(),
            adapter: SOCKET.to_owned(),
            event_type: "v2.users.{id}.conversations".to_owned(),
            event_id,
            digest: [1; 32],
            received_at: time(self.now),
            conversation: Some(conversation),
            heard: Some(Heard {
                source: ProofSource::Notification,
                occurred_at: time(at),
                what: What::Conversation(snapshot),
            }),
        }
    }
}
