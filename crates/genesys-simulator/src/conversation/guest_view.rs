//! What the guest is told of the end.

use serde::{Deserialize, Serialize};

use super::Conversation;

/// Whether and how the guest's widget is told of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConversationDisconnect {
    /// When `false`, the guest is told nothing and goes on seeing a connected chat.
    pub enabled: bool,
    /// What the guest may do after the end; ignored while `enabled` is `false`.
    #[serde(rename = "type", default)]
    pub kind: DisconnectNotice,
}

/// What the guest may do once told of the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DisconnectNotice {
    /// The guest is told and may type on, which starts or resumes a conversation.
    #[default]
    Send,
    /// The guest is told and the input is taken away.
    ReadOnly,
}

/// What the guest's page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestState {
    /// The chat looks alive, whether or not it is.
    Connected,
    /// The guest was told that the conversation has ended.
    Disconnected,
    /// The guest was told, and the input is gone.
    ReadOnly,
}

impl Conversation {
    /// Answers what the guest's widget shows.
    pub(crate) fn guest_state(&self) -> GuestState {
        if self.guest_left {
            return GuestState::Disconnected;
        }
        if self.guest_is_connected() || !self.disconnect_setting.enabled {
            return GuestState::Connected;
        }
        match self.disconnect_setting.kind {
            DisconnectNotice::Send => GuestState::Disconnected,
            DisconnectNotice::ReadOnly => GuestState::ReadOnly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Disconnect;
    use super::super::tests::with_guest_and_agent;
    use super::*;

    #[test]
    fn the_widget_is_told_only_when_the_setting_is_on() {
        let mut talk = with_guest_and_agent(false);
        talk.end_everybody(Disconnect::Client, 10);
        assert_eq!(talk.guest_state(), GuestState::Disconnected);
        talk.disconnect_setting.kind = DisconnectNotice::ReadOnly;
        assert_eq!(talk.guest_state(), GuestState::ReadOnly);
        talk.disconnect_setting.enabled = false;
        assert_eq!(talk.guest_state(), GuestState::Connected);
    }
}
