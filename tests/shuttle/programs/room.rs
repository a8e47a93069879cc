//! How long somebody may sleep beside room.

use std::time::{Duration, Instant};

use taskshelf::model::now;

pub(super) struct Room {
    capacity: usize,
    is_large: bool,
    /// Since when somebody has slept beside some, and how far the program was then.
    beside: Option<(Instant, u64)>,
}

impl Room {
    pub(super) fn new(capacity: usize, is_large: bool) -> Self {
        Self {
            capacity,
            is_large,
            beside: None,
        }
    }

    /// To be called at every quiet point. `length`: what takes up room. `progress` grows with
    /// everything that the program does, after which another may wait just as long.
    pub(super) fn check(&mut self, length: usize, sleeps_for_room: bool, progress: u64) {
        let free = self.capacity.saturating_sub(length);
        if free == 0 || !sleeps_for_room {
            self.beside = None;
            return;
        }
        assert!(self.is_large, "somebody sleeps beside room");
        assert!(
            free < self.capacity.div_ceil(2),
            "somebody sleeps beside much room"
        );
        let now = now();
        let began = self.beside.filter(|(_, before)| *before == progress);
        let (since, _) = *self.beside.insert(began.unwrap_or((now, progress)));
        assert!(
            now - since < Duration::from_millis(1),
            "somebody sleeps beside room for too long"
        );
    }

    /// The main thread is about to do something itself.
    pub(super) fn forget(&mut self) {
        self.beside = None;
    }
}
