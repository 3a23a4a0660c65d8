//! The ids of traces and spans. They follow from what is told, so that telling it again tells the same.

use sha2::{Digest, Sha256};
use store::ClosureKey;

/// What a span is of, beside the line that it begins or ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// A part of a closure's life, by the number of the line before it.
    Part,
    /// A call, by the line that asks it.
    Call,
    /// An answer whose question stands in no line of the part.
    Answer,
    /// A wait, by the line that begins it.
    Wait,
}

/// The trace of a closure: its key, whose 16 bytes they both are. So a closure's trace is found without asking anybody.
pub(crate) const fn trace_id(closure: ClosureKey) -> [u8; 16] {
    *closure.as_bytes()
}

/// The span that the trace of a closure begins with.
pub(crate) fn root_id(closure: ClosureKey) -> [u8; 8] {
    span_id(closure, Of::Part, 0)
}

/// A span of a closure.
pub(crate) fn span_id(closure: ClosureKey, of: Of, sequence: u64) -> [u8; 8] {
    let mut digest = Sha256::new();
    digest.update(closure.as_bytes());
    digest.update([of as u8]);
    digest.update(sequence.to_be_bytes());
    let mut id = [0; 8];
    id.copy_from_slice(&digest.finalize()[..8]);
    // An id of nothing but zeros is none.
    if id == [0; 8] { [1; 8] } else { id }
}

/// A number below 100 that is drawn by the closure's key, the same in every process.
pub(crate) fn lot(closure: ClosureKey) -> u8 {
    let digest = Sha256::digest(closure.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u8::try_from(u64::from_be_bytes(bytes) % 100).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn ids_differ_by_closure_line_and_kind_and_stay() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(span_id(one, Of::Call, 3), span_id(one, Of::Call, 3));
        let others = [span_id(other, Of::Call, 3), span_id(one, Of::Wait, 3), span_id(one, Of::Call, 4)];
        assert!(!others.contains(&span_id(one, Of::Call, 3)));
        assert_eq!(trace_id(one)[15], 1);
    }

    #[test]
    fn lots_are_drawn_evenly() {
        let drawn = (0..10_000).filter(|key| lot(Uuid::from_u128(*key)) < 30).count();
        assert!((2_800..3_200).contains(&drawn), "{drawn}");
    }
}
