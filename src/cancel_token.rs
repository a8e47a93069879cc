//! Whether the queue has been cancelled, for whoever works for it.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::sync::AtomicBool;

/// A flag for the helper threads of a handler, and for producers: whether the queue has
/// been cancelled. [`Attempt::cancel_token`](crate::Attempt::cancel_token),
/// [`Submitter::cancel_token`](crate::Submitter::cancel_token) and
/// [`TaskQueue::cancel_token`](crate::TaskQueue::cancel_token) create one. Cheap to clone;
/// clones share the flag.
#[derive(Debug, Clone)]
pub struct CancelToken {
    /// A hint: nothing in the queue is decided by it.
    cancelled: Arc<AtomicBool>,
}

impl CancelToken {
    pub(crate) fn new() -> Self {
        Self {
            cancelled: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Called under the queue's lock.
    pub(crate) fn cancel(&self) {
        // ORDERING: a hint; nothing is published through it.
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the queue has been cancelled. Never blocks; a moment after the
    /// call to `cancel` it is seen by every thread.
    pub fn is_cancelled(&self) -> bool {
        // ORDERING: a hint; nothing is read through it.
        self.cancelled.load(Ordering::Relaxed)
    }
}

// As without a model, whose flags are not.
impl UnwindSafe for CancelToken {}
impl RefUnwindSafe for CancelToken {}
