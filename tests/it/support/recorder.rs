//! What happened, as threads tell it.

use std::sync::{Arc, Mutex};

/// Events in the order in which they happened.
pub(crate) struct Recorder<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Recorder<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Recorder<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn note(&self, event: T) {
        self.0.lock().unwrap().push(event);
    }

    pub(crate) fn events(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}
