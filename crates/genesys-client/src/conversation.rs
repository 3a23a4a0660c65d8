//! From the answer to a read of a conversation to a [`Snapshot`] (API.md §1).
//!
//! Unknown fields and values are tolerated; what must not happen is that a guest, or an agent, who is there is read as
//! not there. A row that could be either and cannot be read makes the whole body unreadable.

use genesys_types::{
    ConversationId, DisconnectType, Leg, LegState, ParticipantId, Purpose, Snapshot, Time, WrapUp,
};
use serde::{Deserialize, de::IgnoredAny};

use crate::json::{Flag, Flexible, Object, Text, parse};

/// A body that does not tell who takes part in the conversation, and why not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// Reads a conversation.
pub(crate) fn snapshot(body: &[u8], asked_for: ConversationId) -> Result<Snapshot, Unreadable> {
    Ok(read(body, asked_for)?.unwrap_or_default())
}

/// Reads a conversation from the answer to a write, where the body may say nothing about participants.
pub(crate) fn snapshot_if_told(
    body: &[u8],
    asked_for: ConversationId,
) -> Result<Option<Snapshot>, Unreadable> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    read(body, asked_for)
}

fn read(body: &[u8], asked_for: ConversationId) -> Result<Option<Snapshot>, Unreadable> {
    let Object(conversation) =
        parse::<Object<Conversation>>(body).map_err(|_| Unreadable("the body is not a conversation"))?;
    if let Some(id) = conversation.id.0.as_deref()
        && id.parse() != Ok(asked_for)
    {
        return Err(Unreadable("the body is about another conversation"));
    }
    let Some(participants) = conversation.participants else { return Ok(None) };
    let mut legs = Vec::with_capacity(participants.len());
    for Object(participant) in &participants {
        participant.add_legs(&mut legs)?;
    }
    Ok(Some(Snapshot { ended_at: time(&conversation.end_time), legs }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conversation {
    id: Text,
    end_time: Text,
    participants: Option<Vec<Object<Participant>>>,
}

/// A participant in the shape of `GET /conversations/{id}`, whose legs stand in `messages`, or of
/// `GET /conversations/messages/{id}`, where it is its own leg.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Participant {
    id: Text,
    purpose: Text,
    user_id: Text,
    user: Flexible<Object<Reference>>,
    queue_id: Text,
    queue: Flexible<Object<Reference>>,
    end_time: Text,
    state: Text,
    disconnect_type: Text,
    wrapup_required: Flag,
    wrapup_skipped: Flag,
    wrapup: Flexible<Object<Given>>,
    start_acw_time: Text,
    end_acw_time: Text,
    messages: Option<Vec<Object<Message>>>,
    calls: Media,
    callbacks: Media,
    chats: Media,
    emails: Media,
    cobrowsesessions: Media,
    screenshares: Media,
    social_expressions: Media,
    videos: Media,
}

/// Legs of another kind of media, of which only the number matters.
type Media = Flexible<Vec<IgnoredAny>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Message {
    id: Text,
    state: Text,
    disconnect_type: Text,
    disconnected_time: Text,
    after_call_work_required: Flag,
    after_call_work: Flexible<Object<AfterCallWork>>,
    wrapup: Flexible<Object<Given>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AfterCallWork {
    state: Text,
    end_time: Text,
}

/// A wrap-up as it was given.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    code: Text,
    name: Text,
    provisional: Flag,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reference {
    id: Text,
}

impl Participant {
    fn add_legs(&self, legs: &mut Vec<Leg>) -> Result<(), Unreadable> {
        match self.messages.as_deref() {
            Some(messages) if !messages.is_empty() => {
                for Object(message) in messages {
                    legs.extend(self.leg_of(message)?);
                }
            }
            Some(_) | None if self.state.0.is_some() && !self.has_other_media() => {
                let message = Message {
                    state: Text(self.state.0.clone()),
                    disconnect_type: Text(self.disconnect_type.0.clone()),
                    ..Message::default()
                };
                legs.extend(self.leg_of(&message)?);
            }
            // A guest of whom neither leg nor other media is told is there all the same, in a state not known.
            Some(_) | None if self.purpose() == Some(Purpose::Customer) && !self.has_other_media() => {
                legs.extend(self.leg_of(&Message::default())?);
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    /// The leg that a message row is, or `None` for one that can be left out: its owner cannot be read, and it is
    /// neither the guest's nor an agent's, and over.
    fn leg_of(&self, message: &Message) -> Result<Option<Leg>, Unreadable> {
        let state = self.state_of(message);
        let Some(participant) = id::<ParticipantId>(&self.id) else {
            return match self.purpose() {
                Some(Purpose::Acd | Purpose::Flow | Purpose::Other) if state.is_over() => Ok(None),
                Some(Purpose::Acd | Purpose::Flow | Purpose::Other | Purpose::Customer | Purpose::Agent)
                | None => Err(Unreadable("a participant's id cannot be read")),
            };
        };
        let ended =
            if state.is_over() { time(&message.disconnected_time).or(time(&self.end_time)) } else { None };
        Ok(Some(Leg {
            participant,
            communication: id(&message.id),
            purpose: self.purpose().unwrap_or(Purpose::Other),
            state,
            disconnect_type: message.disconnect_type.0.as_deref().map(DisconnectType::parse),
            disconnected_at: ended,
            wrap_up: self.wrap_up_of(message, state),
            user: id(&self.user_id).or_else(|| self.user.0.as_ref().and_then(|user| id(&user.0.id))),
            queue: id(&self.queue_id).or_else(|| self.queue.0.as_ref().and_then(|queue| id(&queue.0.id))),
        }))
    }

    fn purpose(&self) -> Option<Purpose> {
        self.purpose.0.as_deref().map(Purpose::parse)
    }

    fn has_other_media(&self) -> bool {
        [
            &self.calls,
            &self.callbacks,
            &self.chats,
            &self.emails,
            &self.cobrowsesessions,
            &self.screenshares,
            &self.social_expressions,
            &self.videos,
        ]
        .into_iter()
        .any(|media| media.0.as_ref().is_some_and(|rows| !rows.is_empty()))
    }

    /// The state that is named; without one, over when a time of the end is.
    fn state_of(&self, message: &Message) -> LegState {
        match message.state.0.as_deref() {
            Some(state) => LegState::parse(state),
            None if time(&message.disconnected_time).or(time(&self.end_time)).is_some() => {
                LegState::Disconnected
            }
            None => LegState::Other,
        }
    }

    /// A wrap-up is owed from the end of the agent's leg until it is given, skipped, or its time has run out.
    fn wrap_up_of(&self, message: &Message, state: LegState) -> WrapUp {
        let work = message.after_call_work.0.as_ref().map(|work| &work.0);
        let work_state = work.and_then(|work| work.state.0.as_deref()).unwrap_or_default();
        let given = [&self.wrapup, &message.wrapup].into_iter().any(|wrapup| {
            wrapup.0.as_ref().is_some_and(|Object(given)| {
                !given.provisional.0 && (given.code.0.is_some() || given.name.0.is_some())
            })
        });
        let finished = self.wrapup_skipped.0
            || self.end_acw_time.0.is_some()
            || work.is_some_and(|work| work.end_time.0.is_some())
            || matches!(work_state.to_ascii_lowercase().as_str(), "complete" | "skipped");
        let required = self.wrapup_required.0
            || message.after_call_work_required.0
            || self.start_acw_time.0.is_some()
            || work_state.eq_ignore_ascii_case("pending");
        if given || finished {
            WrapUp::Done
        } else if required && state.is_over() {
            WrapUp::Pending
        } else {
            WrapUp::NotRequired
        }
    }
}

fn id<T: std::str::FromStr>(text: &Text) -> Option<T> {
    text.0.as_deref().and_then(|text| text.parse().ok())
}

fn time(text: &Text) -> Option<Time> {
    let moment: jiff::Timestamp = text.0.as_deref()?.parse().ok()?;
    Some(Time::from_millis(moment.as_millisecond()))
}
