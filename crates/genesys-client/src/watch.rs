//! Who is told of what is asked, for a test that ends the process there.

use std::sync::{Arc, OnceLock};

/// A moment of something that is asked of an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It is about to be asked.
    Before,
    /// There is an answer, or it is sure that none comes. Of what is given up while it is asked nothing is told.
    After,
}

type Watcher = Box<dyn Fn(&'static str, Moment) + Send + Sync>;

/// Whoever is told; nobody at first.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<OnceLock<Watcher>>);

impl Watch {
    /// Tells this one from now on. Only the first that asks is told.
    pub(crate) fn begin(&self, watcher: Watcher) {
        // A second one would have to replace the first under the hands of a request.
        let _ = self.0.set(watcher);
    }

    pub(crate) fn tell(&self, what: &'static str, moment: Moment) {
        if let Some(watcher) = self.0.get() {
            watcher(what, moment);
        }
    }
}
