//! What lives, what was dropped, and what panics when it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Makes things, and counts those that live and those that were dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    alive: AtomicUsize,
    drops: AtomicUsize,
    drops_in_unwinding: AtomicUsize,
    are_bombs_harmless: AtomicBool,
}

impl Live {
    pub(crate) fn one(&self) -> Counted {
        self.make(false)
    }

    /// One whose destructor panics.
    pub(crate) fn bomb(&self) -> Counted {
        self.make(true)
    }

    fn make(&self, is_bomb: bool) -> Counted {
        self.0.alive.fetch_add(1, Ordering::SeqCst);
        let live = self.clone();
        Counted { live, is_bomb }
    }

    /// Lets the bombs that are left be dropped in peace.
    pub(crate) fn disarm(&self) {
        self.0.are_bombs_harmless.store(true, Ordering::SeqCst);
    }

    /// How many are not dropped yet.
    pub(crate) fn count(&self) -> usize {
        self.0.alive.load(Ordering::SeqCst)
    }

    pub(crate) fn drops(&self) -> usize {
        self.0.drops.load(Ordering::SeqCst)
    }

    /// Drops of bombs by an unwinding thread, where a panic would end the process.
    pub(crate) fn drops_in_unwinding(&self) -> usize {
        self.0.drops_in_unwinding.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct Counted {
    live: Live,
    is_bomb: bool,
}

impl PartialEq for Counted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let counts = &self.live.0;
        counts.drops.fetch_add(1, Ordering::SeqCst);
        let before = counts.alive.fetch_sub(1, Ordering::SeqCst);
        assert!(before > 0, "dropped twice");
        if !self.is_bomb {
            return;
        }
        if thread::panicking() {
            counts.drops_in_unwinding.fetch_add(1, Ordering::SeqCst);
        } else if !counts.are_bombs_harmless.load(Ordering::SeqCst) {
            panic!("a bomb went off");
        }
    }
}
