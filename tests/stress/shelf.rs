//! Everything that can be done with a `PriorityQueue`.

use std::collections::{BTreeSet, HashMap};
use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{Lease, PopTimeoutError, PriorityQueue, TryPopError};

use crate::random::Random;
use crate::support::{Counted, Live, for_a_while, is_large, panic_as_planned, unless_planned};

struct Item {
    key: u64,
    producer: u64,
    priority: i32,
    /// How often.
    came_back: u32,
    counted: Counted,
}

impl Item {
    /// Takes note of an item that the caller drops.
    fn unpack(&self) -> u64 {
        self.counted.defuse();
        self.key
    }
}

type Shelf = PriorityQueue<Item>;

struct Producer<'a> {
    queue: &'a Shelf,
    live: &'a Live,
    number: u64,
    /// How many items it pushes at once.
    batches: &'a [usize],
    pushed: u64,
    random: Random,
    accepted: Vec<u64>,
    refused: Vec<u64>,
}

impl<'a> Producer<'a> {
    fn new(queue: &'a Shelf, live: &'a Live, number: u64, random: Random) -> Self {
        let batches: &[usize] = match is_large(queue.capacity()) {
            true => &[64, 130, 300],
            false => &[0, 1, 3, 64, 130],
        };
        Self {
            queue,
            live,
            number,
            batches,
            pushed: 0,
            random,
            accepted: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn item(&mut self) -> Item {
        self.pushed += 1;
        Item {
            key: (self.number << 32) | self.pushed,
            producer: self.number,
            priority: self.random.priority(),
            came_back: 0,
            counted: self.live.one(&mut self.random),
        }
    }

    fn note(&mut self, key: u64, outcome: Result<(), Item>) {
        match outcome {
            Ok(()) => self.accepted.push(key),
            Err(item) => {
                assert_eq!(item.unpack(), key, "another item came back");
                self.refused.push(key);
            }
        }
    }

    fn run(mut self, rounds: u64) -> (Vec<u64>, Vec<u64>) {
        for _ in 0..rounds {
            if self.random.chance(10) {
                let count = self.random.pick(self.batches);
                self.push_all(count);
                continue;
            }
            let item = self.item();
            let (key, priority) = (item.key, item.priority);
            let wait = self.random.micros(300);
            let outcome = match self.random.below(6) {
                0 => self
                    .queue
                    .try_push(priority, item)
                    .map_err(|error| error.into_inner()),
                1 => self
                    .queue
                    .push_timeout(priority, item, wait)
                    .map_err(|error| error.into_inner()),
                2 => {
                    let deadline = Instant::now() + wait;
                    self.queue
                        .push_deadline(priority, item, deadline)
                        .map_err(|error| error.into_inner())
                }
                3 => {
                    let forever = Duration::MAX;
                    self.queue
                        .push_timeout(priority, item, forever)
                        .map_err(|error| error.into_inner())
                }
                _ => self
                    .queue
                    .push(priority, item)
                    .map_err(|error| error.into_inner()),
            };
            self.note(key, outcome);
        }
        (self.accepted, self.refused)
    }

    /// Leaves no room.
    fn fill(mut self) -> (Vec<u64>, Vec<u64>) {
        self.push_all(self.queue.capacity());
        assert!(self.queue.is_full());
        (self.accepted, self.refused)
    }

    fn push_all(&mut self, count: usize) {
        let mut keys = Vec::new();
        let queue = self.queue;
        let items = (0..count).map(|_| {
            let item = self.item();
            keys.push(item.key);
            (item.priority, item)
        });
        match queue.push_all(items) {
            Ok(accepted) => assert_eq!(accepted, keys.len()),
            Err(error) => {
                let rest = keys.split_off(error.accepted);
                let handed_back: Vec<_> =
                    error.rest.iter().map(|(_, item)| item.unpack()).collect();
                assert_eq!(handed_back, rest);
                self.refused.extend(rest);
            }
        }
        self.accepted.extend(keys);
    }
}

struct Consumer<'a> {
    queue: &'a Shelf,
    random: Random,
    taken: Vec<u64>,
    /// The last item of each producer and priority that never came back.
    last: HashMap<(u64, i32), u64>,
}

impl Consumer<'_> {
    /// Equal priorities come in the order pushed.
    fn take(&mut self, item: &Item) {
        self.taken.push(item.unpack());
        self.in_order(item);
    }

    fn in_order(&mut self, item: &Item) {
        if item.came_back == 0 {
            let last = self.last.insert((item.producer, item.priority), item.key);
            assert!(
                last.is_none_or(|last| last < item.key),
                "overtaken by a later one"
            );
        }
    }

    /// Does something with a lease, and perhaps with those that follow.
    fn work(&mut self, lease: Lease<'_, Item>) {
        let mut next = Some(lease);
        while let Some(mut lease) = next.take() {
            assert_eq!(lease.priority, Lease::priority(&lease));
            let again = lease.came_back < 3 && self.random.chance(50);
            if again {
                self.in_order(&lease);
                lease.came_back += 1;
                let delay = self.random.micros(500);
                if let Err(error) = Lease::retry_after(lease, delay) {
                    self.taken.push(error.into_inner().unpack());
                }
                return;
            }
            self.taken.push(lease.key);
            self.in_order(&lease);
            let explodes = lease.counted.explodes();
            match self.random.below(4) {
                0 => Lease::into_inner(lease).counted.defuse(),
                // The lease ends even if its item's destructor panics.
                1 => match unless_planned(|| Lease::next(lease)) {
                    Some(other) => {
                        assert!(!explodes);
                        next = other;
                    }
                    None => assert!(explodes),
                },
                2 => {
                    let unwinds = || {
                        let _lease = lease;
                        panic_as_planned()
                    };
                    assert_eq!(unless_planned::<()>(unwinds), None);
                }
                _ => assert_eq!(unless_planned(|| drop(lease)).is_none(), explodes),
            }
        }
    }

    /// Takes one in some way; false when nothing can come any more.
    fn round(&mut self) -> bool {
        let wait = self.random.micros(300);
        match self.random.below(12) {
            0 => match self.queue.try_pop() {
                Ok(item) => self.take(&item),
                Err(TryPopError::Empty) => thread::yield_now(),
                Err(TryPopError::Closed) => return false,
            },
            1 => match self.queue.pop_timeout(wait) {
                Ok(item) => self.take(&item),
                Err(error) => return error == PopTimeoutError::Timeout,
            },
            2 => match self.queue.pop_deadline(Instant::now() + wait) {
                Ok(item) => self.take(&item),
                Err(error) => return error == PopTimeoutError::Timeout,
            },
            3 => {
                let mut buffer = Vec::new();
                let limit = self.random.pick(&[1, 2, 5, usize::MAX]);
                let count = self.queue.pop_many(&mut buffer, limit);
                assert_eq!(count, buffer.len());
                assert!(count <= limit);
                buffer.iter().for_each(|item| self.take(item));
                return count > 0;
            }
            4 => match self.queue.try_lease() {
                Ok(lease) => self.work(lease),
                Err(error) => return error == TryPopError::Empty,
            },
            5 => match self.queue.lease_timeout(wait) {
                Ok(lease) => self.work(lease),
                Err(error) => return error == PopTimeoutError::Timeout,
            },
            6 => match self.queue.lease_deadline(Instant::now() + wait) {
                Ok(lease) => self.work(lease),
                Err(error) => return error == PopTimeoutError::Timeout,
            },
            7 => {
                let some = 1 + self.random.below(5) as usize;
                let queue = self.queue;
                let mut taken = 0;
                for item in queue.iter().take(some) {
                    self.take(&item);
                    taken += 1;
                }
                return taken == some;
            }
            8 => {
                // Handed back beyond the capacity are at most those on lease.
                assert!(self.queue.len() <= self.queue.capacity() + LEASES);
                let _ = (self.queue.is_full(), self.queue.is_empty());
            }
            9 | 10 => match self.queue.pop() {
                Some(item) => self.take(&item),
                None => return false,
            },
            _ => match self.queue.lease() {
                Some(lease) => self.work(lease),
                None => return false,
            },
        }
        true
    }

    fn run(mut self) -> Vec<u64> {
        while self.round() {}
        // What is over stays over.
        assert!(self.queue.pop().is_none());
        self.taken
    }
}

/// The number of the producer before all others.
const FILLER: u64 = 9;

/// No consumer has more than one lease at a time, and there are at most four.
const LEASES: usize = 4;

/// One round of everything that can be done with a `PriorityQueue`.
fn shelve(mut random: Random) {
    let live = Live::default();
    let queue = Shelf::new(random.pick(&[1, 1, 2, 3, 8, 100, 256, 300]));
    let is_large = is_large(queue.capacity());
    let (mut accepted, mut refused, mut taken) = (Vec::new(), Vec::new(), Vec::new());
    if is_large {
        // Those who come now have to wait until there is much room.
        let (got_in, came_back) = Producer::new(&queue, &live, FILLER, random.split()).fill();
        accepted.extend(got_in);
        refused.extend(came_back);
    }
    let aborts = random.chance(30);
    let ends_early = aborts || random.chance(50);
    thread::scope(|scope| {
        let producers: Vec<_> = (0..1 + random.below(4))
            .map(|number| {
                let producer = Producer::new(&queue, &live, number, random.split());
                let rounds = random.below(60);
                scope.spawn(move || producer.run(rounds))
            })
            .collect();
        if is_large {
            for _ in 0..random.below(100) {
                thread::yield_now();
            }
        }
        let consumers: Vec<_> = (0..1 + random.below(4))
            .map(|_| {
                let consumer = Consumer {
                    queue: &queue,
                    random: random.split(),
                    taken: Vec::new(),
                    last: HashMap::new(),
                };
                scope.spawn(move || consumer.run())
            })
            .collect();
        for _ in 0..random.below(3) {
            let wait = random.micros(1000);
            let (queue, forever) = (&queue, random.chance(30));
            scope.spawn(move || match forever {
                true => queue.join(),
                false => drop(queue.join_timeout(wait)),
            });
        }
        if ends_early {
            for _ in 0..random.below(1000) {
                thread::yield_now();
            }
        }
        if aborts {
            taken.extend(queue.abort().iter().map(Item::unpack));
        } else if ends_early {
            assert!(queue.close());
        }
        for producer in producers {
            let (got_in, came_back) = producer.join().unwrap();
            accepted.extend(got_in);
            refused.extend(came_back);
        }
        assert_eq!(queue.close(), !ends_early);
        for consumer in consumers {
            taken.extend(consumer.join().unwrap());
        }
    });
    queue.join();
    assert!(queue.is_empty());
    accepted.sort();
    taken.sort();
    assert_eq!(taken, accepted, "accepted and taken are the same");
    let all: BTreeSet<u64> = accepted.iter().chain(&refused).copied().collect();
    assert_eq!(
        all.len(),
        accepted.len() + refused.len(),
        "both accepted and handed back"
    );
    assert_eq!(live.count(), 0, "items are left");
}

#[test]
fn every_accepted_item_is_taken_once_whatever_happens() {
    for_a_while(0, shelve);
}
