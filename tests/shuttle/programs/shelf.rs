//! Programs of `PriorityQueue`.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard};
use std::time::{Duration, Instant};

use shuttle::thread;
use taskshelf::PriorityQueue;
use taskshelf::model::now;

use super::course::{Course, Next};
use super::crew::{Crew, Gate};
use super::room::Room;
use super::world::{draw_world, tick};
use super::{run, say};
use crate::random::Random;
use crate::support::join;
use hand::{Hand, Role};

mod hand;

// A sleeper who has what it waits for would mean that a wake-up was lost; an item missing in
// the end, that a push, a pop, a lease or an abort lost it; one out of order, that it was
// overtaken.
#[test]
fn no_program_loses_a_wake_up_or_an_item() {
    run(|mut random| {
        let large = draw_world(&mut random);
        let capacity = 1 + random.below(6) as usize;
        let threads = 2 + random.below(5) as u32;
        say(format_args!("capacity {capacity}, large from {large}"));
        let shelf = Arc::new(Shelf {
            queue: PriorityQueue::new(capacity),
            crew: Crew::new(),
            gate: Gate::default(),
            books: StdMutex::default(),
        });
        let threads = (1..=threads)
            .map(|number| {
                let (shelf, mut random) = (Arc::clone(&shelf), random.split());
                thread::spawn(move || {
                    let role = random.pick(&[Role::Producer, Role::Consumer, Role::Any, Role::Any]);
                    Hand::new(&shelf, number, random).work(role);
                })
            })
            .collect();
        let mut watch = Watch {
            shelf: &shelf,
            room: Room::new(capacity, capacity >= large),
            pushed: 0,
            random,
        };
        watch.keep();
        join(threads);
        watch.clear_out();
    });
}

/// The `serial`-th item of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    thread: u32,
    serial: u32,
    priority: i32,
}

/// What a thread may sleep in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    Push,
    Pop,
    Join,
    /// With an item on lease.
    Gate,
}

struct Shelf {
    queue: PriorityQueue<Item>,
    crew: Crew<Sleep>,
    gate: Gate,
    books: StdMutex<Books>,
}

#[derive(Default)]
struct Books {
    accepted: Vec<Item>,
    settled: Vec<Item>,
    /// Until when an item has to wait that was put back, unless it is for ever.
    due: BTreeMap<Item, Option<Instant>>,
    /// Those that lost their places, once or more often.
    put_back: BTreeSet<Item>,
    is_aborted: bool,
}

impl Books {
    /// How many items wait for their time, which has not come by `now`.
    fn waiting(&self, now: Instant) -> usize {
        let waits = |due: &&Option<Instant>| due.is_none_or(|due| due > now);
        self.due.values().filter(waits).count()
    }

    /// Somebody has taken the item, and did so in its time.
    fn assert_due(&mut self, item: Item, now: Instant) {
        if let Some(due) = self.due.remove(&item) {
            let is_due = due.is_some_and(|due| due <= now);
            assert!(is_due, "{item:?} came before its time");
        }
    }

    fn settle(&mut self, item: Item) {
        self.due.remove(&item);
        self.settled.push(item);
    }

    /// They came out one after the other, while nothing else went on.
    fn assert_in_order(&self, taken: &[Item]) {
        let keeps_place = |item: &Item| !self.put_back.contains(item);
        let in_line = |a: &Item, b: &Item| {
            (a.thread, a.priority) == (b.thread, b.priority) && keeps_place(a) && keeps_place(b)
        };
        for (n, first) in taken.iter().enumerate() {
            for then in &taken[n + 1..] {
                let is_wrong = first.priority < then.priority
                    || (in_line(first, then) && first.serial > then.serial);
                assert!(!is_wrong, "{first:?} came before {then:?}");
            }
        }
    }
}

impl Shelf {
    /// A lock of `std`, not to be held where another thread might go on: [`now`] is such a
    /// place.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    fn assert_due(&self, item: Item) {
        let now = now();
        self.books().assert_due(item, now);
    }

    fn take(&self, item: Item) {
        self.assert_due(item);
        self.books().settle(item);
    }

    fn abort(&self) {
        let left = self.queue.abort();
        let mut books = self.books();
        left.into_iter().for_each(|item| books.settle(item));
        books.is_aborted = true;
    }
}

/// What the main thread does at a quiet point.
#[derive(Debug, Clone, Copy)]
enum Event {
    Tick,
    OpenGate,
    Push,
    Pop,
    Close,
    Abort,
}

/// The main thread.
struct Watch<'a> {
    shelf: &'a Shelf,
    room: Room,
    pushed: u32,
    random: Random,
}

impl Watch<'_> {
    /// Until everybody has left.
    fn keep(&mut self) {
        let mut course = Course::default();
        loop {
            thread::yield_now();
            let asleep = self.shelf.crew.asleep();
            self.check(&asleep);
            if asleep.is_empty() {
                return;
            }
            let event = match course.next(&mut self.random, asleep.contains(&Sleep::Gate)) {
                Next::Tick => Event::Tick,
                Next::OpenGate => Event::OpenGate,
                Next::Step { may_end } => self.draw(may_end),
            };
            say(format_args!("{event:?}"));
            self.cause(event);
        }
    }

    fn draw(&mut self, may_end: bool) -> Event {
        self.room.forget();
        if may_end && self.random.chance(50) {
            let ends = [Event::OpenGate, Event::Close, Event::Abort];
            return self.random.pick(&ends);
        }
        match self.random.below(12) {
            0..=3 => Event::Pop,
            4..=6 => Event::Push,
            7 => Event::Close,
            _ => Event::Tick,
        }
    }

    fn cause(&mut self, event: Event) {
        let queue = &self.shelf.queue;
        match event {
            Event::Tick => tick(),
            Event::OpenGate => self.shelf.gate.open(),
            Event::Push => {
                self.pushed += 1;
                let item = Item {
                    thread: 0,
                    serial: self.pushed,
                    priority: self.random.priority(),
                };
                if queue.try_push(item.priority, item).is_ok() {
                    self.shelf.books().accepted.push(item);
                }
            }
            Event::Pop => {
                if let Ok(item) = queue.try_pop() {
                    self.shelf.take(item);
                }
            }
            Event::Close => {
                queue.close();
            }
            Event::Abort => self.shelf.abort(),
        }
    }

    /// Nobody sleeps who has what it waits for.
    fn check(&mut self, asleep: &[Sleep]) {
        let queue = &self.shelf.queue;
        let (length, is_closed) = (queue.len(), queue.is_closed());
        let is_idle = queue.join_timeout(Duration::ZERO);
        let leased = asleep.iter().filter(|s| **s == Sleep::Gate).count();
        let books = self.shelf.books();
        let waiting = books.waiting(now());
        say(format_args!(
            "quiet: {queue:?}, {waiting} wait for their time; {asleep:?}"
        ));
        assert!(length >= waiting, "an item that was put back is gone");
        assert_eq!(is_idle, length == 0 && leased == 0, "idle");
        if asleep.contains(&Sleep::Pop) {
            assert_eq!(length, waiting, "a consumer sleeps beside an item");
            let more_may_come = !is_closed || length > 0 || (leased > 0 && !books.is_aborted);
            assert!(more_may_come, "a consumer sleeps at the end");
        }
        let sleeps_for_room = asleep.contains(&Sleep::Push);
        assert!(
            !(is_closed && sleeps_for_room),
            "a pusher sleeps at the end"
        );
        let progress = self.shelf.crew.steps();
        self.room.check(length, sleeps_for_room, progress);
        assert!(
            !(is_idle && asleep.contains(&Sleep::Join)),
            "a joiner sleeps"
        );
    }

    /// Takes what was left, and compares the books.
    fn clear_out(&mut self) {
        let queue = &self.shelf.queue;
        let mut books = self.shelf.books();
        if self.random.chance(50) {
            let taken: Vec<Item> = iter::from_fn(|| queue.try_pop().ok()).collect();
            books.assert_in_order(&taken);
            taken.into_iter().for_each(|item| books.settle(item));
        }
        let left = queue.abort();
        let ready = left.len().checked_sub(books.waiting(now()));
        let (ready, waiting) = left.split_at(ready.expect("what was put back is there"));
        books.assert_in_order(ready);
        let due = |item: &Item| books.due[item].ok_or("never"); // which is greater
        assert!(
            waiting.is_sorted_by_key(due),
            "the earliest due is not first"
        );
        left.into_iter().for_each(|item| books.settle(item));
        books.accepted.sort();
        books.settled.sort();
        assert_eq!(books.settled, books.accepted);
    }
}
