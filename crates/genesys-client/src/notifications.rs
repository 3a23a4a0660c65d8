//! Channels of notifications: where events can be listened to, and which.
//!
//! A channel is an address for one WebSocket. What is subscribed to is sent while the socket is open, and lost while it is
//! not (API.md §5a). Listening itself is somebody else's affair; here are the calls that it takes.

use std::fmt::Write as _;

use genesys_types::Time;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::{
    Answer, Class, Client, Fault, FaultKind, Permit,
    call::Reply,
    client::answer,
    fault::{bounded_message, bounded_word},
    json::{Flexible, Object, Text, parse},
};

/// The most topics of one channel (API.md §5a); beyond, the service answers 400.
pub const MOST_TOPICS: usize = 1_000;

/// The topics of one request. Their names stay below 120 bytes, so the body stays far below the 512,000 that are allowed,
/// and the answer, with refusals and addresses, below 1 MiB.
const BATCH: usize = 500;

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its id, made of letters, digits, `-` and `_`.
    pub id: Box<str>,
    /// Where its socket is; on a host of the organisation.
    pub connect: Url,
    /// When it ends, unless it is subscribed to anew; 24 h from its making.
    pub expires: Option<Time>,
}

/// What a subscription came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscribed {
    /// How many topics are sent from now on.
    pub permitted: usize,
    /// Those that are not.
    pub refused: Vec<Refusal>,
}

/// A topic that is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The topic.
    pub topic: Box<str>,
    /// Why, in the service's words.
    pub reason: Option<Box<str>>,
    /// The permissions that the role lacks.
    pub missing_permissions: Vec<Box<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ChannelBody {
    id: Text,
    connect_uri: Text,
    expires: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SubscriptionsBody {
    entities: Option<Vec<Object<TopicBody>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TopicBody {
    id: Text,
    state: Text,
    rejection_reason: Text,
    missing_permissions: Flexible<Vec<Text>>,
}

impl Client {
    /// Makes a channel: `POST /api/v2/notifications/channels`.
    ///
    /// # Errors
    /// [`FaultKind::Rejected`] when the address of its socket is not one of the organisation's.
    pub async fn create_channel(&self, permit: Permit) -> Result<Answer<Channel>, Fault> {
        let path = "api/v2/notifications/channels".to_owned();
        let reply = self.run(permit, "create_channel", Method::POST, path, Some("{}".into())).await?;
        let channel = self.channel(&reply)?;
        Ok(answer(reply, channel))
    }

    /// Subscribes a channel to these topics and no others: `PUT …/channels/{channelId}/subscriptions?ignoreErrors=true`,
    /// and `POST` for what one request does not hold. The first [`MOST_TOPICS`] are asked for. It takes further permits
    /// for further requests. A topic of which the answer says nothing counts as refused.
    ///
    /// # Errors
    /// As every operation; what was asked for before stays.
    pub async fn subscribe(
        &self,
        permit: Permit,
        channel: &Channel,
        topics: &[Box<str>],
    ) -> Result<Subscribed, Fault> {
        let mut all = Subscribed::default();
        let mut permit = Some(permit);
        let mut method = Method::PUT;
        for batch in topics[..topics.len().min(MOST_TOPICS)].chunks(BATCH) {
            let permit = match permit.take() {
                Some(permit) => permit,
                None => self.quota().take(Class::Background).await,
            };
            let path =
                format!("api/v2/notifications/channels/{}/subscriptions?ignoreErrors=true", channel.id);
            let wanted: Vec<_> = batch.iter().map(|topic| json!({ "id": topic })).collect();
            let body = json!(wanted).to_string().into();
            let reply = self.run(permit, "subscribe", method, path, Some(body)).await?;
            let told = subscribed(&reply.body, batch);
            let told = told.ok_or_else(|| reply.unreadable("the body is no list of subscriptions"))?;
            all.permitted += told.permitted;
            all.refused.extend(told.refused);
            method = Method::POST;
        }
        Ok(all)
    }

    fn channel(&self, reply: &Reply) -> Result<Channel, Fault> {
        let unreadable = || reply.unreadable("the body does not describe a channel");
        let Object(body) = parse::<Object<ChannelBody>>(&reply.body).map_err(|_| unreadable())?;
        let id = body.id.0.filter(|id| is_channel_id(id)).ok_or_else(unreadable)?;
        let connect: Url = body.connect_uri.0.and_then(|uri| uri.parse().ok()).ok_or_else(unreadable)?;
        if !self.region().holds_socket(&connect) {
            let host = connect.host_str().unwrap_or_default();
            let mut why = String::from("the socket of the channel is at ");
            let _ = write!(why, "{}://{host}, which is no address of this organisation", connect.scheme());
            return Err(Fault::local(FaultKind::Rejected, why));
        }
        let moment = body.expires.0.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        Ok(Channel { id, connect, expires: moment.map(|at| Time::from_millis(at.as_millisecond())) })
    }
}

fn is_channel_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn subscribed(body: &[u8], asked: &[Box<str>]) -> Option<Subscribed> {
    let Object(body) = parse::<Object<SubscriptionsBody>>(body).ok()?;
    let rows = body.entities?;
    let mut all = Subscribed::default();
    for topic in asked {
        let row = rows.iter().map(|Object(row)| row).find(|row| row.id.0.as_ref() == Some(topic));
        if row.is_some_and(|row| row.state.0.as_deref() == Some("Permitted")) {
            all.permitted += 1;
            continue;
        }
        let permissions = row.and_then(|row| row.missing_permissions.0.as_ref()).into_iter().flatten();
        all.refused.push(Refusal {
            topic: topic.clone(),
            reason: row.and_then(|row| row.rejection_reason.0.as_deref()).map(bounded_message),
            missing_permissions: permissions.filter_map(|one| one.0.as_deref()).map(bounded_word).collect(),
        });
    }
    Some(all)
}
