//! Faults that strike a call before, or just after, it is carried out.

use crate::chaos::Preset;
use crate::operation::Operation;
use crate::random::Draw;
use crate::refusal::Refusal;
use crate::world::World;

/// How likely a write takes effect although it is answered with a 5xx: often enough to matter in a short run.
const EFFECT_DESPITE_ERROR: f64 = 0.3;

/// The limit that a 429 of a storm names when no quota is configured.
const USUAL_LIMIT: u32 = 300;

/// Whether a fault strikes, and how.
#[derive(Debug)]
pub(crate) enum Strike {
    None,
    /// The call is answered with a refusal and does nothing.
    Refuse(Refusal, &'static str),
    /// The call does its work, and is answered with a refusal all the same.
    PerformThenRefuse(Refusal, &'static str),
}

/// Decides about one call. Calls that name no conversation, or an unknown one, are spared.
pub(crate) fn strike(world: &World, operation: &Operation, token: &str) -> Strike {
    let Some(mut talk) = operation.conversation().and_then(|id| world.find(id)) else { return Strike::None };
    let chaos = world.chaos_of(&talk);
    let seed = world.seed();
    let now = world.clock.now();
    if world.credentials.may_expire_early(now)
        && chaos.strikes(Preset::TokenExpiry, seed, &mut talk).is_some()
    {
        world.credentials.expire(token, now);
        return Strike::Refuse(Refusal::credentials_expired(), Preset::TokenExpiry.name());
    }
    if let Some(rule) = chaos.strikes(Preset::RateLimitStorm, seed, &mut talk) {
        let seconds = rule.delay_ms.unwrap_or(1_000).div_ceil(1_000);
        let limit = world.config.quota.requests.unwrap_or(USUAL_LIMIT);
        return Strike::Refuse(Refusal::too_many_requests(seconds, limit), Preset::RateLimitStorm.name());
    }
    if chaos.strikes(Preset::ServerErrorStorm, seed, &mut talk).is_some() {
        let nth = u64::from(talk.arise("server-error"));
        let mut draw = Draw::new(seed, talk.id, "server-error", nth);
        let status = [500, 502, 503, 504][usize::try_from(draw.between(0, 3)).unwrap_or(0)];
        let refusal = Refusal::server_error(status);
        let name = Preset::ServerErrorStorm.name();
        return if operation.is_write() && draw.chance(EFFECT_DESPITE_ERROR) {
            Strike::PerformThenRefuse(refusal, name)
        } else {
            Strike::Refuse(refusal, name)
        };
    }
    if operation.is_write() && chaos.strikes(Preset::ConflictStorm, seed, &mut talk).is_some() {
        return Strike::Refuse(Refusal::conflict(), Preset::ConflictStorm.name());
    }
    Strike::None
}
