//! Waits that grow, with a jitter that follows from the closure alone.

use genesys_types::Span;

use crate::closure::Closure;

/// `first` doubled `times` times, at most `most`.
pub(crate) fn doubled(first: Span, times: u32, most: Span) -> Span {
    first.times(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(most)
}

/// Between three quarters of `span` and the whole of it, spread by conversation and occasion, so that closures that
/// failed together do not come back together.
pub(crate) fn jittered(span: Span, closure: &Closure) -> Span {
    let quarter = span.millis() / 4;
    Span::from_millis(span.millis() - spread(closure, quarter))
}

/// `span` and up to a quarter more: for waits that must not be shorter than asked.
pub(crate) fn lengthened(span: Span, closure: &Closure) -> Span {
    Span::from_millis(span.millis().saturating_add(spread(closure, span.millis() / 4)))
}

fn spread(closure: &Closure, below: u32) -> u32 {
    if below == 0 {
        return 0;
    }
    let (high, low) = match closure.conversation {
        Some(conversation) => conversation.uuid().as_u64_pair(),
        // Closures that are accepted in the same millisecond are few.
        None => (0, closure.accepted_at.millis().unsigned_abs()),
    };
    // The finaliser of splitmix64 (Steele, Lea and Flood, 2014): every input bit reaches every output bit.
    let mut mixed = high ^ low.rotate_left(17) ^ u64::from(closure.calls).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    u32::try_from(mixed % (u64::from(below) + 1)).unwrap_or(below)
}
