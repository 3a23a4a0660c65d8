//! Channels of notifications and the WebSockets behind them: events are sent while a socket is open, and lost otherwise.
//!
//! Which permission a topic needs is not documented for all of them; here all of conversations need the one for reading
//! conversations, as the documented sample of a refusal shows.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use crate::clock::{Millis, timestamp};
use crate::credentials::Admission;
use crate::operation::VIEW;
use crate::platform::Reply;
use crate::random::Draw;
use crate::refusal::Refusal;
use crate::world::{Task, World};

/// The most channels of one client, and topics of one channel, and how long a channel lives (API.md §5a).
const MOST_CHANNELS: usize = 20;
const MOST_TOPICS: usize = 1_000;
const LIFE: Millis = 24 * 3_600_000;

/// How long before its end a channel tells of it (API.md §5a).
pub(crate) const NOTICE: Millis = 60_000;

/// The time between two heartbeats (API.md §5a).
pub(crate) const HEARTBEAT: Millis = 30_000;

/// What is done to a socket.
#[derive(Debug)]
pub(crate) enum Order {
    Send(String),
    /// The connection ends without a word.
    Cut,
    /// The connection ends as WebSockets do.
    Close,
}

#[derive(Debug)]
struct Channel {
    id: Uuid,
    client: String,
    topics: BTreeSet<String>,
    expires_at: Millis,
    used_at: Millis,
    told_of_end: bool,
    socket: Option<Socket>,
}

#[derive(Debug)]
struct Socket {
    number: u64,
    orders: UnboundedSender<Order>,
    /// Says nothing any more, as a connection that is dead and does not know it.
    silent: bool,
}

/// What the control does to sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketAct {
    /// Ends the connection without a word.
    Cut,
    /// Tells that the socket is closing, and ends it a minute later.
    Announce,
    /// Leaves it open and says nothing any more.
    Silence,
    /// Takes every topic away, as when another channel has subscribed.
    Unsubscribe,
    /// Tells that the token was revoked, and refuses it from then on.
    Revoke,
}

/// A channel, as the control shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownChannel {
    /// Its id.
    pub id: String,
    /// Whether its socket is open.
    pub open: bool,
    /// What it is subscribed to.
    pub topics: Vec<String>,
    /// When it ends.
    pub expires: String,
}

/// All channels.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    channels: Vec<Channel>,
    opened: u64,
    made: u64,
}

fn text(id: Uuid) -> String {
    format!("streaming-{id}")
}

fn frame(topic: &str, body: &Value) -> String {
    json!({ "topicName": topic, "version": "2", "eventBody": body }).to_string()
}

/// What a heartbeat or a pong looks like.
pub(crate) fn metadata(message: &str) -> String {
    json!({ "topicName": "channel.metadata", "eventBody": { "message": message } }).to_string()
}

/// Reads the id of a channel as paths have it.
pub(crate) fn channel_id(segment: &str) -> Option<Uuid> {
    segment.strip_prefix("streaming-").and_then(|id| Uuid::parse_str(id).ok())
}

impl Sockets {
    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody is subscribed, listening or not.
    pub(crate) fn is_wanted(&self, topic: &str) -> bool {
        self.locked().channels.iter().any(|channel| channel.topics.contains(topic))
    }

    /// Sends a frame to whoever is subscribed and listens; answers how many do, and how many miss it.
    pub(crate) fn send(&self, topic: &str, frame: &str) -> (usize, usize) {
        let (mut heard, mut missed) = (0, 0);
        for channel in self.locked().channels.iter().filter(|channel| channel.topics.contains(topic)) {
            let sent =
                channel.socket.as_ref().is_some_and(|socket| socket.says(Order::Send(frame.to_owned())));
            if sent { heard += 1 } else { missed += 1 }
        }
        (heard, missed)
    }

    /// Every channel.
    pub(crate) fn shown(&self) -> Vec<ShownChannel> {
        let shown = |channel: &Channel| ShownChannel {
            id: text(channel.id),
            open: channel.socket.as_ref().is_some_and(|socket| !socket.orders.is_closed()),
            topics: channel.topics.iter().cloned().collect(),
            expires: timestamp(channel.expires_at),
        };
        self.locked().channels.iter().map(shown).collect()
    }

    /// Ends every connection and forgets every channel.
    pub(crate) fn clear(&self) {
        self.locked().channels.clear();
    }
}

impl Socket {
    fn says(&self, order: Order) -> bool {
        !self.silent && self.orders.send(order).is_ok()
    }
}

impl World {
    /// Makes a channel; the 21st takes the place of the one that was used least lately, without a socket first.
    pub(crate) fn create_channel(&self, host: &str, admission: &Admission) -> Reply {
        let now = self.clock.now();
        let mut inner = self.sockets.locked();
        let client = &admission.client.id;
        let of_client = || inner.channels.iter().filter(|channel| channel.client == *client);
        if of_client().count() >= MOST_CHANNELS {
            let oldest = of_client().min_by_key(|channel| (channel.socket.is_some(), channel.used_at));
            let oldest = oldest.map(|channel| channel.id);
            inner.channels.retain(|channel| Some(channel.id) != oldest);
        }
        inner.made += 1;
        let id = Draw::new(self.seed(), Uuid::nil(), "channel", inner.made).uuid();
        let expires_at = now + LIFE;
        inner.channels.push(Channel {
            id,
            client: client.clone(),
            topics: BTreeSet::new(),
            expires_at,
            used_at: now,
            told_of_end: false,
            socket: None,
        });
        drop(inner);
        self.schedule.add(expires_at - NOTICE, Task::EndChannel(id));
        Reply::ok(json!({
            "id": text(id),
            "connectUri": format!("ws://{host}/channels/{}", text(id)),
            "expires": timestamp(expires_at),
        }))
    }

    /// Subscribes a channel, which lives for another day from now.
    pub(crate) fn subscribe(
        &self,
        id: Uuid,
        replaces: bool,
        body: &Value,
        ignores_errors: bool,
        admission: &Admission,
    ) -> Result<Reply, Refusal> {
        let wanted: Option<Vec<&str>> =
            body.as_array().and_then(|rows| rows.iter().map(|row| row["id"].as_str()).collect());
        let wanted = wanted.ok_or_else(Refusal::bad_request)?;
        let held = admission.client.permissions.as_ref();
        let permitted = held.is_none_or(|held| VIEW.iter().any(|one| held.contains(*one)));
        let refused = |topic: &str| match (known(topic), permitted) {
            (false, _) => {
                Some(json!({ "id": topic, "state": "Rejected", "rejectionReason": "unknown topic" }))
            }
            (true, false) => Some(json!({
                "id": topic, "state": "Rejected", "rejectionReason": "missing permissions",
                "missingPermissions": VIEW,
            })),
            (true, true) => None,
        };
        if !ignores_errors && wanted.iter().any(|topic| refused(topic).is_some()) {
            return Err(if permitted { Refusal::bad_request() } else { Refusal::missing_permissions(VIEW) });
        }
        let now = self.clock.now();
        let mut inner = self.sockets.locked();
        let channel = inner.channels.iter_mut().find(|channel| channel.id == id);
        let channel = channel.ok_or_else(Refusal::not_found)?;
        let mut topics = if replaces { BTreeSet::new() } else { channel.topics.clone() };
        let mut rows = Vec::new();
        for topic in wanted {
            rows.push(refused(topic).unwrap_or_else(|| json!({ "id": topic, "state": "Permitted" })));
            if refused(topic).is_none() {
                topics.insert(topic.to_owned());
            }
        }
        if topics.len() > MOST_TOPICS {
            return Err(Refusal::bad_request());
        }
        channel.topics = topics;
        channel.used_at = now;
        channel.expires_at = now + LIFE;
        channel.told_of_end = false;
        let expires_at = channel.expires_at;
        drop(inner);
        self.schedule.add(expires_at - NOTICE, Task::EndChannel(id));
        Ok(Reply::ok(json!({ "entities": rows })))
    }

    /// Answers whether there is such a channel.
    pub(crate) fn has_channel(&self, id: Uuid) -> bool {
        let now = self.clock.now();
        self.sockets.locked().channels.iter().any(|channel| channel.id == id && now < channel.expires_at)
    }

    /// Opens the socket of a channel; one that was open is dropped. Answers its number and what it is told.
    pub(crate) fn open_socket(&self, id: Uuid) -> Option<(u64, UnboundedReceiver<Order>)> {
        let now = self.clock.now();
        let mut inner = self.sockets.locked();
        inner.opened += 1;
        let number = inner.opened;
        let channel =
            inner.channels.iter_mut().find(|channel| channel.id == id && now < channel.expires_at)?;
        let (orders, told) = unbounded_channel();
        if let Some(first) = channel.socket.replace(Socket { number, orders, silent: false }) {
            first.says(Order::Close);
        }
        channel.used_at = now;
        drop(inner);
        self.schedule.add(now + HEARTBEAT, Task::Heartbeat(id, number));
        Some((number, told))
    }

    /// Forgets a socket that has ended.
    pub(crate) fn socket_ended(&self, id: Uuid, number: u64) {
        for channel in self.sockets.locked().channels.iter_mut().filter(|channel| channel.id == id) {
            channel.socket.take_if(|socket| socket.number == number);
        }
    }

    /// Whether a socket still answers.
    pub(crate) fn answers(&self, id: Uuid) -> bool {
        let inner = self.sockets.locked();
        let channel = inner.channels.iter().find(|channel| channel.id == id);
        channel.and_then(|channel| channel.socket.as_ref()).is_some_and(|socket| !socket.silent)
    }

    /// Sends a heartbeat, and sees to the next one.
    pub(crate) fn beat(&self, id: Uuid, number: u64) {
        let inner = self.sockets.locked();
        let channel = inner.channels.iter().find(|channel| channel.id == id);
        let socket = channel.and_then(|channel| channel.socket.as_ref());
        if let Some(socket) = socket.filter(|socket| socket.number == number) {
            socket.says(Order::Send(metadata("WebSocket Heartbeat")));
            self.schedule.add(self.clock.now() + HEARTBEAT, Task::Heartbeat(id, number));
        }
    }

    /// Ends a channel whose time is over, and tells of it a minute before.
    pub(crate) fn end_channel(&self, id: Uuid) {
        let now = self.clock.now();
        let mut inner = self.sockets.locked();
        let Some(channel) = inner.channels.iter_mut().find(|channel| channel.id == id) else { return };
        if now >= channel.expires_at {
            if let Some(socket) = channel.socket.take() {
                socket.says(Order::Close);
            }
            inner.channels.retain(|channel| channel.id != id);
        } else if now >= channel.expires_at - NOTICE && !channel.told_of_end {
            channel.told_of_end = true;
            channel.says_closing();
            self.schedule.add(channel.expires_at, Task::EndChannel(id));
        }
    }

    /// Ends the connection of a channel, if it is still that one.
    pub(crate) fn cut_socket(&self, id: Uuid, number: u64) {
        for channel in self.sockets.locked().channels.iter_mut().filter(|channel| channel.id == id) {
            if let Some(socket) = channel.socket.take_if(|socket| socket.number == number) {
                socket.says(Order::Cut);
            }
        }
    }

    /// Does something to the sockets of all channels, or of one; answers to how many.
    pub(crate) fn act_on_sockets(&self, act: SocketAct, only: Option<&str>) -> usize {
        let now = self.clock.now();
        let only = only.map(channel_id);
        let mut revoked = BTreeSet::new();
        let mut done = 0;
        let mut inner = self.sockets.locked();
        for channel in
            inner.channels.iter_mut().filter(|channel| only.is_none_or(|id| id == Some(channel.id)))
        {
            let id = channel.id;
            let Some(socket) = &mut channel.socket else { continue };
            done += 1;
            match act {
                SocketAct::Cut => {
                    socket.says(Order::Cut);
                    channel.socket = None;
                }
                SocketAct::Announce => {
                    self.schedule.add(now + NOTICE, Task::CutSocket(id, socket.number));
                    channel.says_closing();
                }
                SocketAct::Silence => socket.silent = true,
                SocketAct::Unsubscribe => {
                    let topic = format!("v2.system.no_longer_subscribed.{}", text(id));
                    let reason = "another_channel_subscribed";
                    let body = json!({ "channelId": text(id), "systemTopicType": "no_longer_subscribed", "reason": reason });
                    socket.says(Order::Send(frame(&topic, &body)));
                    channel.topics.clear();
                }
                SocketAct::Revoke => {
                    let topic = format!("v2.system.token_revoked.{}", text(id));
                    let body = json!({ "channelId": text(id), "systemTopicType": "token_revoked" });
                    socket.says(Order::Send(frame(&topic, &body)));
                    revoked.insert(channel.client.clone());
                }
            }
        }
        drop(inner);
        if !revoked.is_empty() {
            self.credentials.forget_tokens();
        }
        done
    }
}

impl Channel {
    fn says_closing(&self) {
        let body = json!({ "channelId": text(self.id), "message": "This socket is closing" });
        if let Some(socket) = &self.socket {
            socket.says(Order::Send(frame("v2.system.socket_closing", &body)));
        }
    }
}

/// The topics that are sent here.
fn known(topic: &str) -> bool {
    let of_queue = |rest: &str| {
        rest.split_once('.').is_some_and(|(id, event)| {
            Uuid::parse_str(id).is_ok() && matches!(event, "conversations" | "conversations.messages")
        })
    };
    let of_conversation = |rest: &str| {
        rest.split_once('.').is_some_and(|(id, event)| {
            Uuid::parse_str(id).is_ok()
                && matches!(event, "customer.end" | "user.end" | "acd.end" | "wrapup" | "acw")
        })
    };
    topic.strip_prefix("v2.routing.queues.").is_some_and(of_queue)
        || topic.strip_prefix("v2.detail.events.conversation.").is_some_and(of_conversation)
}
