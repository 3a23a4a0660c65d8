//! What the owner of the organisation, or the producer of one command, decides about closing.

use genesys_types::{Span, WrapUpCodeId};

use crate::closure::Request;

/// What counts as proof that the guest is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Evidence {
    /// An event, or a read after the deadline for one.
    #[default]
    WebhookOrReadBack,
    /// An event only. A read that shows the guest gone before anything was asked still counts: no event would ever
    /// come for it.
    WebhookOnly,
}

/// Who is closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// The guest, and the conversation once the guest is proven gone.
    #[default]
    GuestFirst,
    /// The conversation with everybody in it; then the guest's end is proven. Which order shows the end in the guest's
    /// widget is not verified (API.md §9), hence the choice.
    ConversationFirst,
}

/// Which call closes the wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WrapperClose {
    /// `PATCH /api/v2/conversations/messages/{id}`, answered with the conversation.
    #[default]
    Patch,
    /// `DELETE /api/v2/conversations/{id}`, answered with nothing. It deletes nothing (API.md §0).
    Delete,
}

/// What happens when a human agent is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AgentConnected {
    /// The closure fails with a clear reason, and nothing was asked.
    #[default]
    Refuse,
    /// The closure waits, at most as long as its deadline, for the agent to leave.
    Wait,
    /// The closure goes on; the wrapper's close ends the agent's leg too.
    Allow,
}

/// What happens when Genesys demands a wrap-up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum WrapUpPolicy {
    /// Nothing: the closure is held as a ghost that names the pending wrap-up.
    #[default]
    None,
    /// The wrap-up is skipped once, and the close tried once more.
    Skip,
    /// This code is set once, and the close tried once more.
    Code(WrapUpCodeId),
    /// The code of this name in the agent's queue is set once, and the close tried once more.
    Named(Box<str>),
}

/// What happens when a guest comes back after the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GuestReturns {
    /// The closure is marked, and nothing is opened.
    #[default]
    Never,
    /// A closure is opened that follows the one that a producer asked for.
    Once,
    /// The same, and for up to three returns one after the other.
    UpToThree,
}

impl GuestReturns {
    /// How many closures may follow one another. Design §3: never a loop.
    pub const fn most(self) -> u8 {
        match self {
            Self::Never => 0,
            Self::Once => 1,
            Self::UpToThree => 3,
        }
    }
}

/// How long to wait between tries that failed in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Backoff {
    /// The wait after the first failure; it doubles with every further one.
    pub first: Span,
    /// No wait is longer than this.
    pub most: Span,
}

/// Everything that the machine lets others decide. The defaults are those of the configuration (interfaces §5); values
/// without a key there come from design §3.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    /// What counts as proof.
    pub evidence: Evidence,
    /// Who is closed first.
    pub order: Order,
    /// How the wrapper is closed.
    pub wrapper_close: WrapperClose,
    /// What a connected agent means.
    pub agent_connected: AgentConnected,
    /// What a demanded wrap-up means.
    pub wrap_up: WrapUpPolicy,
    /// What a guest who comes back after the end means.
    pub guest_returns: GuestReturns,
    /// How long an event is awaited before a read looks for itself.
    pub confirm_within: Span,
    /// How long after the first close was asked a closure without proof becomes a ghost.
    pub deadline: Span,
    /// How often the guest's close is asked, at most, when it was accepted and nothing followed, or the guest came back.
    pub max_rounds: u8,
    /// How many refusals or unclear outcomes, and how many failures of one call in a row, are borne.
    pub max_attempts: u8,
    /// The wait between failures.
    pub backoff: Backoff,
    /// How long a missing conversation or guest is looked for.
    pub participant_grace: Span,
    /// How long an open conversation that fits a target is looked for. Analytics lag (API.md §6), and no limit of the lag
    /// is documented; the default is as long as the default deadline.
    pub lookup_grace: Span,
    /// How far apart two reads lie that together prove that a close had no effect.
    pub stale_read_gap: Span,
    /// After how long a call in flight counts as lost. Longer than any time-out of the client.
    pub call_timeout: Span,
    /// After how long a lookup in flight counts as lost. It asks for many pages, one call each; longer than the client goes
    /// on asking, and one call more.
    pub lookup_timeout: Span,
    /// The first interval at which a ghost is looked at again; it doubles with every look.
    pub look_again: Span,
    /// The longest interval between two looks.
    pub look_again_most: Span,
    /// When a ghost is given up: the life of a guest's session by default.
    pub give_up_after: Span,
    /// How often a blocked organisation is probed.
    pub probe_blocked: Span,
    /// The mistake that is seeded, if any; for tests only.
    #[cfg(feature = "mutants")]
    pub mutation: Option<crate::Mutation>,
}

impl Policy {
    /// After how long a request in flight counts as lost.
    pub const fn time_for(&self, request: Request) -> Span {
        match request {
            Request::LookUp => self.lookup_timeout,
            Request::Read
            | Request::CloseParticipant(_)
            | Request::CloseWrapper(_)
            | Request::GiveWrapUp { .. }
            | Request::Disconnect => self.call_timeout,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            evidence: Evidence::default(),
            order: Order::default(),
            wrapper_close: WrapperClose::default(),
            agent_connected: AgentConnected::default(),
            wrap_up: WrapUpPolicy::default(),
            guest_returns: GuestReturns::default(),
            confirm_within: Span::from_secs(20),
            deadline: Span::from_secs(120),
            max_rounds: 3,
            max_attempts: 8,
            backoff: Backoff { first: Span::from_secs(1), most: Span::from_secs(60) },
            participant_grace: Span::from_secs(30),
            lookup_grace: Span::from_secs(120),
            stale_read_gap: Span::from_secs(10),
            call_timeout: Span::from_secs(20),
            lookup_timeout: Span::from_secs(330),
            look_again: Span::from_secs(300),
            look_again_most: Span::from_secs(6 * 3_600),
            give_up_after: Span::from_secs(72 * 3_600),
            probe_blocked: Span::from_secs(300),
            #[cfg(feature = "mutants")]
            mutation: None,
        }
    }
}
