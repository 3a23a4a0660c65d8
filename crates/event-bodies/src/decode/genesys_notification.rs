//! `{"topicName", "eventBody"}`: the frame of the notification WebSocket, and the `detail` of EventBridge.

use super::topic::Topic;
use crate::{
    json::Object,
    reading::{Reading, Undecodable},
};

/// Reads a frame; `None` for a body of another form. It has no id of its own.
pub(super) fn read(body: &Object<'_>) -> Result<Option<Reading>, Undecodable> {
    let Some(name) = body.text("topicName") else { return Ok(None) };
    Topic::parse(name)?.read(body.object("eventBody")).map(Some)
}
