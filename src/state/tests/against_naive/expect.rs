//! What the model expects of the state, and what must hold at any time.

use super::*;

impl Machine {
    pub(super) fn held(&self) -> usize {
        let everybody = self.lines.iter().flatten().chain(&self.called);
        everybody.filter(|s| s.errand.side() == Delay).count()
    }

    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.waiting.len() + self.held()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty()
            && self.waiting.is_empty()
            && self.leased.is_empty()
            && self.held() == 0
    }

    pub(super) fn is_finished(&self) -> bool {
        let nothing_here = self.ready.is_empty() && self.waiting.is_empty();
        match self.phase {
            Phase::Open => false,
            Phase::Closed => self.is_idle(),
            Phase::Aborted => nothing_here,
        }
    }

    pub(super) fn line(&self, side: Side) -> &VecDeque<Sleeper> {
        &self.lines[side as usize]
    }

    pub(super) fn has_much_room(&self) -> bool {
        match self.capacity >= LARGE_CAPACITY {
            true => self.len() <= self.capacity / 2,
            false => self.len() < self.capacity,
        }
    }

    pub(super) fn is_called(&self, side: Side) -> bool {
        self.called.iter().any(|s| s.errand.side() == side)
    }

    pub(super) fn is_waited_in(&self, side: Side) -> bool {
        let mut called = self.called.iter();
        !self.line(side).is_empty() || called.any(|s| s.errand.side() == side && !s.is_sent_away)
    }

    /// Whether somebody waits that came before this thread.
    pub(super) fn is_behind(&self, side: Side, thread: u32) -> bool {
        let sleepers = self.line(side).iter().chain(&self.called);
        sleepers
            .filter(|s| s.errand.side() == side && !s.is_sent_away)
            .any(|s| s.thread < thread)
    }

    /// Everybody's turn comes: of those who came later only so many get what a thread
    /// waits for, and so many again for each that came before and got it.
    pub(super) fn admit(&mut self, side: Side, thread: u32) {
        self.admitted.remove(&thread);
        let sleepers = self.lines[side as usize].iter().chain(&self.called);
        for sleeper in sleepers.filter(|s| s.errand.side() == side && !s.is_sent_away) {
            let [later, earlier] = self.admitted.entry(sleeper.thread).or_default();
            match sleeper.thread < thread {
                true => *later += 1,
                false => *earlier += 1,
            }
            assert!(*later <= self.max_passes * (1 + *earlier), "overtaken");
        }
    }

    pub(super) fn make_ready(&mut self, entry: Entry<Thing>) {
        self.ready.push(entry);
        self.ready.sort_by_key(|entry| Reverse(entry.priority));
    }

    pub(super) fn instant(&self, delay: Option<Ticks>) -> Due {
        let delay = delay.map_or(Duration::MAX, ticks);
        Due::after(self.now, delay)
    }

    pub(super) fn check_admission(&self, admission: Admission, door: Door, look: Look) {
        let is_closed = match self.phase {
            Phase::Open => false,
            Phase::Closed => door == Door::Outside,
            Phase::Aborted => true,
        };
        assert_eq!(admission == Admission::Closed, is_closed);
        let is_unbounded = door == Door::InsideUnbounded;
        let has_room = is_unbounded || self.len() < self.capacity;
        let holds_back = match look.turn {
            _ if look.last || is_unbounded => false,
            Turn::Again => !self.has_much_room(),
            turn => turn == Turn::Behind,
        };
        let is_promised = !is_unbounded && look.turn != Turn::Called && self.is_waited_in(Space);
        assert!(admission != Admission::Open || has_room && !holds_back);
        assert!(admission != Admission::Full || !has_room || holds_back || is_promised);
    }

    pub(super) fn check(&mut self) {
        let (ready, waiting) = (self.ready.len(), self.waiting.len());
        self.books.ready = ready as u64;
        self.books.waiting = (waiting + self.held()) as u64;
        self.books.running = self.leased.len() as u64;
        assert_eq!(self.state.snapshot(), self.books);
        assert_eq!(self.state.phase(), self.phase);
        assert_eq!(self.state.len(), self.len());
        assert_eq!(self.state.has_room(), self.len() < self.capacity);
        for sleeper in self.lines.iter().flatten() {
            assert!(self.state.sleepers.is_asleep(sleeper.sleep));
        }
        for sleeper in &self.called {
            assert!(!self.state.sleepers.is_asleep(sleeper.sleep));
        }

        let is_anybody_asleep = self.lines.iter().flatten().next().is_some();
        assert!(!is_anybody_asleep || !self.state.sleepers.is_empty());
        let is_anybody_away = is_anybody_asleep || !self.called.is_empty();
        assert!(is_anybody_away || self.state.sleepers.is_empty());

        let nobody = |side: Side| self.line(side).is_empty();
        // work
        assert!(ready == 0 || nobody(Work) || self.is_called(Work));
        // due
        if let Some((Due::At(due), _)) = self.waiting.first() {
            let watches = |s: &Sleeper| s.until.is_some_and(|until| until <= *due);
            let is_watched = self.line(Work).iter().any(watches);
            assert!(nobody(Work) || self.is_called(Work) || is_watched);
        }
        // space
        let is_free = self.phase == Phase::Open && self.len() < self.capacity;
        if !is_free || nobody(Space) || self.is_called(Space) {
            self.free_since = None;
        } else {
            assert!(!self.has_much_room());
            assert!(self.line(Space).iter().all(|s| !s.sleep.is_again));
            // A clock that steps back makes it longer.
            let grace_ends = *self.free_since.get_or_insert(self.latest) + GRACE;
            let has_alarm = |s: &Sleeper| s.until.is_some_and(|until| until <= grace_ends);
            assert!(self.line(Space).iter().any(has_alarm));
        }
        let nobody = |side: Side| self.line(side).is_empty();
        // end
        assert!(!self.is_finished() || nobody(Work));
        assert!(self.phase == Phase::Open || nobody(Space));
        assert!(!self.is_idle() || nobody(Idle));
        assert!(self.phase != Phase::Aborted || nobody(Delay));
    }
}
