//! The whole state against a model as plain as can be: sorted lists, and
//! threads that are only numbers. Every step is one critical section, as the
//! monitor makes them; after each, the order of items, the books and who was
//! woken must be what the model says, and the invariants at the top of
//! `sleepers.rs` must hold.

use std::cmp::Reverse;
use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use Side::{Delay, Idle, Space, Work};

/// How long a thread is ready to wait.
#[derive(Debug, Clone, Copy)]
enum Patience {
    None,
    Seconds(u64),
    Endless,
}

/// Names a lease or a thread by its place, as far as there are that many.
type Which = usize;

#[derive(Debug, Clone)]
enum Step {
    /// As many items as there are priorities.
    Offer(Vec<i32>, Door, Patience),
    /// A submitter that found no room has looked again, and lies down unless there is
    /// much by now.
    HoldBack(i32),
    /// So many items, of those that are there at once.
    Take(usize, Patience),
    Settle(Which, Settled),
    /// `None` is a delay without an end.
    PutBack(Which, Option<u64>),
    Hold(Which, Option<u64>),
    Join(Patience),
    /// A thread that was called, or whose time has come, gets the lock.
    Arrive(Which),
    /// Now and then the clock steps back.
    Advance(i64),
    Close,
    Abort,
}

/// What a thread is in the middle of.
#[derive(Debug)]
enum Errand {
    Take(usize),
    Offer(Vec<i32>, Door),
    Join,
    Hold(Entry<u32>),
}

impl Errand {
    fn side(&self) -> Side {
        match self {
            Self::Take(_) => Work,
            Self::Offer(..) => Space,
            Self::Join => Idle,
            Self::Hold(_) => Delay,
        }
    }
}

/// How much of a batch is done with.
enum Offered {
    Nothing,
    Some,
    All,
}

#[derive(Debug)]
struct Sleeper {
    thread: u32,
    ticket: Ticket,
    errand: Errand,
    /// When the thread gives up.
    deadline: Option<Instant>,
    /// When it wakes up by itself.
    until: Option<Instant>,
    /// It waits for room for many, for a while.
    is_patient: bool,
    /// That of its earlier sleep for this.
    earlier: Option<Ticket>,
    /// It has been called together with all others, because of the end.
    is_sent_away: bool,
}

struct Machine {
    state: State<u32, u32>,
    now: Instant,
    capacity: usize,
    phase: Phase,
    /// In order of priority, then of arrival.
    ready: Vec<Entry<u32>>,
    /// In order of due time, then of arrival.
    waiting: Vec<(Due, Entry<u32>)>,
    leased: Vec<Entry<u32>>,
    /// What the state should say of itself.
    books: Stats,
    /// Those asleep, each line in its order.
    lines: [VecDeque<Sleeper>; 4],
    /// Whether any room will do to call a submitter.
    refilling: bool,
    /// Those called and not yet here.
    called: Vec<Sleeper>,
    /// How many in a row went ahead of those who wait for work, and for space.
    passes: [u32; 2],
    max_passes: u32,
    threads: u32,
}

impl Machine {
    fn new(capacity: usize, max_passes: u32) -> Self {
        Self {
            state: State::new(capacity, LARGE_CAPACITY, max_passes),
            now: Instant::now() + 1_000 * SECOND, // so that it can step back
            capacity,
            phase: Phase::Open,
            ready: Vec::new(),
            waiting: Vec::new(),
            leased: Vec::new(),
            books: Stats::default(),
            lines: Default::default(),
            refilling: false,
            called: Vec::new(),
            passes: [0; 2],
            max_passes,
            threads: 0,
        }
    }

    // ----- what the model expects -------------------------------------------

    fn held(&self) -> usize {
        let everybody = self.lines.iter().flatten().chain(&self.called);
        everybody.filter(|s| s.errand.side() == Delay).count()
    }

    fn len(&self) -> usize {
        self.ready.len() + self.waiting.len() + self.held()
    }

    fn is_idle(&self) -> bool {
        self.ready.is_empty()
            && self.waiting.is_empty()
            && self.leased.is_empty()
            && self.held() == 0
    }

    fn is_finished(&self) -> bool {
        let nothing_here = self.ready.is_empty() && self.waiting.is_empty();
        match self.phase {
            Phase::Open => false,
            Phase::Closed => self.is_idle(),
            Phase::Aborted => nothing_here,
        }
    }

    fn admission(&self, door: Door, turn: Turn) -> Admission {
        match (self.phase, door) {
            (Phase::Aborted, _) | (Phase::Closed, Door::Outside) => Admission::Closed,
            (_, Door::InsideUnbounded) => Admission::Open,
            _ if self.len() < self.capacity && self.lets_pass(Space, turn) => Admission::Open,
            _ => Admission::Full,
        }
    }

    fn line(&self, side: Side) -> &VecDeque<Sleeper> {
        &self.lines[side as usize]
    }

    /// Whether there is such a submitter, asleep or called.
    fn has_submitter(&self, is_such: impl Fn(&Sleeper) -> bool) -> bool {
        let mut sleepers = self.line(Space).iter().chain(&self.called);
        sleepers.any(|s| s.errand.side() == Space && is_such(s))
    }

    fn has_much_room(&self) -> bool {
        match self.capacity >= LARGE_CAPACITY {
            true => self.len() <= self.capacity / 2,
            false => self.len() < self.capacity,
        }
    }

    /// Whether there is room enough to wake somebody who waits for it.
    fn fills(&self) -> bool {
        let is_patient = self.has_submitter(|s| s.is_patient);
        self.len() < self.capacity && (self.refilling || !is_patient || self.has_much_room())
    }

    fn is_called(&self, side: Side) -> bool {
        self.called.iter().any(|s| s.errand.side() == side)
    }

    fn is_waited_in(&self, side: Side) -> bool {
        let mut called = self.called.iter();
        !self.line(side).is_empty() || called.any(|s| s.errand.side() == side && !s.is_sent_away)
    }

    /// Whether those who wait may be overtaken once more.
    fn lets_pass(&self, side: Side, turn: Turn) -> bool {
        let passes = self.passes[side as usize];
        let may = passes < self.max_passes || !self.is_waited_in(side);
        turn == Turn::Called || turn != Turn::Behind && may
    }

    fn passed(&mut self, side: Side, turn: Turn) {
        let overtakes = turn != Turn::Called && self.is_waited_in(side);
        let passes = &mut self.passes[side as usize];
        *passes = if overtakes { *passes + 1 } else { 0 };
    }

    fn make_ready(&mut self, entry: Entry<u32>) {
        self.ready.push(entry);
        self.ready.sort_by_key(|entry| Reverse(entry.priority));
    }

    fn instant(&self, seconds: Option<u64>) -> Due {
        let delay = seconds.map_or(Duration::MAX, Duration::from_secs);
        Due::after(self.now, delay)
    }

    // ----- critical sections ------------------------------------------------

    /// One look at the state; the thread sleeps if it may and must. Who has slept for
    /// this before says who it is.
    fn look(
        &mut self,
        errand: Errand,
        deadline: Option<Instant>,
        last: bool,
        turn: Turn,
        who: Option<(u32, Ticket)>,
    ) {
        let unmet = match errand {
            Errand::Take(limit) => self.take(limit, turn),
            Errand::Offer(mut priorities, door) => {
                match self.offer(&mut priorities, door, turn, last) {
                    Offered::Nothing => Some(Errand::Offer(priorities, door)),
                    Offered::Some => {
                        // To wait for the rest is to begin anew.
                        self.wake();
                        let last = last && deadline.is_none();
                        let rest = Errand::Offer(priorities, door);
                        return self.look(rest, deadline, last, Turn::Newcomer, None);
                    }
                    Offered::All => None,
                }
            }
            Errand::Join => {
                assert_eq!(self.state.is_idle(), self.is_idle());
                (turn != Turn::Called && !self.is_idle()).then_some(Errand::Join)
            }
            Errand::Hold(entry) => self.hold(entry, last),
        };
        if let (Some(errand), false) = (unmet, last) {
            self.fall_asleep(errand, deadline, who);
        }
        self.wake();
    }

    fn take(&mut self, limit: usize, turn: Turn) -> Option<Errand> {
        while let Some((due, _)) = self.waiting.first() {
            if *due > Due::At(self.now) {
                break;
            }
            let (_, entry) = self.waiting.remove(0);
            self.make_ready(entry);
        }
        let now = self.now;
        match self.state.take(turn, || now) {
            Take::Entry(entry) => {
                assert!(self.lets_pass(Work, turn));
                self.passed(Work, turn);
                let mut items = vec![entry.item];
                assert_eq!(Some(&entry), self.ready.first());
                self.state.take_more(limit - 1, |item| items.push(item));
                let count = limit.min(self.ready.len());
                let expected: Vec<Entry<u32>> = self.ready.drain(..count).collect();
                assert!(items.iter().eq(expected.iter().map(|entry| &entry.item)));
                let retries = expected.iter().filter(|entry| entry.returns > 0);
                self.books.retries += retries.count() as u64;
                self.leased.extend(expected);
                None
            }
            Take::Empty => {
                assert!(self.ready.is_empty() || !self.lets_pass(Work, turn));
                assert!(!self.is_finished());
                Some(Errand::Take(limit))
            }
            Take::Finished => {
                assert!(self.is_finished());
                None
            }
        }
    }

    /// Leaves what does not get in and is not refused in `priorities`.
    fn offer(&mut self, priorities: &mut Vec<i32>, door: Door, turn: Turn, last: bool) -> Offered {
        let admission = self.state.admission(door, turn);
        assert_eq!(admission, self.admission(door, turn));
        match admission {
            Admission::Open => {
                let rest = self.accept(priorities, door, turn);
                priorities.drain(..priorities.len() - rest);
            }
            Admission::Full if !last => return Offered::Nothing,
            Admission::Full | Admission::Closed => {
                self.state.refuse(Refusal::Refused, priorities.len());
                self.books.refused += priorities.len() as u64;
                priorities.clear();
            }
        }
        match priorities.is_empty() {
            true => Offered::All,
            false => Offered::Some,
        }
    }

    /// Returns how many do not get in.
    fn accept(&mut self, priorities: &[i32], door: Door, turn: Turn) -> usize {
        let room = match door {
            Door::InsideUnbounded => usize::MAX,
            Door::Outside | Door::Inside => self.capacity - self.len(),
        };
        let (fit, rest) = priorities.split_at(room.min(priorities.len()));
        let first = self.books.accepted + 1;
        self.books.accepted += fit.len() as u64;

        let stamp = |stamped: &mut u32, number| *stamped = number as u32;
        let mut items = priorities.iter().map(|priority| (*priority, 0));
        let last = match priorities {
            [priority] => self.state.accept(*priority, 0, door, turn, stamp),
            _ => self.state.accept_many(&mut items, door, turn, stamp),
        };
        assert_eq!(last, self.books.accepted);
        assert!(priorities.len() == 1 || items.len() == rest.len());

        if door != Door::InsideUnbounded {
            self.passed(Space, turn);
        }
        for (number, &priority) in (first..).zip(fit) {
            self.make_ready(Entry {
                priority,
                returns: 0,
                item: number as u32,
            });
        }
        rest.len()
    }

    fn hold(&mut self, entry: Entry<u32>, last: bool) -> Option<Errand> {
        assert_eq!(self.state.phase(), self.phase);
        if self.phase == Phase::Aborted {
            self.state.give_up();
        } else if last {
            self.state.resume();
            self.books.retries += 1;
        } else {
            return Some(Errand::Hold(entry));
        }
        self.leased.push(entry);
        None
    }

    fn fall_asleep(
        &mut self,
        errand: Errand,
        deadline: Option<Instant>,
        who: Option<(u32, Ticket)>,
    ) {
        self.threads += u32::from(who.is_none());
        let thread = who.map_or(self.threads, |(thread, _)| thread);
        let earlier = who.map(|(_, ticket)| ticket);
        let side = errand.side();
        if earlier.is_none() && matches!(side, Work | Space) && !self.is_waited_in(side) {
            self.passes[side as usize] = 0;
        }
        if side == Space && !self.is_waited_in(Space) {
            self.refilling = false;
        }
        let is_patient = side == Space
            && self.capacity >= LARGE_CAPACITY
            && earlier.is_none()
            && !self.has_submitter(|s| s.is_patient || s.earlier.is_some());
        let now = self.now;
        let (ticket, until) = self
            .state
            .fall_asleep(side, earlier, thread, deadline, || now);
        assert!(earlier.is_none_or(|earlier| earlier == ticket));
        assert!(deadline.is_none_or(|deadline| until.is_some_and(|until| until <= deadline)));
        if side == Space {
            let grace = is_patient.then_some(now + GRACE);
            assert_eq!(until, grace.into_iter().chain(deadline).min());
        }
        let sleeper = Sleeper {
            thread,
            ticket,
            errand,
            deadline,
            until,
            is_patient,
            earlier,
            is_sent_away: false,
        };
        // In the order in which they came.
        let line = &mut self.lines[side as usize];
        let place = line.partition_point(|other| other.thread < thread);
        line.insert(place, sleeper);
    }

    /// The end of a critical section: who is woken, and whether they should be.
    fn wake(&mut self) {
        if self.lines.iter().any(|line| !line.is_empty()) || !self.called.is_empty() {
            self.refilling = self.fills();
        }
        let [work, space] = [Work, Space].map(|side| self.line(side).front().map(|s| s.thread));
        let calls = [Work, Space].map(|side| self.is_called(side));
        let woken: Vec<u32> = self
            .state
            .wakes()
            .into_iter()
            .flat_map(Wakes::wakers)
            .collect();
        let mut count = [0; 4];
        for thread in woken {
            let sides = [Work, Space, Idle, Delay];
            let place = |line: &VecDeque<Sleeper>| line.iter().position(|s| s.thread == thread);
            let (side, place) = sides
                .iter()
                .find_map(|&side| Some((side, place(self.line(side))?)))
                .expect("only sleepers are woken, and once");
            count[side as usize] += 1;
            match side {
                Work if self.is_finished() => {}
                Work if !self.ready.is_empty() => assert_eq!(Some(thread), work, "the first"),
                Work => assert!(!self.waiting.is_empty(), "there is nothing to come for"),
                Space if self.phase != Phase::Open => {}
                Space => {
                    assert_eq!(Some(thread), space, "the first");
                    assert!(self.refilling, "there is not enough room");
                }
                Idle => assert!(self.is_idle()),
                Delay => assert_eq!(self.phase, Phase::Aborted),
            }
            let mut sleeper = self.lines[side as usize]
                .remove(place)
                .expect("the place was looked up");
            sleeper.is_sent_away = match side {
                Work => self.is_finished(),
                Space => self.phase != Phase::Open,
                Idle | Delay => true,
            };
            self.called.push(sleeper);
        }
        // One call at a time, for the called thread calls the next.
        let alone = |side: Side| count[side as usize] <= usize::from(!calls[side as usize]);
        assert!(self.is_finished() || alone(Work));
        assert!(self.phase != Phase::Open || alone(Space));
        self.check();
    }

    // ----- what must hold at any time ---------------------------------------

    fn check(&mut self) {
        let (ready, waiting) = (self.ready.len(), self.waiting.len());
        self.books.ready = ready as u64;
        self.books.waiting = (waiting + self.held()) as u64;
        self.books.running = self.leased.len() as u64;
        assert_eq!(self.state.snapshot(), self.books);
        assert_eq!(self.state.phase(), self.phase);
        assert_eq!(self.state.len(), self.len());
        assert_eq!(self.state.has_room(), self.len() < self.capacity);
        for sleeper in self.lines.iter().flatten() {
            assert!(self.state.is_asleep(sleeper.errand.side(), sleeper.ticket));
        }
        for sleeper in &self.called {
            assert!(!self.state.is_asleep(sleeper.errand.side(), sleeper.ticket));
        }

        let asleep = self.lines.iter().flatten().count();
        let sleepers = asleep + self.called.len();
        assert_eq!(self.state.sleepers.are_none(), sleepers == 0);

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
        assert!(!self.fills() || nobody(Space) || self.is_called(Space));
        // end
        assert!(!self.is_finished() || nobody(Work));
        assert!(self.phase == Phase::Open || nobody(Space));
        assert!(!self.is_idle() || nobody(Idle));
        assert!(self.phase != Phase::Aborted || nobody(Delay));
    }

    // ----- steps ------------------------------------------------------------

    fn step(&mut self, step: Step) {
        match step {
            Step::Offer(priorities, door, patience) => {
                // Only a lease opens the doors inside, and nobody waits there.
                let outside = self.leased.is_empty() || door == Door::Outside;
                let (door, patience) = match outside {
                    true => (Door::Outside, patience),
                    false => (door, Patience::None),
                };
                self.begin(Errand::Offer(priorities, door), patience);
            }
            Step::HoldBack(priority) => {
                assert_eq!(self.state.has_much_room(), self.has_much_room());
                if self.phase == Phase::Open && !self.has_much_room() {
                    let errand = Errand::Offer(vec![priority], Door::Outside);
                    self.fall_asleep(errand, None, None);
                    self.wake();
                }
            }
            Step::Take(limit, patience) => self.begin(Errand::Take(limit), patience),
            Step::Join(patience) => self.begin(Errand::Join, patience),
            Step::Settle(which, outcome) => {
                if let Some(entry) = self.end_lease(which) {
                    self.settle(&[entry], outcome);
                    self.wake();
                }
            }
            Step::PutBack(which, delay) => {
                let due = self.instant(delay);
                if let Some(entry) = self.end_lease(which) {
                    self.put_back(entry, due);
                    self.wake();
                }
            }
            Step::Hold(which, delay) => {
                let due = self.instant(delay);
                if self.phase == Phase::Aborted {
                    return;
                }
                if let Some(entry) = self.end_lease(which) {
                    self.state.hold();
                    let is_due = due <= Due::At(self.now);
                    self.look(
                        Errand::Hold(entry),
                        due.instant(),
                        is_due,
                        Turn::Newcomer,
                        None,
                    );
                }
            }
            Step::Arrive(which) => {
                self.arrive(which);
            }
            Step::Advance(seconds) => {
                let step = Duration::from_secs(seconds.unsigned_abs());
                match seconds < 0 {
                    true => self.now -= step,
                    false => self.now += step,
                }
                self.check();
            }
            Step::Close => {
                let closes = self.phase == Phase::Open;
                assert_eq!(self.state.close(), closes);
                if closes {
                    self.phase = Phase::Closed;
                }
                self.wake();
            }
            Step::Abort => {
                self.phase = Phase::Aborted;
                let leftover = self.state.abort();
                let mut expected = std::mem::take(&mut self.ready);
                expected.extend(self.waiting.drain(..).map(|(_, entry)| entry));
                assert_eq!(leftover.len(), expected.len());
                assert_eq!(leftover.into_entries().collect::<Vec<_>>(), expected);
                self.leased.extend(expected);
                self.wake();
            }
        }
    }

    fn begin(&mut self, errand: Errand, patience: Patience) {
        let deadline = match patience {
            Patience::Seconds(seconds) => Some(self.now + Duration::from_secs(seconds)),
            Patience::None | Patience::Endless => None,
        };
        let last = matches!(patience, Patience::None);
        self.look(errand, deadline, last, Turn::Newcomer, None);
    }

    fn end_lease(&mut self, which: Which) -> Option<Entry<u32>> {
        let place = which.checked_rem(self.leased.len())?;
        Some(self.leased.remove(place))
    }

    fn settle(&mut self, entries: &[Entry<u32>], outcome: Settled) {
        self.state.settle(outcome, entries.len());
        let count = entries.len() as u64;
        self.books.settled += count;
        *match outcome {
            Settled::Succeeded => &mut self.books.succeeded,
            Settled::Failed => &mut self.books.failed,
            Settled::Panicked => &mut self.books.panicked,
            Settled::Aborted => &mut self.books.aborted,
        } += count;
    }

    fn put_back(&mut self, mut entry: Entry<u32>, due: Due) {
        let answer = self.state.put_back(entry.clone(), due);
        if self.phase == Phase::Aborted {
            assert_eq!(answer, Err(entry.clone()));
            self.leased.push(entry);
        } else {
            assert_eq!(answer, Ok(()));
            entry.returns += 1;
            self.waiting.push((due, entry));
            self.waiting.sort_by_key(|(due, _)| *due);
        }
    }

    /// Whether anybody could.
    fn arrive(&mut self, which: Which) -> bool {
        let now = self.now;
        let has_to_wake = |s: &Sleeper| s.until.is_some_and(|until| until <= now);
        let late: Vec<(usize, usize)> = (0..4)
            .flat_map(|line| (0..self.lines[line].len()).map(move |place| (line, place)))
            .filter(|&(line, place)| has_to_wake(&self.lines[line][place]))
            .collect();
        let Some(which) = which.checked_rem(self.called.len() + late.len()) else {
            return false;
        };
        let (sleeper, turn) = match which.checked_sub(self.called.len()) {
            None => (Some(self.called.remove(which)), Turn::Called),
            Some(place) => {
                let (line, place) = late[place];
                (self.lines[line].remove(place), Turn::TimedOut)
            }
        };
        let sleeper = sleeper.expect("the place was looked up");
        let side = sleeper.errand.side();
        let came_before = self.has_submitter(|s| s.thread < sleeper.thread && !s.is_sent_away);
        let turn = match sleeper.is_patient && turn == Turn::TimedOut && came_before {
            true => Turn::Behind,
            false => turn,
        };
        let answer = self
            .state
            .wake_up(side, sleeper.earlier, sleeper.ticket, which % 2 == 0);
        assert_eq!(answer, turn);
        let last = sleeper.deadline.is_some_and(|deadline| deadline <= now);
        let who = Some((sleeper.thread, sleeper.ticket));
        self.look(sleeper.errand, sleeper.deadline, last, turn, who);
        true
    }

    // ----- the end ----------------------------------------------------------

    fn only_waits_for_ever(&self) -> bool {
        self.ready.is_empty()
            && self.leased.is_empty()
            && self.waiting.iter().all(|(due, _)| *due == Due::Never)
            && self.line(Delay).iter().all(|s| s.until.is_none())
    }

    /// Whatever has happened, the queue comes to its end, and nobody is left
    /// behind: all that moves the sleepers is calls and time.
    fn finish(mut self, gently: bool) {
        self.step(Step::Close);
        for _ in 0..1_000 {
            if !gently || self.only_waits_for_ever() {
                break;
            }
            while self.arrive(0) {}
            let leased = std::mem::take(&mut self.leased);
            self.settle(&leased, Settled::Succeeded);
            self.wake();
            if self.line(Work).is_empty() && self.called.is_empty() {
                self.step(Step::Take(1, Patience::None));
            }
            self.step(Step::Advance(10));
        }
        assert!(!gently || self.only_waits_for_ever());
        self.step(Step::Abort);
        while self.arrive(0) {}
        let leased = std::mem::take(&mut self.leased);
        self.settle(&leased, Settled::Aborted);
        self.wake();
        while self.arrive(0) {}
        assert!(self.lines.iter().all(VecDeque::is_empty));
        assert_eq!(self.books.settled, self.books.accepted);
    }
}

fn patience() -> impl Strategy<Value = Patience> {
    prop_oneof![
        3 => Just(Patience::None),
        2 => (0..6_u64).prop_map(Patience::Seconds),
        3 => Just(Patience::Endless),
    ]
}

fn delay() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![9 => (0..6_u64).prop_map(Some), 1 => Just(None)]
}

fn step() -> impl Strategy<Value = Step> {
    let door = prop_oneof![
        4 => Just(Door::Outside),
        1 => Just(Door::Inside),
        1 => Just(Door::InsideUnbounded),
    ];
    let priorities = prop_oneof![
        3 => prop::collection::vec(-1..2, 1),
        1 => prop::collection::vec(-1..2, 2..9),
    ];
    let limit = prop_oneof![3 => Just(1_usize), 1 => 2..9_usize];
    let outcome = prop_oneof![
        Just(Settled::Succeeded),
        Just(Settled::Failed),
        Just(Settled::Panicked),
        Just(Settled::Aborted),
    ];
    prop_oneof![
        60 => (priorities, door, patience()).prop_map(|(p, d, w)| Step::Offer(p, d, w)),
        20 => (-1..2).prop_map(Step::HoldBack),
        60 => (limit, patience()).prop_map(|(l, w)| Step::Take(l, w)),
        30 => (any::<Which>(), outcome).prop_map(|(w, o)| Step::Settle(w, o)),
        30 => (any::<Which>(), delay()).prop_map(|(w, d)| Step::PutBack(w, d)),
        15 => (any::<Which>(), delay()).prop_map(|(w, d)| Step::Hold(w, d)),
        10 => patience().prop_map(Step::Join),
        80 => any::<Which>().prop_map(Step::Arrive),
        20 => (-1..4_i64).prop_map(Step::Advance),
        1 => Just(Step::Close),
        1 => Just(Step::Abort),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_sorted_lists(
        capacity in 1..7_usize,
        max_passes in 0..4_u32,
        steps in prop::collection::vec(step(), 0..250),
        gently in any::<bool>(),
    ) {
        let mut machine = Machine::new(capacity, max_passes);
        for step in steps {
            machine.step(step);
        }
        machine.finish(gently);
    }
}
