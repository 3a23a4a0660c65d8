//! What Genesys Cloud's conversations are made of: ids that parse, legs, and what was observed of them.
//!
//! Pure: nothing here waits, reads a clock, logs or serialises. Names and values are those of the Platform API
//! (`GET /api/v2/conversations/{conversationId}`); unknown values are kept as `Other`, because the service may send
//! new ones at any time.

mod disconnect;
mod ids;
mod leg;
mod snapshot;
mod time;

pub use disconnect::DisconnectType;
pub use ids::{
    CommunicationId, ConversationId, InvalidId, InvalidOrganisation, Organisation, ParticipantId, QueueId,
    UserId, WrapUpCodeId,
};
pub use leg::{Leg, LegState, Purpose, WrapUp};
pub use snapshot::Snapshot;
pub use time::{Span, Time};
