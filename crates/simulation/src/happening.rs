//! What is going to happen at a certain moment.

use closure_machine::Reply;
use genesys_client::Sent;
use genesys_types::{ConversationId, Snapshot};
use store::Millis;
use tokio::sync::oneshot;

use crate::{
    genesys::Call,
    hooks::Post,
    together::{AnsweredMany, Many},
    world::Strike,
};

/// What comes back to a replica that made a call.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    /// What the quota learns of it.
    pub(crate) sent: Sent,
}

/// What is going to happen.
pub(crate) enum Happening {
    /// A call reaches Genesys.
    Arrives(Call),
    /// Its answer reaches whoever made it.
    Answers(Call, Answered),
    /// A close takes effect.
    Effect(Call),
    /// A read of many conversations reaches Genesys.
    ManyArrive(Many),
    /// Its answer reaches whoever asked.
    ManyAnswered(Many, AnsweredMany),
    /// The guest leaves by itself.
    GuestLeaves(ConversationId),
    /// The guest comes back.
    GuestComes(ConversationId),
    /// The agent leaves, or has done its wrap-up.
    AgentLeaves(ConversationId),
    /// The whole ends by itself.
    Ends(ConversationId),
    /// An event is sent to a hook.
    Posts(Post),
    /// An event tells of a conversation as it is, by an adapter that is no hook.
    Notifies(ConversationId),
    /// It comes.
    Notified { conversation: ConversationId, snapshot: Snapshot, at: Millis },
    /// Somebody who is not Genesys tells of the end of a guest.
    Forges(ConversationId),
    /// A producer gives its command, by HTTP.
    Commands(u32),
    /// A producer gives its command to the broker.
    Publishes(u32),
    /// An operator does something.
    Operates,
    /// A replica is struck: at once, or when it has written down a call and not made it yet.
    Strikes(Strike),
    /// This one is.
    IsStruck(usize, Strike),
    /// A killed replica starts again.
    Start(usize),
    /// A replica is cut off from the store.
    CutOff,
    /// The store is away.
    StoreAway,
    /// The broker dies, and comes back.
    BrokerDies,
    /// It is back.
    BrokerBack,
}

/// Who waits for the answer to a call.
pub(crate) type Waiter = oneshot::Sender<Answered>;
