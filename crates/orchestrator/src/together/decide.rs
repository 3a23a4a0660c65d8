//! When closures are read together, and when each alone.

use genesys_types::Span;

/// So many closures make one request for all worth it: a tenth of a request for each, or less.
pub(crate) const FEWEST: usize = 10;

/// The longest that a closure is held for want of company.
pub(crate) const HOLD: Span = Span::from_secs(2);

/// How long a request that pays waits for more of what became due with it.
const GATHER: Span = Span::from_millis(50);

/// How many requests for many are under way at once. Each keeps the next waiting, so that they take two permits in the
/// time of an answer at most, and closures that an answer proves come before the next ones are asked for.
pub(crate) const AT_ONCE: usize = 2;

/// How the organisation stands, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Calls are made.
    Free,
    /// Closes of wrappers or guests queue for permits, or an operator has paused all calls.
    Busy,
    /// Genesys refuses the organisation: one closure at a time is its probe.
    Blocked,
}

/// What is decided upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Situation {
    /// How many closures wait.
    pub(crate) waiting: usize,
    /// For how long the first of them.
    pub(crate) longest: Span,
    /// How many requests for many are under way.
    pub(crate) under_way: usize,
    /// How many conversations one request takes.
    pub(crate) at_most: usize,
    /// Whether such requests were refused, or failed, lately.
    pub(crate) off: bool,
    /// How the organisation stands.
    pub(crate) standing: Standing,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nobody waits.
    Idle,
    /// Wait for company, this long.
    Hold(Span),
    /// Wait until a request that is under way is answered.
    Later,
    /// Wait until the closes that queue are made, or calls may be made again.
    Behind,
    /// Ask for as many as one request takes.
    Ask,
    /// Let each be read alone.
    Alone,
}

impl Decision {
    /// Whether a permit is wanted for a request that is ready to leave, or is as soon as the closes have left: less urgent calls let it go first.
    pub(crate) fn wants_permit(self) -> bool {
        match self {
            Self::Ask | Self::Behind => true,
            Self::Idle | Self::Hold(_) | Self::Later | Self::Alone => false,
        }
    }
}

/// Decides. What waits longer than [`HOLD`] waits for a permit, behind what is more urgent, as a read alone would.
pub(crate) fn decide(now: Situation) -> Decision {
    if now.waiting == 0 {
        return Decision::Idle;
    }
    if now.off || now.standing == Standing::Blocked {
        return Decision::Alone;
    }
    if now.waiting < FEWEST {
        let left = HOLD.millis().saturating_sub(now.longest.millis());
        return if left == 0 { Decision::Alone } else { Decision::Hold(Span::from_millis(left)) };
    }
    if now.under_way >= AT_ONCE {
        return Decision::Later;
    }
    if now.standing == Standing::Busy {
        return Decision::Behind;
    }
    if now.waiting < now.at_most && now.longest < GATHER {
        return Decision::Hold(GATHER);
    }
    Decision::Ask
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: Situation = Situation {
        waiting: 25,
        longest: Span::from_millis(0),
        under_way: 0,
        at_most: 25,
        off: false,
        standing: Standing::Free,
    };

    #[test]
    fn each_case_has_its_decision() {
        let after = |millis| Span::from_millis(millis);
        let table = [
            (Situation { waiting: 0, ..READY }, Decision::Idle),
            (Situation { waiting: 0, off: true, ..READY }, Decision::Idle),
            (Situation { waiting: 1, ..READY }, Decision::Hold(HOLD)),
            (Situation { waiting: 9, longest: after(1_999), ..READY }, Decision::Hold(after(1))),
            (Situation { waiting: 9, longest: after(2_000), ..READY }, Decision::Alone),
            (Situation { waiting: 9, longest: after(2_000), under_way: 2, ..READY }, Decision::Alone),
            (Situation { waiting: 10, ..READY }, Decision::Hold(GATHER)),
            (Situation { waiting: 10, longest: after(50), ..READY }, Decision::Ask),
            (READY, Decision::Ask),
            (Situation { waiting: 10_000, under_way: 1, ..READY }, Decision::Ask),
            (Situation { waiting: 10_000, under_way: 2, ..READY }, Decision::Later),
            (Situation { standing: Standing::Busy, ..READY }, Decision::Behind),
            (Situation { standing: Standing::Busy, under_way: 2, ..READY }, Decision::Later),
            (Situation { standing: Standing::Blocked, ..READY }, Decision::Alone),
            (Situation { off: true, ..READY }, Decision::Alone),
            (Situation { off: true, standing: Standing::Busy, ..READY }, Decision::Alone),
        ];
        for (situation, decision) in table {
            assert_eq!(decide(situation), decision, "{situation:?}");
        }
    }

    #[test]
    fn nobody_is_held_for_company_beyond_the_bound() {
        for waiting in 1..60 {
            for under_way in 0..3 {
                let held = Situation { waiting, longest: HOLD, under_way, ..READY };
                assert!(!matches!(decide(held), Decision::Hold(_) | Decision::Idle), "{held:?}");
            }
        }
    }
}
