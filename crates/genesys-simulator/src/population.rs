//! Brings conversations into being, and lets their guests act.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chaos::{ChaosSpec, FaultRule, Preset};
use crate::clock::in_millis;
use crate::conversation::{
    Conversation, ConversationDisconnect, Disconnect, DisconnectNotice, Purpose, Wrapper,
};
use crate::ledger::Ledger;
use crate::random::Draw;
use crate::world::World;

/// The queue in which guests wait when no other is named.
pub const DEFAULT_QUEUE: Uuid = Uuid::from_u128(0x9bfb_36aa_cde3_4706_9744_70f0_6457_54cf);

/// The most conversations that one request may make: a slip of the finger should not fill the memory.
const MOST_AT_ONCE: u32 = 100_000;

/// Whether somebody answers the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentPresence {
    /// Nobody yet: the guest waits in the queue.
    #[default]
    None,
    /// An agent is connected.
    Connected,
    /// An agent has left and still owes a wrap-up code.
    WrapUp,
    /// An agent has left and owes nothing.
    Left,
}

/// The part of the Messenger configuration that decides what the guest is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessengerSetting {
    /// Whether and how the guest learns of the end.
    pub conversation_disconnect: ConversationDisconnect,
}

impl Default for MessengerSetting {
    /// On, with type `Send`. The service's own default is off; here a page that reacts is the more useful start.
    fn default() -> Self {
        Self {
            conversation_disconnect: ConversationDisconnect { enabled: true, kind: DisconnectNotice::Send },
        }
    }
}

/// What a new conversation is like; everything has a default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NewConversation {
    /// How many to make; one when absent.
    pub count: Option<u32>,
    /// The id to use; only for a single conversation. Drawn from the seed when absent.
    pub conversation_id: Option<Uuid>,
    /// The external tag.
    pub external_id: Option<String>,
    /// The attributes of the guest participant.
    pub attributes: BTreeMap<String, String>,
    /// The queue; [`DEFAULT_QUEUE`] when absent.
    pub queue: Option<Uuid>,
    /// How many guest legs there are, each with its own participant; one when absent, and none with 0.
    pub guest_legs: Option<u32>,
    /// Whether somebody answers the guest.
    pub agent: AgentPresence,
    /// Whether a connected agent will owe a wrap-up code.
    pub wrap_up_required: bool,
    /// How long after-call work may last, in milliseconds; for ever when absent.
    pub wrap_up_timeout_ms: Option<u64>,
    /// Whether closing the whole is refused with 400 while a wrap-up code is missing.
    pub wrap_up_blocks: bool,
    /// Whether the conversation ends by itself when the guest goes. Otherwise the queue leg keeps it open.
    pub ends_with_guest: bool,
    /// Whether it has ended already.
    pub ended: bool,
    /// How long ago it began, in milliseconds, with everything that has happened in it; just now when absent.
    pub open_for_ms: Option<u64>,
    /// What the guest is told of the end.
    pub messenger: MessengerSetting,
    /// Faults for these conversations alone, in place of the general ones.
    pub chaos: Option<ChaosSpec>,
    /// The same in short: presets that strike each of these conversations. `chaos` wins when both are given.
    #[serde(deserialize_with = "crate::chaos::rules")]
    pub presets: Vec<FaultRule>,
}

impl NewConversation {
    /// Asks for so many conversations of the same kind.
    #[must_use]
    pub fn count(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Chooses whether somebody answers the guest.
    #[must_use]
    pub fn agent(mut self, agent: AgentPresence) -> Self {
        self.agent = agent;
        self
    }

    /// Chooses faults for these conversations alone.
    #[must_use]
    pub fn chaos(mut self, chaos: ChaosSpec) -> Self {
        self.chaos = Some(chaos);
        self
    }

    fn own_chaos(&self) -> Option<ChaosSpec> {
        let short = || ChaosSpec { presets: self.presets.clone(), rate: None };
        self.chaos.clone().or_else(|| (!self.presets.is_empty()).then(short))
    }
}

/// The ids of a conversation that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedConversation {
    /// The conversation.
    pub conversation_id: Uuid,
    /// The (first) guest's participant; nil when there is no guest.
    pub participant_id: Uuid,
    /// The (first) guest's communication; nil when there is no guest.
    pub communication_id: Uuid,
}

/// Why no conversation was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotCreate {
    /// There is a conversation with this id already.
    IdTaken,
    /// One id cannot serve several conversations.
    IdForMany,
    /// More than 100,000 at once.
    TooMany,
}

impl std::fmt::Display for CannotCreate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::IdTaken => "a conversation with this id exists already",
            Self::IdForMany => "conversationId goes with a count of 1 only",
            Self::TooMany => "count must not exceed 100000",
        })
    }
}

impl std::error::Error for CannotCreate {}

/// What a guest does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", tag = "action")]
pub enum GuestAct {
    /// Loads the page anew: the old leg ends and a new one appears.
    Reload,
    /// Opens the chat again after it was closed: a new leg appears.
    Return,
    /// Leaves for good.
    Leave,
    /// Types a line, which brings the guest back when the leg was closed.
    Type {
        /// The line.
        #[serde(default)]
        text: String,
    },
}

impl World {
    /// Makes conversations and answers their ids in order.
    pub(crate) fn create(&self, wanted: &NewConversation) -> Result<Vec<CreatedConversation>, CannotCreate> {
        let count = wanted.count.unwrap_or(1);
        if count > MOST_AT_ONCE {
            return Err(CannotCreate::TooMany);
        }
        if count != 1 && wanted.conversation_id.is_some() {
            return Err(CannotCreate::IdForMany);
        }
        (0..count).map(|_| self.create_one(wanted)).collect()
    }

    fn create_one(&self, wanted: &NewConversation) -> Result<CreatedConversation, CannotCreate> {
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let drawn = Draw::new(self.seed(), Uuid::nil(), "conversation", number).uuid();
        let id = wanted.conversation_id.unwrap_or(drawn);
        if self.conversations.contains_key(&id) {
            return Err(CannotCreate::IdTaken);
        }
        let now = self.clock.now();
        let mut talk = Conversation {
            id,
            external_id: wanted.external_id.clone(),
            queue: wanted.queue.unwrap_or(DEFAULT_QUEUE),
            started_at: now,
            ended_at: None,
            version: 0,
            participants: Vec::new(),
            disconnect_setting: wanted.messenger.conversation_disconnect,
            guest_left: false,
            guest_lines: Vec::new(),
            wrap_up_blocks: wanted.wrap_up_blocks,
            wrapper: Wrapper::default(),
            chaos: wanted.own_chaos(),
            occasions: HashMap::new(),
            ledger: Ledger::default(),
        };
        for _ in 0..wanted.guest_legs.unwrap_or(1) {
            self.join_guest(&mut talk, true);
        }
        for participant in &mut talk.participants {
            participant.attributes.clone_from(&wanted.attributes);
        }
        let presence = self.agent_for(&talk, wanted);
        self.seat_agent(&mut talk, presence, wanted);
        if wanted.ended {
            talk.end_everybody(Disconnect::Client, now);
            for leg in talk.participants.iter_mut().flat_map(|p| p.legs.iter_mut()) {
                leg.proven = true;
            }
        }
        if let Some(ago) = wanted.open_for_ms {
            talk.put_back(in_millis(Duration::from_millis(ago)));
        }
        let guest = talk.participants.first().filter(|p| p.purpose == Purpose::Customer);
        let created = CreatedConversation {
            conversation_id: id,
            participant_id: guest.map_or(Uuid::nil(), |p| p.id),
            communication_id: guest.and_then(|p| p.legs.first()).map_or(Uuid::nil(), |leg| leg.id),
        };
        self.conversations.insert(id, talk);
        Ok(created)
    }

    fn agent_for(&self, talk: &Conversation, wanted: &NewConversation) -> AgentPresence {
        let chaos = self.chaos_of(talk);
        if chaos.touching(Preset::WrapupRequired, self.seed(), talk.id).is_some() {
            AgentPresence::WrapUp
        } else if chaos.touching(Preset::AgentConnected, self.seed(), talk.id).is_some() {
            AgentPresence::Connected
        } else {
            wanted.agent
        }
    }

    /// Adds the queue's leg and, when wanted, an agent who took over from it.
    fn seat_agent(&self, talk: &mut Conversation, presence: AgentPresence, wanted: &NewConversation) {
        let now = self.clock.now();
        let queue = self.next_id(talk, "participant-id");
        let queue_leg = self.next_id(talk, "leg-id");
        talk.join(queue, queue_leg, Purpose::Acd, "Web queue".into(), now, true);
        if presence == AgentPresence::None {
            if wanted.ends_with_guest {
                talk.end_participant(queue, Disconnect::Transfer, now);
            }
            return;
        }
        talk.end_participant(queue, Disconnect::Transfer, now);
        let agent = self.next_id(talk, "participant-id");
        let leg = self.next_id(talk, "leg-id");
        talk.join(agent, leg, Purpose::Agent, "Agent One".into(), now, true);
        if let Some(seat) = talk.participants.last_mut() {
            seat.wrap_up.required = wanted.wrap_up_required || presence == AgentPresence::WrapUp;
            seat.wrap_up.timeout_ms = wanted.wrap_up_timeout_ms;
        }
        if presence != AgentPresence::Connected {
            talk.end_participant(agent, Disconnect::Client, now);
            if presence == AgentPresence::Left {
                talk.skip_wrap_up(agent, now);
                if !wanted.ends_with_guest {
                    let requeued = self.next_id(talk, "participant-id");
                    let leg = self.next_id(talk, "leg-id");
                    talk.join(requeued, leg, Purpose::Acd, "Web queue".into(), now, true);
                }
            }
        }
        talk.settle(now);
    }

    /// Brings an agent in, or leaves one owing a wrap-up, in a conversation that exists already.
    pub(crate) fn impose_presence(&self, talk: &mut Conversation) {
        let has_agent = talk.participants.iter().any(|p| p.purpose == Purpose::Agent);
        let wanted = NewConversation::default();
        let presence = self.agent_for(talk, &wanted);
        if has_agent || presence == AgentPresence::None {
            return;
        }
        let now = self.clock.now();
        let waiting: Vec<Uuid> = talk
            .participants
            .iter()
            .filter(|p| p.purpose == Purpose::Acd && p.is_connected())
            .map(|p| p.id)
            .collect();
        for queue in waiting {
            talk.end_participant(queue, Disconnect::Transfer, now);
        }
        self.seat_agent(talk, presence, &wanted);
    }

    /// Lets a guest act; answers `false` when there is no such conversation.
    pub(crate) fn act_as_guest(&self, conversation: Uuid, act: GuestAct) -> bool {
        let Some(mut talk) = self.find(conversation) else { return false };
        let now = self.clock.now();
        let happened = match act {
            GuestAct::Reload => self.reload_guest(&mut talk),
            GuestAct::Return => vec![self.join_guest(&mut talk, false)],
            GuestAct::Leave => {
                let guests: Vec<Uuid> = talk.guests().map(|p| p.id).collect();
                talk.guest_left = true;
                guests
                    .into_iter()
                    .flat_map(|guest| talk.end_participant(guest, Disconnect::Client, now))
                    .collect()
            }
            GuestAct::Type { text } => {
                talk.take_line(&text);
                let back = !talk.guest_is_connected();
                back.then(|| self.join_guest(&mut talk, false)).into_iter().collect()
            }
        };
        self.publish(&mut talk, &happened, &mut Vec::new());
        true
    }

    /// Ends the guest's legs and opens a new one in their place.
    pub(crate) fn reload_guest(&self, talk: &mut Conversation) -> Vec<crate::conversation::Happening> {
        let now = self.clock.now();
        let guests: Vec<Uuid> = talk.guests().filter(|p| p.is_connected()).map(|p| p.id).collect();
        let new = self.join_guest(talk, false);
        let mut happened = vec![new];
        for guest in guests {
            happened.extend(talk.end_participant(guest, Disconnect::Client, now));
        }
        happened
    }

    /// Adds a guest participant with one leg; a returned guest opens an ended conversation again.
    fn join_guest(&self, talk: &mut Conversation, known: bool) -> crate::conversation::Happening {
        let participant = self.next_id(talk, "participant-id");
        let leg = self.next_id(talk, "leg-id");
        let now = self.clock.now();
        talk.guest_left = false;
        let joined = talk.join(participant, leg, Purpose::Customer, "Guest".into(), now, known);
        talk.settle(now);
        joined
    }

    fn next_id(&self, talk: &mut Conversation, occasion: &'static str) -> Uuid {
        let nth = u64::from(talk.arise(occasion));
        Draw::new(self.seed(), talk.id, occasion, nth).uuid()
    }
}
