//! Sequences of operations on one `PriorityQueue`, by one thread and without
//! blocking, beside a model of sorted lists.

#![no_main]

use std::cmp::Reverse;
use std::rc::Rc;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use taskshelf::{
    Lease, PopTimeoutError, PriorityQueue, PushTimeoutError, TryPopError, TryPushError,
};

#[derive(Debug, Arbitrary)]
struct Input {
    capacity: u8,
    steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Push(i32, Way),
    /// Only if there is room for all, for else it blocks.
    PushAll(Vec<i32>),
    Pop(Way),
    PopMany(u8),
    Lease(Way),
    /// What becomes of the lease behind this place.
    End(u8, End),
    Join,
    Close,
    Abort,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Way {
    Try,
    /// With a timeout that is over at once.
    Timeout,
    /// The blocking form, if it would not block.
    Block,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum End {
    Drop,
    IntoInner,
    RetryAfter(Delay),
    /// Only if it would not block.
    Next,
}

/// In order of due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Arbitrary)]
enum Delay {
    None,
    /// Longer than any run.
    Hour,
    Endless,
}

impl Delay {
    fn duration(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Hour => Duration::from_secs(3600),
            Self::Endless => Duration::MAX,
        }
    }
}

/// An item whose copies are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item(u32, Rc<()>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    priority: i32,
    number: u32,
}

#[derive(Default)]
struct Naive {
    capacity: usize,
    ready: Vec<Entry>,
    waiting: Vec<(Delay, Entry)>,
    leased: usize,
    closed: bool,
    aborted: bool,
    pushed: u32,
}

impl Naive {
    fn len(&self) -> usize {
        self.ready.len() + self.waiting.len()
    }

    fn is_idle(&self) -> bool {
        self.len() + self.leased == 0
    }

    fn is_finished(&self) -> bool {
        self.len() == 0 && (self.aborted || self.closed && self.leased == 0)
    }

    fn push(&mut self, priority: i32) -> u32 {
        self.promote();
        self.pushed += 1;
        self.make_ready(Entry {
            priority,
            number: self.pushed,
        });
        self.pushed
    }

    fn make_ready(&mut self, entry: Entry) {
        self.ready.push(entry);
        self.ready.sort_by_key(|entry| Reverse(entry.priority));
    }

    /// What is due comes before whatever is put in, taken or handed out after that.
    fn promote(&mut self) {
        while let Some((Delay::None, _)) = self.waiting.first() {
            let (_, entry) = self.waiting.remove(0);
            self.make_ready(entry);
        }
    }

    /// Whether a blocking take would return at once.
    fn has_answer(&mut self) -> bool {
        self.promote();
        !self.ready.is_empty() || self.is_finished()
    }

    fn take(&mut self) -> Option<Entry> {
        self.promote();
        (!self.ready.is_empty()).then(|| self.ready.remove(0))
    }

    fn put_back(&mut self, entry: Entry, delay: Delay) {
        self.waiting.push((delay, entry));
        self.waiting.sort_by_key(|(delay, _)| *delay);
    }

    fn abort(&mut self) -> Vec<u32> {
        self.promote();
        (self.closed, self.aborted) = (true, true);
        let waiting = self.waiting.drain(..).map(|(_, entry)| entry);
        let all = self.ready.drain(..).chain(waiting);
        all.map(|entry| entry.number).collect()
    }
}

struct Run<'a> {
    queue: &'a PriorityQueue<Item>,
    naive: Naive,
    leases: Vec<(Lease<'a, Item>, Entry)>,
    /// One for each item, one for the run, and one for whoever started it.
    token: Rc<()>,
}

impl<'a> Run<'a> {
    fn step(&mut self, step: Step) {
        match step {
            Step::Push(priority, way) => self.push(priority, way),
            Step::PushAll(priorities) => self.push_all(&priorities),
            Step::Pop(way) => self.pop(way),
            Step::PopMany(limit) => self.pop_many(limit.into()),
            Step::Lease(way) => self.lease(way),
            Step::End(which, how) => {
                if let Some(place) = usize::from(which).checked_rem(self.leases.len()) {
                    let (lease, entry) = self.leases.swap_remove(place);
                    self.end(lease, entry, how);
                }
            }
            Step::Join => {
                let is_idle = self.naive.is_idle();
                assert_eq!(self.queue.join_timeout(Duration::ZERO), is_idle);
                if is_idle {
                    self.queue.join();
                }
            }
            Step::Close => {
                assert_eq!(self.queue.close(), !self.naive.closed);
                self.naive.closed = true;
            }
            Step::Abort => {
                let items: Vec<u32> = self.queue.abort().iter().map(|item| item.0).collect();
                assert_eq!(items, self.naive.abort());
            }
        }
        self.check();
    }

    fn check(&self) {
        let (queue, naive) = (self.queue, &self.naive);
        assert_eq!(queue.len(), naive.len());
        assert_eq!(queue.is_empty(), naive.len() == 0);
        assert_eq!(queue.is_full(), naive.len() >= naive.capacity);
        assert_eq!(queue.is_closed(), naive.closed);
        assert_eq!(naive.leased, self.leases.len());
        // Nothing is kept, and nothing is gone.
        let items = Rc::strong_count(&self.token) - 2;
        assert_eq!(items, naive.len() + naive.leased);
    }

    fn item(&self, number: u32) -> Item {
        Item(number, Rc::clone(&self.token))
    }

    fn push(&mut self, priority: i32, way: Way) {
        let (closed, full) = (self.naive.closed, self.naive.len() >= self.naive.capacity);
        let number = self.naive.pushed + 1;
        let item = self.item(number);
        match way {
            Way::Try => match self.queue.try_push(priority, item) {
                Ok(()) => assert!(!closed && !full),
                Err(TryPushError::Closed(item)) => assert!(closed && item.0 == number),
                Err(TryPushError::Full(item)) => assert!(!closed && full && item.0 == number),
            },
            Way::Timeout => match self.queue.push_timeout(priority, item, Duration::ZERO) {
                Ok(()) => assert!(!closed && !full),
                Err(PushTimeoutError::Closed(item)) => assert!(closed && item.0 == number),
                Err(PushTimeoutError::Timeout(item)) => {
                    assert!(!closed && full && item.0 == number);
                }
            },
            Way::Block if full && !closed => return,
            Way::Block => assert_eq!(self.queue.push(priority, item).is_ok(), !closed),
        }
        if !closed && !full {
            self.naive.push(priority);
        }
    }

    fn push_all(&mut self, priorities: &[i32]) {
        let room = self.naive.capacity.saturating_sub(self.naive.len());
        let closed = self.naive.closed;
        if priorities.len() > room && !closed {
            return;
        }
        let items: Vec<_> = (1..)
            .zip(priorities)
            .map(|(n, priority)| (*priority, self.item(self.naive.pushed + n)))
            .collect();
        match self.queue.push_all(items) {
            Ok(accepted) => {
                assert_eq!(accepted, priorities.len());
                assert!(!closed || accepted == 0);
                for priority in priorities {
                    self.naive.push(*priority);
                }
            }
            Err(error) => {
                assert!(closed && error.accepted == 0);
                assert!(error.rest.len() <= priorities.len());
            }
        }
    }

    fn pop(&mut self, way: Way) {
        let item = match way {
            Way::Try => self.queue.try_pop().map_err(|e| e == TryPopError::Closed),
            Way::Timeout => {
                let item = self.queue.pop_timeout(Duration::ZERO);
                item.map_err(|e| e == PopTimeoutError::Closed)
            }
            Way::Block if !self.naive.has_answer() => return,
            Way::Block => self.queue.pop().ok_or(true),
        };
        match (item, self.naive.take()) {
            (Ok(item), Some(entry)) => assert_eq!(item.0, entry.number),
            (Err(closed), None) => assert_eq!(closed, self.naive.is_finished()),
            (item, entry) => panic!("{item:?} instead of {entry:?}"),
        }
    }

    fn pop_many(&mut self, limit: usize) {
        if limit > 0 && !self.naive.has_answer() {
            return;
        }
        let mut buffer = Vec::new();
        assert_eq!(self.queue.pop_many(&mut buffer, limit), buffer.len());
        let expected: Vec<u32> = (0..limit)
            .map_while(|_| self.naive.take())
            .map(|e| e.number)
            .collect();
        assert_eq!(
            buffer.iter().map(|item| item.0).collect::<Vec<_>>(),
            expected
        );
    }

    fn lease(&mut self, way: Way) {
        let lease = match way {
            Way::Try => self.queue.try_lease().map_err(|e| e == TryPopError::Closed),
            Way::Timeout => {
                let lease = self.queue.lease_timeout(Duration::ZERO);
                lease.map_err(|e| e == PopTimeoutError::Closed)
            }
            Way::Block if !self.naive.has_answer() => return,
            Way::Block => self.queue.lease().ok_or(true),
        };
        match (lease, self.naive.take()) {
            (Ok(lease), Some(entry)) => {
                assert_eq!(lease.0, entry.number);
                assert_eq!(Lease::priority(&lease), entry.priority);
                self.naive.leased += 1;
                self.leases.push((lease, entry));
            }
            (Err(closed), None) => assert_eq!(closed, self.naive.is_finished()),
            (lease, entry) => panic!("{lease:?} instead of {entry:?}"),
        }
    }

    fn end(&mut self, lease: Lease<'a, Item>, entry: Entry, how: End) {
        self.naive.leased -= 1;
        match how {
            End::Drop => drop(lease),
            End::IntoInner => assert_eq!(Lease::into_inner(lease).0, entry.number),
            End::RetryAfter(delay) => match Lease::retry_after(lease, delay.duration()) {
                Ok(()) => {
                    assert!(!self.naive.aborted);
                    self.naive.put_back(entry, delay);
                }
                Err(error) => assert!(self.naive.aborted && error.0.0 == entry.number),
            },
            End::Next if !self.naive.has_answer() => {
                self.naive.leased += 1;
                self.leases.push((lease, entry));
            }
            End::Next => match (Lease::next(lease), self.naive.take()) {
                (Some(lease), Some(entry)) => {
                    assert_eq!(lease.0, entry.number);
                    self.naive.leased += 1;
                    self.leases.push((lease, entry));
                }
                (None, None) => assert!(self.naive.is_finished()),
                (lease, entry) => panic!("{lease:?} instead of {entry:?}"),
            },
        }
    }
}

fuzz_target!(|input: Input| {
    let capacity = usize::from(input.capacity).max(1);
    let queue = PriorityQueue::new(capacity);
    let token = Rc::new(());
    let mut run = Run {
        queue: &queue,
        naive: Naive {
            capacity,
            ..Naive::default()
        },
        leases: Vec::new(),
        token: Rc::clone(&token),
    };
    for step in input.steps {
        run.step(step);
    }
    drop(run);
    drop(queue);
    assert_eq!(Rc::strong_count(&token), 1, "an item was leaked");
});
