//! Which messages were met lately.

use std::collections::{HashSet, VecDeque};

/// How many are remembered. One that is forgotten and comes again is noted twice, and nothing worse.
const KEPT: usize = 10_000;

/// The latest ids, each once.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    order: VecDeque<String>,
    ids: HashSet<String>,
}

impl Seen {
    /// Notes an id; `true` when it is new.
    pub(crate) fn is_new(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        if self.order.len() == KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        self.order.push_back(id.to_owned());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_and_again_when_it_was_forgotten() {
        let mut seen = Seen::default();
        assert!(seen.is_new("a") && !seen.is_new("a"));
        for id in 0..KEPT {
            assert!(seen.is_new(&id.to_string()));
        }
        assert!(seen.is_new("a"));
        assert_eq!((seen.order.len(), seen.ids.len()), (KEPT, KEPT));
    }
}
