//! The whole state against a model as plain as can be: sorted lists, and
//! threads that are only numbers. Every step is one critical section, as the
//! monitor makes them; after each, the order of items, the books and who was
//! woken must be what the model says, and the invariants at the top of
//! `sleepers.rs` must hold.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::steps::{Step, Ticks, Wait, Which, step, ticks};
use super::*;
use Side::{Delay, Idle, Space, Work};

mod expect;

/// The number of a thread that has not slept yet: it came after all who have.
const NEWCOMER: u32 = u32::MAX;

/// What a thread is in the middle of.
#[derive(Debug)]
enum Errand {
    /// One on lease, or several for good.
    Take(usize),
    /// Settles an item and takes the next.
    Next(Settled),
    Offer(Vec<i32>, Door),
    Join,
    Hold(Entry<Thing>),
}

impl Errand {
    fn side(&self) -> Side {
        match self {
            Self::Take(_) | Self::Next(_) => Work,
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
    sleep: Sleep,
    errand: Errand,
    /// When the thread gives up.
    deadline: Option<Instant>,
    /// When it wakes up by itself.
    until: Option<Instant>,
    /// It has been called together with all others, because of the end.
    is_sent_away: bool,
}

struct Machine {
    state: State<Thing, u32>,
    now: Instant,
    /// As far as the clock has ever got.
    latest: Instant,
    capacity: usize,
    phase: Phase,
    /// In order of priority, then of arrival.
    ready: Vec<Entry<Thing>>,
    /// In order of due time, then of arrival.
    waiting: Vec<(Due, Entry<Thing>)>,
    leased: Vec<Entry<Thing>>,
    /// What the state should say of itself.
    books: Stats,
    /// Those asleep, each line in its order.
    lines: [VecDeque<Sleeper>; 4],
    /// Since when there has been room beside submitters of whom none was called.
    free_since: Option<Instant>,
    /// Those called and not yet here.
    called: Vec<Sleeper>,
    /// How many got what a thread waits for since it does: of those who came later, and
    /// of those who were there before.
    admitted: HashMap<u32, [u32; 2]>,
    max_passes: u32,
    threads: u32,
}

impl Machine {
    fn new(capacity: usize, max_passes: u32) -> Self {
        let now = Instant::now() + 1_000 * SECOND; // so that it can step back
        Self {
            state: State::new(capacity, LARGE_CAPACITY, max_passes),
            now,
            latest: now,
            capacity,
            phase: Phase::Open,
            ready: Vec::new(),
            waiting: Vec::new(),
            leased: Vec::new(),
            books: Stats::default(),
            lines: Default::default(),
            free_since: None,
            called: Vec::new(),
            admitted: HashMap::new(),
            max_passes,
            threads: 0,
        }
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
        who: Option<(u32, Sleep)>,
    ) {
        let thread = who.map_or(NEWCOMER, |(thread, _)| thread);
        let unmet = match errand {
            Errand::Take(limit) => self.take(limit, None, turn, thread),
            Errand::Next(done) => self.take(1, Some(done), turn, thread),
            Errand::Offer(mut priorities, door) => {
                match self.offer(&mut priorities, door, turn, last, thread) {
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
            Errand::Hold(entry) => self.hold(entry, Look { turn, last }),
        };
        if let (Some(errand), false) = (unmet, last) {
            self.fall_asleep(errand, deadline, who);
        }
        self.wake();
    }

    /// What is due comes before whatever is put in, taken or handed out after that.
    fn catch_up(&mut self) {
        while let Some((due, _)) = self.waiting.first() {
            if *due > Due::At(self.now) {
                break;
            }
            let (_, entry) = self.waiting.remove(0);
            self.make_ready(entry);
        }
    }

    fn take(
        &mut self,
        limit: usize,
        done: Option<Settled>,
        turn: Turn,
        thread: u32,
    ) -> Option<Errand> {
        self.catch_up();
        let now = self.now;
        let mut items = Vec::new();
        let one = match (limit, done) {
            (1, None) => Some(self.state.next(None, turn, || now)),
            (1, Some(done)) => {
                self.book(done, 1);
                Some(self.state.next(Some(done), turn, || now))
            }
            _ => None,
        };
        let taken = match one {
            Some(taken) => taken.map(|entry| {
                items.push(entry.item);
                self.leased.push(entry);
                1
            }),
            None => {
                let each = |item| items.push(item);
                self.state.pop_many(limit, each, turn, || now)
            }
        };
        match taken {
            Ok(count) => {
                self.admit(Work, thread);
                assert_eq!(count, limit.min(self.ready.len()));
                let expected: Vec<Entry<Thing>> = self.ready.drain(..count).collect();
                assert!(items.iter().eq(expected.iter().map(|entry| &entry.item)));
                match limit {
                    1 => {
                        assert_eq!(self.leased.last(), expected.first());
                        self.books.retries += u64::from(expected[0].item.is_retry);
                    }
                    _ => self.book(Settled::Succeeded, count),
                }
                None
            }
            Err(TryPopError::Empty) => {
                let is_promised = turn != Turn::Called && self.is_waited_in(Work);
                assert!(self.ready.is_empty() || is_promised);
                assert!(!self.is_finished());
                Some(Errand::Take(limit))
            }
            Err(TryPopError::Closed) => {
                assert!(self.is_finished());
                None
            }
        }
    }

    /// Leaves what does not get in and is not refused in `priorities`.
    fn offer(
        &mut self,
        priorities: &mut Vec<i32>,
        door: Door,
        turn: Turn,
        last: bool,
        thread: u32,
    ) -> Offered {
        let look = Look { turn, last };
        let admission = self.state.admission(door, look);
        self.check_admission(admission, door, look);
        match admission {
            Admission::Open => {
                if door != Door::InsideUnbounded {
                    self.admit(Space, thread);
                }
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
        self.catch_up();
        let now = self.now;
        let room = match door {
            Door::InsideUnbounded => usize::MAX,
            Door::Outside | Door::Inside => self.capacity - self.len(),
        };
        let (fit, rest) = priorities.split_at(room.min(priorities.len()));
        let first = self.books.accepted + 1;
        self.books.accepted += fit.len() as u64;

        let mut entries = priorities
            .iter()
            .map(|&priority| Thing::new(0).at(priority));
        let last = match priorities {
            [priority] => {
                let entry = Thing::new(0).at(*priority);
                self.state.accept(entry, door, turn, || now)
            }
            _ => self.state.accept_many(&mut entries, turn, || now),
        };
        assert_eq!(last, self.books.accepted);
        assert!(priorities.len() == 1 || entries.len() == rest.len());

        for (number, &priority) in (first..).zip(fit) {
            self.make_ready(Thing::new(number as u32).at(priority));
        }
        rest.len()
    }

    fn hold(&mut self, entry: Entry<Thing>, look: Look) -> Option<Errand> {
        let expected = match self.phase {
            Phase::Aborted => Some(false),
            _ => look.last.then_some(true),
        };
        assert_eq!(self.state.hold(look), expected);
        let Some(is_due) = expected else {
            return Some(Errand::Hold(entry));
        };
        self.books.retries += u64::from(is_due);
        self.leased.push(entry);
        None
    }

    fn fall_asleep(
        &mut self,
        errand: Errand,
        deadline: Option<Instant>,
        who: Option<(u32, Sleep)>,
    ) {
        self.threads += u32::from(who.is_none());
        let thread = who.map_or(self.threads, |(thread, _)| thread);
        let before = who.map(|(_, sleep)| sleep.ticket);
        let side = errand.side();
        let now = self.now;
        let (sleep, until) = self
            .state
            .fall_asleep(side, before, thread, deadline, || now);
        assert!(before.is_none_or(|before| before == sleep.ticket));
        assert!(deadline.is_none_or(|deadline| until.is_some_and(|until| until <= deadline)));
        if side == Space && until != deadline {
            assert_eq!(until, Some(now + GRACE));
            assert!(before.is_none() && self.capacity >= LARGE_CAPACITY);
        }
        let sleeper = Sleeper {
            thread,
            sleep,
            errand,
            deadline,
            until,
            is_sent_away: false,
        };
        // In the order in which they came.
        let line = &mut self.lines[side as usize];
        let place = line.partition_point(|other| other.thread < thread);
        line.insert(place, sleeper);
    }

    /// The end of a critical section: who is woken, and whether they should be.
    fn wake(&mut self) {
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
                    assert!(self.len() < self.capacity, "there is no room");
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

    // ----- steps ------------------------------------------------------------

    fn step(&mut self, step: Step) {
        match step {
            Step::Offer(mut priorities, door, wait) => {
                // Only a lease opens the doors inside, and nobody waits there.
                let outside = self.leased.is_empty() || door == Door::Outside;
                let (door, wait) = match outside {
                    true => (Door::Outside, wait),
                    false => (door, Wait::No),
                };
                if door != Door::Outside {
                    priorities.truncate(1); // handlers submit one by one
                }
                self.begin(Errand::Offer(priorities, door), wait);
            }
            Step::LookAgain(priority) => {
                let errand = Errand::Offer(vec![priority], Door::Outside);
                self.look(errand, None, false, Turn::Again, None);
            }
            Step::Take(limit, wait) => self.begin(Errand::Take(limit), wait),
            Step::Join(wait) => self.begin(Errand::Join, wait),
            Step::Settle(which, outcome) => {
                if let Some(entry) = self.end_lease(which) {
                    self.settle(&[entry], outcome);
                    self.wake();
                }
            }
            Step::Next(which, outcome, wait) => {
                if self.end_lease(which).is_some() {
                    self.begin(Errand::Next(outcome), wait);
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
                if let Some(entry) = self.end_lease(which) {
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
            Step::Advance(time) => {
                self.now += ticks(time);
                self.latest = self.latest.max(self.now);
                self.check();
            }
            Step::Retreat(time) => {
                self.now -= ticks(time);
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
                self.catch_up();
                self.phase = Phase::Aborted;
                let now = self.now;
                let leftover = self.state.abort(|| now);
                let mut expected = std::mem::take(&mut self.ready);
                expected.extend(self.waiting.drain(..).map(|(_, entry)| entry));
                assert_eq!(leftover.len(), expected.len());
                assert_eq!(leftover.into_entries().collect::<Vec<_>>(), expected);
                self.leased.extend(expected);
                self.wake();
            }
        }
    }

    fn begin(&mut self, errand: Errand, wait: Wait) {
        let deadline = match wait {
            Wait::Until(time) => Some(self.now + ticks(time)),
            Wait::No | Wait::Forever => None,
        };
        let last = matches!(wait, Wait::No);
        self.look(errand, deadline, last, Turn::Newcomer, None);
    }

    fn end_lease(&mut self, which: Which) -> Option<Entry<Thing>> {
        let place = which.checked_rem(self.leased.len())?;
        Some(self.leased.remove(place))
    }

    fn settle(&mut self, entries: &[Entry<Thing>], outcome: Settled) {
        self.state.settle(outcome, entries.len());
        self.book(outcome, entries.len());
    }

    fn book(&mut self, outcome: Settled, count: usize) {
        let count = count as u64;
        self.books.settled += count;
        *match outcome {
            Settled::Succeeded => &mut self.books.succeeded,
            Settled::Failed => &mut self.books.failed,
            Settled::Panicked => &mut self.books.panicked,
            Settled::Aborted => &mut self.books.aborted,
        } += count;
    }

    fn put_back(&mut self, mut entry: Entry<Thing>, due: Due) {
        entry.item.is_retry = true;
        let answer = self.state.put_back(entry.clone(), due);
        if self.phase == Phase::Aborted {
            assert_eq!(answer, Err(entry.clone()));
            self.leased.push(entry);
        } else {
            assert_eq!(answer, Ok(()));
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
        let (sleeper, was_called) = match which.checked_sub(self.called.len()) {
            None => (Some(self.called.remove(which)), true),
            Some(place) => {
                let (line, place) = late[place];
                (self.lines[line].remove(place), false)
            }
        };
        let sleeper = sleeper.expect("the place was looked up");
        let side = sleeper.errand.side();
        // A grace has run out, and not the thread's own time.
        let was_patient = side == Space && sleeper.until != sleeper.deadline;
        let is_behind = self.is_behind(side, sleeper.thread);
        let turn = match (was_called, side) {
            (true, Work) if is_behind => Turn::Early,
            (true, _) => Turn::Called,
            (false, _) if was_patient && is_behind => Turn::Behind,
            (false, _) if was_patient => Turn::Called,
            (false, _) => Turn::Early,
        };
        let answer = self.state.sleepers.wake_up(sleeper.sleep, which % 2 == 0);
        assert_eq!(answer, turn);
        let last = sleeper.deadline.is_some_and(|deadline| deadline <= now);
        let who = Some((sleeper.thread, sleeper.sleep));
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
                self.step(Step::Take(1, Wait::No));
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
