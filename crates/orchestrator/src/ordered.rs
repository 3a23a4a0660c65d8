//! An ordered set for entries that mostly come in order.
//!
//! The standard library's tree leaves its nodes half full when entries come in order, as moments do. Here they stand in
//! pieces, and one that is full and is not added to in its middle stays full.

use std::collections::VecDeque;

/// How many entries a piece holds at most. It is taken from the allocator at that size, and never grows.
const PIECE: usize = 64;

/// A piece with this many entries or fewer is joined with its neighbour where both together leave some room.
const FEW: usize = PIECE / 4;

/// A set, in order.
#[derive(Debug)]
pub(crate) struct Ordered<T> {
    /// None is empty, each is in order, and so are they.
    pieces: VecDeque<Vec<T>>,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self { pieces: VecDeque::new() }
    }
}

impl<T: Ord + Copy> Ordered<T> {
    pub(crate) fn first(&self) -> Option<T> {
        self.pieces.front()?.first().copied()
    }

    pub(crate) fn pop_first(&mut self) -> Option<T> {
        let first = self.first()?;
        self.remove(first);
        Some(first)
    }

    pub(crate) fn insert(&mut self, entry: T) {
        let place = self.place(entry);
        let Some(piece) = self.pieces.get_mut(place) else {
            return self.pieces.push_back(piece_of(&[entry]));
        };
        let Err(at) = piece.binary_search(&entry) else { return };
        if piece.len() < PIECE {
            return piece.insert(at, entry);
        }
        if at == PIECE {
            return match self.pieces.get_mut(place + 1) {
                Some(next) if next.len() < PIECE => next.insert(0, entry),
                Some(_) | None => self.pieces.insert(place + 1, piece_of(&[entry])),
            };
        }
        let mut upper = piece_of(&piece[PIECE / 2..]);
        piece.truncate(PIECE / 2);
        match at.checked_sub(PIECE / 2) {
            Some(at) => upper.insert(at, entry),
            None => piece.insert(at, entry),
        }
        self.pieces.insert(place + 1, upper);
    }

    pub(crate) fn remove(&mut self, entry: T) {
        let place = self.place(entry);
        let Some(piece) = self.pieces.get_mut(place) else { return };
        let Ok(at) = piece.binary_search(&entry) else { return };
        piece.remove(at);
        if piece.is_empty() {
            self.pieces.remove(place);
        } else if piece.len() <= FEW {
            self.join(place);
            if let Some(before) = place.checked_sub(1) {
                self.join(before);
            }
        }
    }

    /// Joins a piece with the next one, if they are few together.
    fn join(&mut self, place: usize) {
        let (Some(piece), Some(next)) = (self.pieces.get(place), self.pieces.get(place + 1)) else { return };
        if piece.len() + next.len() > PIECE - FEW {
            return;
        }
        let next = self.pieces.remove(place + 1).unwrap_or_default();
        self.pieces[place].extend(next);
    }

    /// The last piece that does not begin behind an entry, else the first one.
    fn place(&self, entry: T) -> usize {
        let behind = self.pieces.partition_point(|piece| piece.first().is_some_and(|first| *first <= entry));
        behind.saturating_sub(1)
    }
}

fn piece_of<T: Copy>(entries: &[T]) -> Vec<T> {
    let mut piece = Vec::with_capacity(PIECE);
    piece.extend_from_slice(entries);
    piece
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_set_that_the_standard_library_has(
            doings in vec((0_u8..10, 0_u16..400), 0..1_000),
            inserts in 3_u8..9,
        ) {
            let (mut ours, mut theirs) = (Ordered::default(), BTreeSet::new());
            for (doing, entry) in doings {
                if doing == 0 {
                    prop_assert_eq!(ours.pop_first(), theirs.pop_first());
                } else if doing <= inserts {
                    ours.insert(entry);
                    theirs.insert(entry);
                } else {
                    ours.remove(entry);
                    theirs.remove(&entry);
                }
                prop_assert_eq!(ours.first(), theirs.first().copied());
                prop_assert!(ours.pieces.iter().all(|piece| !piece.is_empty() && piece.capacity() == PIECE));
            }
            prop_assert!(ours.pieces.iter().flatten().eq(&theirs));
        }
    }

    #[test]
    fn what_comes_in_order_of_either_kind_fills_its_pieces() {
        let (mut rising, mut falling) = (Ordered::default(), Ordered::default());
        for entry in 0..6_400 {
            rising.insert(entry);
            falling.insert(-entry);
        }
        assert_eq!(rising.pieces.len(), 6_400 / PIECE);
        assert!(falling.pieces.len() <= 2 * 6_400 / PIECE);
    }

    #[test]
    fn what_is_left_when_most_have_gone_is_joined() {
        let mut set = Ordered::default();
        (0..64_000).for_each(|entry| set.insert(entry));
        (0..64_000).filter(|entry| entry % 100 != 0).for_each(|entry| set.remove(entry));
        assert_eq!(set.pieces.iter().map(Vec::len).sum::<usize>(), 640);
        assert!(set.pieces.len() <= 640 / FEW, "{} pieces", set.pieces.len());
    }
}
