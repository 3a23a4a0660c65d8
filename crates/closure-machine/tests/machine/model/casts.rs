//! The conversations and policies that the model is run with.

use closure_machine::{AgentConnected, Backoff, Evidence, Order, Policy, WrapUpPolicy};
use genesys_types::Span;

use crate::language::plain_policy;

/// Who takes part, and under what policy.
#[derive(Debug, Clone)]
pub struct Cast {
    pub name: &'static str,
    pub policy: Policy,
    /// Whether there is a second guest.
    pub friend: bool,
    /// Whether an agent is connected, comes and goes.
    pub agent: bool,
    /// How often the guest may come back on a new leg.
    pub returns: u8,
    /// Whether all of it is too much for every day.
    pub large: bool,
    /// Whether a queue is connected too.
    pub queue: bool,
    /// Whether the ways of the evidence are told apart.
    pub tells_sources: bool,
    /// Whether a permit may be missing.
    pub short_of_quota: bool,
    /// Whether events come that name nobody, or nobody who is known.
    pub hints: bool,
    /// Whether the command names no conversation.
    pub sought: bool,
    /// Whether operators act.
    pub operators: bool,
}

/// The defaults with every wait cut to a few milliseconds, which are too short for a jitter, and few tries.
fn small_policy() -> Policy {
    let millis = Span::from_millis;
    Policy {
        confirm_within: millis(1),
        deadline: millis(3),
        max_rounds: 2,
        max_attempts: 2,
        backoff: Backoff { first: millis(1), most: millis(1) },
        participant_grace: millis(1),
        lookup_grace: millis(1),
        stale_read_gap: millis(1),
        call_timeout: millis(1),
        lookup_timeout: millis(1),
        look_again: millis(1),
        look_again_most: millis(1),
        give_up_after: millis(2),
        probe_blocked: millis(1),
        ..plain_policy()
    }
}

fn cast(name: &'static str, change: impl FnOnce(&mut Cast)) -> Cast {
    let mut cast = Cast {
        name,
        policy: small_policy(),
        friend: false,
        agent: false,
        returns: 0,
        large: false,
        hints: true,
        queue: false,
        tells_sources: false,
        short_of_quota: false,
        sought: false,
        operators: false,
    };
    change(&mut cast);
    cast
}

/// All runs of the model: small ones, or, with `MODEL=full` in the environment, some that take minutes.
pub fn casts() -> Vec<Cast> {
    let full = std::env::var("MODEL").is_ok_and(|size| size == "full");
    let mut casts = all_casts();
    for cast in casts.iter_mut().filter(|cast| !full && cast.large) {
        cast.hints = false;
        cast.policy.max_rounds = 1;
    }
    casts
}

fn all_casts() -> Vec<Cast> {
    vec![
        cast("one guest in a queue, and a quota that runs out", |cast| {
            cast.queue = true;
            cast.tells_sources = true;
            cast.short_of_quota = true;
        }),
        cast("one guest, and operators", |cast| {
            cast.large = true;
            cast.operators = true;
            cast.policy.max_attempts = 1;
        }),
        cast("a guest who may come back", |cast| {
            cast.returns = 1;
            cast.policy.max_attempts = 1;
        }),
        cast("two guests", |cast| {
            cast.friend = true;
            cast.policy.max_attempts = 1;
        }),
        cast("an event is wanted, and the guest may come back", |cast| {
            cast.returns = 1;
            cast.policy.max_attempts = 1;
            cast.large = true;
            cast.policy.evidence = Evidence::WebhookOnly;
        }),
        cast("the conversation first, and the guest may come back", |cast| {
            cast.returns = 1;
            cast.policy.max_attempts = 1;
            cast.large = true;
            cast.policy.order = Order::ConversationFirst;
        }),
        cast("a conversation that is looked up, and operators", |cast| {
            cast.sought = true;
            cast.operators = true;
            cast.short_of_quota = true;
            cast.hints = false;
            cast.policy.max_attempts = 1;
            cast.policy.max_rounds = 1;
        }),
        cast("an agent is refused", |cast| cast.agent = true),
        cast("an agent is waited for, and owes a wrap-up", |cast| {
            cast.agent = true;
            cast.policy.agent_connected = AgentConnected::Wait;
            cast.policy.wrap_up = WrapUpPolicy::Skip;
            cast.policy.max_attempts = 1;
        }),
    ]
}
