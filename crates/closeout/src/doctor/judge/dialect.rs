//! What an organisation that speaks a dialect has to know of it.

use super::super::{findings::Speaks, report::Check};

/// Judges the dialects; an organisation that speaks the published API has none.
pub(super) fn judge(speaks: &Speaks) -> Check {
    let Speaks { organisation, dialect, finds, closes_guest_alone, purges } = speaks;
    let mut what = format!(
        "It speaks {dialect}, which is not the published API: for a gateway or a mock, never Genesys itself."
    );
    if !closes_guest_alone {
        what.push_str(" It closes no guest alone, so the order is conversation_first.");
    }
    if !finds {
        what.push_str(" It has no search: external ids are looked up as the published API has it.");
    }
    if *purges {
        what.push_str(" With wrapper_close = \"delete\" a conversation is gone after its close.");
    }
    Check::ok("dialect", what).about(organisation)
}
