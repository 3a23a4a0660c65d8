//! What a story is like, drawn from its seed.

use closure_machine::{
    AgentConnected, Backoff, Evidence, GuestReturns, Order, Policy, WrapUpPolicy, WrapperClose,
};
use fastrand::Rng;
use genesys_types::Span;
use store::Millis;

use crate::{chances::Chances, mistake::Mistake};

/// How many replicas work on the store.
pub(crate) const REPLICAS: usize = 3;

/// How long things fail.
pub(crate) const FAULTS_LAST: Millis = 36_000;

/// After how long without faults everything must be over: as long as a ghost is looked at, and what leads up to one.
pub(crate) const ALL_ENDS_WITHIN: Millis = 420_000;

/// After how long the client gives a call up. Shorter than that after which the machine takes it for lost.
pub(crate) const CLIENT_WAITS: Millis = 4_000;

/// One story before it is told.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) policy: Policy,
    pub(crate) conversations: usize,
    pub(crate) max_open: usize,
    pub(crate) chances: Chances,
    pub(crate) crashes: u32,
    pub(crate) standstills: u32,
    pub(crate) cuts: u32,
    pub(crate) outages: u32,
    pub(crate) acts: u32,
    pub(crate) forgeries: u32,
    /// How many commands in a thousand name the guest in place of the conversation.
    pub(crate) by_guest: u32,
    /// Whether many conversations can be read with one request. Then all are asked for at once, and wait for proof long enough for
    /// such a read.
    pub(crate) reads_together: bool,
    pub(crate) mistake: Option<Mistake>,
}

impl Plan {
    pub(crate) fn draw(dice: &mut Rng, mistake: Option<Mistake>) -> Self {
        let mut few = |most: u32| if dice.bool() { dice.u32(0..=most) } else { 0 };
        let (crashes, standstills, cuts, outages) = (few(6), few(4), few(3), few(2));
        let (acts, forgeries, by_guest) = (few(12), few(12), few(400));
        let reads_together = dice.u8(..6) == 0;
        let (mut policy, mut chances) = (policy(dice, mistake), Chances::draw(dice));
        if reads_together {
            // So many are read together that it pays where nearly all wait for proof.
            chances.event_lost = 900;
            policy.confirm_within = Span::from_secs(16);
            policy.deadline = Span::from_secs(60);
        }
        Self {
            policy,
            conversations: dice.usize(20..=26),
            max_open: if dice.u8(..4) == 0 { dice.usize(3..=8) } else { 1_000 },
            chances,
            crashes,
            standstills,
            cuts,
            outages,
            acts,
            forgeries,
            by_guest,
            reads_together,
            mistake,
        }
    }
}

/// A policy whose times are shorter than those of the configuration, in about the same proportion to each other.
fn policy(dice: &mut Rng, mistake: Option<Mistake>) -> Policy {
    let mut rarely = |one_in: u8| dice.u8(..one_in) == 0;
    let policy = Policy {
        evidence: if rarely(6) { Evidence::WebhookOnly } else { Evidence::WebhookOrReadBack },
        order: if rarely(6) { Order::ConversationFirst } else { Order::GuestFirst },
        wrapper_close: if rarely(3) { WrapperClose::Delete } else { WrapperClose::Patch },
        agent_connected: match (rarely(3), rarely(2)) {
            (true, true) => AgentConnected::Wait,
            (true, false) => AgentConnected::Allow,
            (false, _) => AgentConnected::Refuse,
        },
        wrap_up: if rarely(2) { WrapUpPolicy::Skip } else { WrapUpPolicy::None },
        guest_returns: if rarely(4) { GuestReturns::Once } else { GuestReturns::Never },
        confirm_within: Span::from_secs(5),
        deadline: Span::from_secs(30),
        backoff: Backoff { first: Span::from_millis(500), most: Span::from_secs(8) },
        participant_grace: Span::from_secs(8),
        stale_read_gap: Span::from_secs(3),
        call_timeout: Span::from_secs(6),
        lookup_timeout: Span::from_secs(6),
        lookup_grace: Span::from_secs(30),
        look_again: Span::from_secs(15),
        look_again_most: Span::from_secs(45),
        give_up_after: Span::from_secs(180),
        probe_blocked: Span::from_secs(10),
        ..Policy::default()
    };
    seeded(policy, mistake)
}

#[cfg(feature = "mutants")]
fn seeded(mut policy: Policy, mistake: Option<Mistake>) -> Policy {
    if let Some(Mistake::Machine(mutation)) = mistake {
        policy.mutation = Some(mutation);
    }
    policy
}

#[cfg(not(feature = "mutants"))]
fn seeded(policy: Policy, _: Option<Mistake>) -> Policy {
    policy
}
