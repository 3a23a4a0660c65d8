//! Names that many records have in common, each kept once and known by a number.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, PoisonError, RwLock},
};

use genesys_types::Organisation;

/// The names in use. There are few of either kind, and none is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) organisations: Names<Organisation>,
    pub(crate) sources: Names<Arc<str>>,
}

/// Names of one kind.
#[derive(Debug)]
pub(crate) struct Names<T>(RwLock<Known<T>>);

#[derive(Debug)]
struct Known<T> {
    names: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self(RwLock::new(Known { names: Vec::new(), numbers: HashMap::new() }))
    }
}

impl<T: Clone + Eq + Hash> Names<T> {
    /// The number of a name, which is given one if it has none.
    pub(crate) fn number(&self, name: &T) -> u32 {
        if let Some(number) = self.find(name) {
            return number;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(known.names.len()).expect("there are not as many names as numbers");
        known.names.push(name.clone());
        known.numbers.insert(name.clone(), number);
        number
    }

    /// The number of a name, if it has one.
    pub(crate) fn find(&self, name: &T) -> Option<u32> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).numbers.get(name).copied()
    }

    /// The name of a number.
    pub(crate) fn name(&self, number: u32) -> Option<T> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.names.get(usize::try_from(number).ok()?).cloned()
    }

    /// The one copy of a name that all share.
    pub(crate) fn share(&self, name: &T) -> T {
        self.name(self.number(name)).unwrap_or_else(|| name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_its_one_copy() {
        let names: Names<Arc<str>> = Names::default();
        let (api, queue): (Arc<str>, Arc<str>) = (Arc::from("api"), Arc::from("queue"));
        assert_eq!((names.number(&api), names.number(&queue), names.number(&api)), (0, 1, 0));
        assert_eq!(names.name(1), Some(queue));
        assert_eq!((names.find(&Arc::from("none")), names.name(2)), (None, None));
        assert!(Arc::ptr_eq(&names.share(&Arc::from("api")), &api));
    }
}
