//! What a scan for stuck sessions looks for, and what it leaves out: decisions alone.

use std::fmt::Write as _;

use genesys_types::{LegState, Purpose, QueueId, Snapshot, Time};
use orchestrator::{OpenOne, OpenQuery};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::plan::Skip;

const HOUR: i64 = 3_600_000;

/// What a scan looks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criteria {
    /// For how long a conversation has been open, and nobody came or left, in milliseconds.
    pub older_than: i64,
    /// How long ago it may have begun, in milliseconds.
    pub within: i64,
    /// Only conversations that were in this queue.
    #[serde(default)]
    pub queue: Option<Uuid>,
    /// Only conversations with this message type, for example `webmessaging`.
    #[serde(default)]
    pub message_type: Option<String>,
    /// At most so many are looked at.
    pub limit: u32,
}

impl Criteria {
    /// Open for a day. Most guests are gone after minutes; an asynchronous session lives for 72 h unless configured otherwise
    /// (API.md §6).
    pub const USUAL_AGE: i64 = 24 * HOUR;
    /// The shortest age: five minutes, beyond what analytics are known to lag.
    pub const LEAST_AGE: i64 = HOUR / 12;
    /// How far back is looked unless it is said: a week.
    pub const USUAL_REACH: i64 = 7 * 24 * HOUR;
    /// The furthest back: 31 days. What range analytics take at most is not documented here.
    pub const MOST_REACH: i64 = 31 * 24 * HOUR;
    /// How many are looked at unless it is said: at least four minutes of a quota of 300 a minute.
    pub const USUAL_LIMIT: u32 = 1_000;

    /// What is wrong with these; `None` where they hold together.
    pub fn flaw(&self) -> Option<&'static str> {
        let word = |text: &String| {
            !text.is_empty() && text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if self.older_than < Self::LEAST_AGE {
            Some("the age is at least 5 minutes, as analytics lag")
        } else if self.within > Self::MOST_REACH {
            Some("no more than 31 days are looked back")
        } else if self.within <= self.older_than {
            Some("the reach is longer than the age, or nothing can be found")
        } else if self.limit == 0 || self.limit as usize > crate::MOST_ROWS {
            Some("between 1 and 10,000 conversations are looked at")
        } else if self.message_type.as_ref().is_some_and(|text| !word(text)) {
            Some("a message type has letters and digits only, such as webmessaging")
        } else {
            None
        }
    }

    /// What is asked of the list, by a scan that was asked for at `asked_at`.
    pub(crate) fn query(&self, asked_at: Time) -> OpenQuery {
        let before = |millis: i64| Time::from_millis(asked_at.millis().saturating_sub(millis));
        OpenQuery {
            from: before(self.within),
            until: before(self.older_than),
            queue: self.queue.map(QueueId::from_uuid),
            message_type: self.message_type.as_deref().map(Box::from),
        }
    }

    /// Why a listed conversation is left out without a read; `None` where it is read. What the list was asked to leave out is
    /// looked at again: whether a filter was honoured shows only in what comes.
    pub(crate) fn left_out(&self, one: &OpenOne, now: Time) -> Option<Skip> {
        let young = |at: Option<Time>| at.is_some_and(|at| now.millis() - at.millis() < self.older_than);
        if one.ended {
            Some(Skip::Ended)
        } else if one.message_types.is_empty() {
            Some(Skip::NotMessaging)
        } else if self.queue.is_some_and(|queue| !one.queues.contains(&QueueId::from_uuid(queue))) {
            Some(Skip::OtherQueue)
        } else if self.message_type.as_deref().is_some_and(|kind| !shows(one, kind)) {
            Some(Skip::OtherMessageType)
        } else if young(one.started_at) {
            Some(Skip::TooYoung)
        } else if young(one.moved_at) {
            Some(Skip::ActiveLately)
        } else {
            None
        }
    }
}

fn shows(one: &OpenOne, kind: &str) -> bool {
    one.message_types.iter().any(|shown| shown.eq_ignore_ascii_case(kind))
}

/// What a read makes of a listed conversation: why it is left out, or what is said of one that is offered.
pub(crate) fn judged(read: Option<&Snapshot>, one: &OpenOne, now: Time) -> Result<String, Skip> {
    let Some(snapshot) = read else { return Err(Skip::NotFound) };
    let agent_wraps_up = || snapshot.pending_wrap_up().is_some();
    let guest_is_there = snapshot.guest_legs().any(|leg| !leg.state.is_over());
    if snapshot.ended_at.is_some() {
        Err(Skip::Ended)
    } else if snapshot.legs.is_empty() {
        Err(Skip::NotMessaging)
    } else if snapshot.guest_legs().next().is_none() {
        Err(Skip::NoGuest)
    } else if snapshot.connected_agent().is_some() {
        Err(Skip::AgentConnected)
    } else if !guest_is_there && agent_wraps_up() {
        Err(Skip::WrapUpPending)
    } else {
        Ok(said(snapshot, one, now))
    }
}

/// An offered conversation in words: since when it is open, and who is there.
fn said(snapshot: &Snapshot, one: &OpenOne, now: Time) -> String {
    let mut text = String::new();
    if let Some(started) = one.started_at {
        let _ = write!(text, "open for {}", long(now.millis() - started.millis()));
    }
    let there = snapshot.legs.iter().filter(|leg| !leg.state.is_over());
    let mut who: Vec<String> = Vec::new();
    for leg in there {
        let one = format!("{} {}", name(leg.purpose), state(leg.state));
        if !who.contains(&one) {
            who.push(one);
        }
    }
    if !text.is_empty() {
        text.push_str("; ");
    }
    text.push_str(&if who.is_empty() { "nobody is there any more".to_owned() } else { who.join(", ") });
    text
}

fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Customer => "guest",
        Purpose::Agent => "agent",
        Purpose::Acd => "queue",
        Purpose::Flow => "flow",
        Purpose::Other => "somebody",
    }
}

fn state(state: LegState) -> &'static str {
    match state {
        LegState::Alerting => "alerting",
        LegState::Connected => "connected",
        LegState::Parked => "parked",
        LegState::Disconnected => "disconnected",
        LegState::Other => "in a state that is not known",
    }
}

/// A length of time in its two largest units.
fn long(millis: i64) -> String {
    let minutes = millis.max(0) / 60_000;
    match (minutes / 1_440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use genesys_types::{Leg, ParticipantId, WrapUp};

    use super::*;

    const NOW: Time = Time::from_millis(100 * 24 * HOUR);

    fn criteria() -> Criteria {
        Criteria {
            older_than: Criteria::USUAL_AGE,
            within: Criteria::USUAL_REACH,
            queue: None,
            message_type: None,
            limit: Criteria::USUAL_LIMIT,
        }
    }

    fn one() -> OpenOne {
        let ago = |hours: i64| Some(Time::from_millis(NOW.millis() - hours * HOUR));
        OpenOne {
            conversation: genesys_types::ConversationId::from_uuid(Uuid::from_u128(1)),
            started_at: ago(76),
            ended: false,
            moved_at: ago(75),
            queues: vec![QueueId::from_uuid(Uuid::from_u128(7))],
            message_types: vec!["webmessaging".into()],
        }
    }

    fn leg(purpose: Purpose, state: LegState, wrap_up: WrapUp) -> Leg {
        Leg {
            participant: ParticipantId::from_uuid(Uuid::from_u128(3)),
            communication: None,
            purpose,
            state,
            disconnect_type: None,
            disconnected_at: None,
            wrap_up,
            user: None,
            queue: None,
        }
    }

    #[test]
    fn a_listed_conversation_is_read_where_nothing_is_against_it() {
        let wide = criteria();
        assert_eq!(wide.left_out(&one(), NOW), None);
        let narrow = Criteria {
            queue: Some(Uuid::from_u128(7)),
            message_type: Some("webMessaging".to_owned()),
            ..criteria()
        };
        assert_eq!(narrow.left_out(&one(), NOW), None);
        let unknown = OpenOne { started_at: None, moved_at: None, ..one() };
        assert_eq!(wide.left_out(&unknown, NOW), None, "the list was asked for what is old enough");
    }

    #[test]
    fn what_the_list_shows_against_it_leaves_a_conversation_out() {
        let hour_ago = Some(Time::from_millis(NOW.millis() - HOUR));
        let narrow = |queue: u128, kind: &str| Criteria {
            queue: Some(Uuid::from_u128(queue)),
            message_type: Some(kind.to_owned()),
            ..criteria()
        };
        for (criteria, one, why) in [
            (criteria(), OpenOne { ended: true, ..one() }, Skip::Ended),
            (criteria(), OpenOne { message_types: Vec::new(), ..one() }, Skip::NotMessaging),
            (criteria(), OpenOne { started_at: hour_ago, ..one() }, Skip::TooYoung),
            (criteria(), OpenOne { moved_at: hour_ago, ..one() }, Skip::ActiveLately),
            (narrow(8, "webmessaging"), one(), Skip::OtherQueue),
            (narrow(7, "open"), one(), Skip::OtherMessageType),
        ] {
            assert_eq!(criteria.left_out(&one, NOW), Some(why));
        }
    }

    #[test]
    fn a_read_decides_and_an_agent_is_left_alone() {
        use LegState::{Connected, Disconnected};
        use WrapUp::{NotRequired, Pending};
        let guest = |state| leg(Purpose::Customer, state, NotRequired);
        let read = |ended: bool, legs: &[Leg]| {
            let snapshot = Snapshot { ended_at: ended.then_some(NOW), legs: legs.to_vec() };
            judged(Some(&snapshot), &one(), NOW)
        };
        let agent = |state, wrap_up| leg(Purpose::Agent, state, wrap_up);
        assert_eq!(judged(None, &one(), NOW), Err(Skip::NotFound));
        assert_eq!(read(true, &[guest(Disconnected)]), Err(Skip::Ended));
        assert_eq!(read(false, &[]), Err(Skip::NotMessaging));
        assert_eq!(read(false, &[agent(Disconnected, NotRequired)]), Err(Skip::NoGuest));
        assert_eq!(
            read(false, &[guest(Connected), agent(Connected, NotRequired)]),
            Err(Skip::AgentConnected)
        );
        assert_eq!(
            read(false, &[guest(Disconnected), agent(Disconnected, Pending)]),
            Err(Skip::WrapUpPending)
        );
        // A ghost session: the agent is gone, with or without a wrap-up, and the guest's widget stays open.
        for wrap_up in [NotRequired, Pending] {
            let said = read(false, &[guest(Connected), agent(Disconnected, wrap_up)]).unwrap();
            assert_eq!(said, "open for 3 d 4 h; guest connected");
        }
        let left = read(false, &[guest(Disconnected), agent(Disconnected, NotRequired)]).unwrap();
        assert_eq!(left, "open for 3 d 4 h; nobody is there any more");
        let waits =
            read(false, &[guest(Connected), guest(Connected), leg(Purpose::Acd, Connected, NotRequired)]);
        assert_eq!(waits.unwrap(), "open for 3 d 4 h; guest connected, queue connected");
    }

    #[test]
    fn criteria_are_taken_at_their_bounds_and_refused_beyond() {
        let at = |older_than, within, limit| Criteria { older_than, within, limit, ..criteria() }.flaw();
        assert_eq!(at(Criteria::LEAST_AGE, Criteria::MOST_REACH, 10_000), None);
        assert!(at(Criteria::LEAST_AGE - 1, HOUR, 1).is_some());
        assert!(at(HOUR, Criteria::MOST_REACH + 1, 1).is_some());
        assert!(at(HOUR, HOUR, 1).is_some());
        assert!(at(HOUR, 2 * HOUR, 0).is_some());
        assert!(at(HOUR, 2 * HOUR, 10_001).is_some());
        let kind = |text: &str| Criteria { message_type: Some(text.to_owned()), ..criteria() }.flaw();
        assert_eq!(kind("webmessaging"), None);
        assert!(kind("").is_some() && kind("web messaging").is_some() && kind(&"x".repeat(41)).is_some());
    }

    #[test]
    fn the_list_is_asked_for_what_began_in_the_range() {
        let query = criteria().query(NOW);
        assert_eq!(
            (NOW.millis() - query.until.millis(), NOW.millis() - query.from.millis()),
            (24 * HOUR, 168 * HOUR)
        );
    }

    #[test]
    fn a_length_of_time_has_its_two_largest_units() {
        let texts = [0, 59, 61, 1_440, 4_560].map(|minutes| long(minutes * 60_000));
        assert_eq!(texts, ["0 min", "59 min", "1 h 1 min", "1 d 0 h", "3 d 4 h"]);
    }
}
