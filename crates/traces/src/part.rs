//! The parts of a closure's life that are told as they are over.

use orchestrator::TimelineLine;

/// What ends a closure.
const ENDS: [&str; 5] = [
    "closeout.closure.closed.v1",
    "closeout.closure.already-closed.v1",
    "closeout.closure.failed.v1",
    "closeout.closure.cancelled.v1",
    "closeout.closure.resolved.v1",
];

const GHOST: &str = "closeout.closure.ghost-detected.v1";

/// A ghost whose snooze is over is told anew, which changes nothing of it.
const SNOOZE_OVER: &str = "snooze_over";

/// Whether a line with this announcement as its last can end a part. It spares reading the others.
pub(crate) fn may_end(announcement: &str) -> bool {
    announcement != "closeout.closure.accepted.v1"
}

/// Whether a part of the closure's life is over with this line: it has ended, or it has become a ghost, which may take days
/// to settle and is to be seen at once.
pub(crate) fn ends(line: &TimelineLine) -> bool {
    let told = &line.entry.announces;
    let is_ghost = line.kind != SNOOZE_OVER && told.iter().any(|event| event == GHOST);
    is_ghost || told.iter().any(|event| ENDS.contains(&event.as_str()))
}

/// A part of a closure's life: the lines after the one that ended the part before it, up to the one that ends this one.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The line that ended the part before; `None` for the first part.
    pub before: Option<&'a TimelineLine>,
    /// Its lines, one at least.
    pub lines: &'a [TimelineLine],
}

impl<'a> Part<'a> {
    /// The line that ends it.
    pub fn last(&self) -> &'a TimelineLine {
        self.lines.last().expect("a part has the line that ends it")
    }
}

/// The parts of a journal that are over, in order. What follows the last of them belongs to none yet.
pub fn parts(journal: &[TimelineLine]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut before, mut from) = (None, 0);
    for (index, line) in journal.iter().enumerate() {
        if ends(line) {
            parts.push(Part { before, lines: &journal[from..=index] });
            (before, from) = (Some(line), index + 1);
        }
    }
    parts
}
