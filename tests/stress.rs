//! Everything at once, from several threads, and then the books are checked:
//! nothing is lost, nothing comes twice, nothing is left behind.
//!
//! Each test goes on for two seconds with one random mix after another. For
//! longer, say how many seconds:
//!
//! ```text
//! TASKSHELF_STRESS=600 cargo test --release --test stress
//! ```
//!
//! A mix that fails names its seed. To go on with that one only:
//!
//! ```text
//! TASKSHELF_SEED=42 cargo test --test stress
//! ```
#![allow(
    clippy::unwrap_used,
    reason = "a test that finds nothing where something must be has failed"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, Jitter, Lease, PopTimeoutError, PriorityQueue,
    QueueOptions, RetryWaits, Stats, SubmitError, Submitted, Submitter, Task, TaskError, TaskId,
    TaskQueue, TryPopError, WorkerResult,
};

// ----- chance, time and threads -------------------------------------------------

/// SplitMix64.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to but not including `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    /// One that goes its own way.
    fn split(&mut self) -> Self {
        Self(self.next())
    }

    fn micros(&mut self, end: u64) -> Duration {
        Duration::from_micros(self.below(end))
    }

    /// Mostly a few, now and then the extremes.
    fn priority(&mut self) -> i32 {
        match self.below(12) {
            0 => i32::MIN,
            1 => i32::MAX,
            n => n as i32 % 3,
        }
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .ok()
            .unwrap_or_else(|| panic!("{name} is not a number")),
    )
}

/// Runs one mix after another until the time is over.
fn for_a_while(mix: impl Fn(Random) + Send + Sync + 'static) {
    let seconds = variable("TASKSHELF_STRESS").unwrap_or(2);
    let end = Instant::now() + Duration::from_secs(seconds);
    let given = variable("TASKSHELF_SEED");
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut seeds = Random(clock.as_nanos() as u64);
    let mix = Arc::new(mix);
    while Instant::now() < end {
        let seed = given.unwrap_or_else(|| seeds.next());
        let (done, finished) = channel::<()>();
        let mix = Arc::clone(&mix);
        let thread = thread::spawn(move || {
            let _done = done;
            mix(Random(seed));
        });
        if finished.recv_timeout(Duration::from_secs(10)) == Err(RecvTimeoutError::Timeout) {
            panic!("seed {seed}: not over after 10 s, so somebody waits for ever");
        }
        if thread.join().is_err() {
            panic!("seed {seed}: see above");
        }
    }
}

/// Counts what lives.
#[derive(Clone, Default)]
struct Live(Arc<AtomicI64>);

impl Live {
    fn one(&self) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone())
    }

    fn count(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

struct Counted(Live);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until no thread has a name that begins like this.
fn no_thread_is_left(prefix: &str) {
    let is_there = |thread: std::io::Result<std::fs::DirEntry>| {
        thread
            .and_then(|thread| std::fs::read_to_string(thread.path().join("comm")))
            .is_ok_and(|name| name.starts_with(prefix))
    };
    // The system forgets a joined thread a moment later.
    while std::fs::read_dir("/proc/self/task").is_ok_and(|mut all| all.any(is_there)) {
        thread::yield_now();
    }
}

// ----- TaskQueue ----------------------------------------------------------------

struct Payload {
    key: u64,
    /// How many generations of children it may have.
    generations: u64,
    _counted: Counted,
}

/// What one thread, or the handler, did to the queue and was told.
#[derive(Default)]
struct Books {
    /// The keys of accepted tasks, with their ids where they were told.
    accepted: Vec<(u64, Option<TaskId>)>,
    dropped: Vec<u64>,
    refused: Vec<u64>,
    /// How many of those refused may count as dropped: a batch that the
    /// strategy had dropped from before the queue was closed.
    either: u64,
    attempted: u64,
}

impl Books {
    fn merge(&mut self, other: Self) {
        self.accepted.extend(other.accepted);
        self.dropped.extend(other.dropped);
        self.refused.extend(other.refused);
        self.either += other.either;
        self.attempted += other.attempted;
    }

    fn note(&mut self, key: u64, outcome: Result<Submitted<Payload>, SubmitError<Payload>>) {
        self.attempted += 1;
        match outcome {
            Ok(Submitted::Accepted(id)) => self.accepted.push((key, Some(id))),
            Ok(other) => {
                let task = other.dropped().unwrap();
                assert_eq!(task.payload.key, key, "another task came back");
                self.dropped.push(key);
            }
            Err(error) => {
                assert_eq!(error.into_task().payload.key, key, "another task came back");
                self.refused.push(key);
            }
        }
    }

    fn note_id(&mut self, key: u64, outcome: Result<TaskId, SubmitError<Payload>>) {
        self.note(key, outcome.map(Submitted::Accepted));
    }
}

/// What all threads of one mix know.
struct Bakery {
    live: Live,
    keys: AtomicU64,
    books: Mutex<Books>,
    /// How often the handler was called for each key.
    calls: Mutex<HashMap<u64, u32>>,
    submitter: OnceLock<Submitter<Payload>>,
    seed: u64,
    strategy: BackpressureStrategy,
}

impl Bakery {
    fn task(&self, random: &mut Random, generations: u64) -> (u64, Task<Payload>) {
        let key = self.keys.fetch_add(1, Ordering::Relaxed);
        let mut task = Task::new(Payload {
            key,
            generations,
            _counted: self.live.one(),
        })
        .with_priority(random.priority());
        if random.chance(20) {
            task = task.with_id(format!("task {key}"));
        }
        if random.chance(20) {
            task = task.with_retries(random.below(4) as u32);
        }
        (key, task)
    }

    fn handle(&self, attempt: &Attempt<'_, Payload>) -> Result<u64, String> {
        let key = attempt.payload.key;
        let call = *self
            .calls
            .lock()
            .unwrap()
            .entry(key)
            .and_modify(|calls| *calls += 1)
            .or_insert(1);
        assert_eq!(call, attempt.number());
        let mut random = Random(self.seed ^ (key << 8) ^ u64::from(call));
        if attempt.payload.generations > 0 && random.chance(40) {
            self.have_children(attempt, &mut random);
        }
        if random.chance(5) {
            thread::yield_now();
        }
        match random.below(20) {
            0..=9 => Ok(key),
            10..=12 => Err("failed".to_owned()),
            13 => Err(attempt.permanent("for good".to_owned())),
            14 => Err(attempt.retry_after(random.micros(500), "later".to_owned())),
            15 => {
                attempt.permanent(());
                Ok(key)
            }
            // Says nothing on the way, unlike `panic!`.
            16 | 17 => resume_unwind(Box::new("planned".to_owned())),
            _ => {
                while !attempt.is_cancelled() && random.chance(90) {
                    thread::yield_now();
                }
                Ok(key)
            }
        }
    }

    fn have_children(&self, attempt: &Attempt<'_, Payload>, random: &mut Random) {
        let mut books = Books::default();
        for _ in 0..random.below(4) {
            let (key, task) = self.task(random, attempt.payload.generations - 1);
            match random.below(4) {
                0 => books.note_id(key, attempt.try_submit(task)),
                1 => {
                    if let Some(submitter) = self.submitter.get() {
                        books.note(key, submitter.submit(task));
                    }
                }
                _ => books.note_id(key, attempt.submit(task)),
            }
        }
        self.books.lock().unwrap().merge(books);
    }

    /// One producer, until it has had enough or the queue is closed.
    fn produce(&self, submitter: &Submitter<Payload>, mut random: Random, rounds: u64) {
        let mut books = Books::default();
        for _ in 0..rounds {
            match random.below(8) {
                0 | 1 => {
                    let (key, task) = self.task(&mut random, 2);
                    books.note_id(key, submitter.try_submit(task));
                }
                2 => {
                    let (key, task) = self.task(&mut random, 2);
                    let timeout = random.micros(300);
                    books.note(key, submitter.submit_timeout(task, timeout));
                }
                3 => {
                    let (key, task) = self.task(&mut random, 2);
                    let deadline = Instant::now() + random.micros(300);
                    books.note(key, submitter.submit_deadline(task, deadline));
                }
                4 => self.produce_many(submitter, &mut random, &mut books),
                5 => balanced(&submitter.stats()),
                _ => {
                    let (key, task) = self.task(&mut random, 2);
                    books.note(key, submitter.submit(task));
                }
            }
        }
        self.books.lock().unwrap().merge(books);
    }

    fn produce_many(&self, submitter: &Submitter<Payload>, random: &mut Random, books: &mut Books) {
        let count = random.pick(&[0, 1, 5, 64, 130]);
        let mut pulled = Vec::new();
        let tasks = (0..count).map(|_| {
            let (key, task) = self.task(random, 1);
            pulled.push(key);
            task
        });
        let (accepted, dropped, rest) = match submitter.submit_all(tasks) {
            Ok(all) => (all.accepted, all.dropped, Vec::new()),
            Err(error) => (error.accepted, Vec::new(), error.rest),
        };
        books.attempted += pulled.len() as u64;
        let keys = |tasks: Vec<Task<Payload>>| -> Vec<u64> {
            tasks.iter().map(|task| task.payload.key).collect()
        };
        let (dropped, rest) = (keys(dropped), keys(rest));
        pulled.retain(|key| !dropped.contains(key) && !rest.contains(key));
        assert_eq!(
            pulled.len(),
            accepted,
            "accepted, dropped and rest make the whole"
        );
        books
            .accepted
            .extend(pulled.into_iter().map(|key| (key, None)));
        books.dropped.extend(dropped);
        if self.strategy == BackpressureStrategy::Drop {
            books.either += rest.len() as u64;
        }
        books.refused.extend(rest);
    }
}

fn balanced(stats: &Stats) {
    let held = stats.ready + stats.waiting + stats.running;
    assert_eq!(stats.accepted, held + stats.settled, "{stats:?}");
    let settled = stats.succeeded + stats.failed + stats.panicked + stats.aborted;
    assert_eq!(stats.settled, settled, "{stats:?}");
}

type Outcome = WorkerResult<Payload, u64, String>;

fn options(random: &mut Random, strategy: BackpressureStrategy) -> QueueOptions {
    let backoff = match random.below(5) {
        0 => Backoff::none(),
        1 => Backoff::constant(random.micros(300)),
        2 => Backoff::custom(|n| Duration::from_micros(u64::from(n) * 50)),
        // Its panic settles the task.
        3 => Backoff::custom(|n| match n {
            2 => resume_unwind(Box::new("planned".to_owned())),
            _ => Duration::from_micros(20),
        }),
        _ => Backoff::exponential(Duration::from_micros(20)).jitter(Jitter::Full),
    };
    let capacity = random.pick(&[1, 1, 2, 3, 8, 100]);
    QueueOptions::new(capacity, 1 + random.below(4) as usize)
        .max_retries(random.below(4) as u32)
        .backoff(backoff)
        .backpressure(strategy)
        .retry_waits(random.pick(&[RetryWaits::FreeWorker, RetryWaits::HoldWorker]))
}

/// Ends the queue in one of all ways. Returns what that returns, or `None` if it
/// drops results that nobody took.
fn end(queue: TaskQueue<Payload, u64, String>, random: &mut Random) -> Option<Vec<Outcome>> {
    let results = match random.below(8) {
        0 => {
            queue.close();
            queue.drain()
        }
        1 => {
            queue.cancel();
            queue.drain()
        }
        2 => queue.abort(),
        3 => {
            let mut queue = queue;
            loop {
                match queue.drain_timeout(random.micros(500)) {
                    Ok(results) => break results,
                    Err(rest) => queue = rest,
                }
            }
        }
        4 => match queue.drain_timeout(random.micros(500)) {
            Ok(results) => results,
            Err(rest) => rest.abort(),
        },
        5 => {
            drop(queue);
            return None;
        }
        6 => {
            let unwinds = AssertUnwindSafe(|| {
                let _queue = queue;
                resume_unwind(Box::new("planned"));
            });
            assert!(catch_unwind(unwinds).is_err());
            return None;
        }
        _ => queue.drain(),
    };
    Some(results)
}

/// One round of everything that can be done with a `TaskQueue`.
fn bake(mut random: Random) {
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    let prefix = format!("st{}x", ROUNDS.fetch_add(1, Ordering::Relaxed));
    let strategies = [
        BackpressureStrategy::Block,
        BackpressureStrategy::Drop,
        BackpressureStrategy::Error,
    ];
    let strategy = random.pick(&strategies);
    let bakery = Arc::new(Bakery {
        live: Live::default(),
        keys: AtomicU64::new(0),
        books: Mutex::default(),
        calls: Mutex::default(),
        submitter: OnceLock::new(),
        seed: random.next(),
        strategy,
    });
    let handler = {
        let bakery = Arc::clone(&bakery);
        move |attempt: &Attempt<'_, Payload>| bakery.handle(attempt)
    };
    let queue = TaskQueue::new(
        handler,
        options(&mut random, strategy).thread_name(prefix.clone()),
    )
    .unwrap();
    let submitter = queue.submitter();
    assert!(bakery.submitter.set(queue.submitter()).is_ok());
    let mut results = Vec::new();
    let mut complete = true;
    thread::scope(|scope| {
        for _ in 0..1 + random.below(4) {
            let (bakery, submitter) = (&bakery, submitter.clone());
            let (random, rounds) = (random.split(), random.below(60));
            scope.spawn(move || bakery.produce(&submitter, random, rounds));
        }
        let takers: Vec<_> = (0..random.below(3))
            .map(|_| {
                let receiver = queue.results();
                scope.spawn(move || receiver.iter().collect::<Vec<Outcome>>())
            })
            .collect();
        if random.chance(30) {
            let submitter = submitter.clone();
            let pause = random.below(2000);
            let cancels = random.chance(50);
            scope.spawn(move || {
                (0..pause).for_each(|_| thread::yield_now());
                if cancels {
                    submitter.cancel();
                } else {
                    submitter.close();
                }
            });
        }
        if random.chance(30) {
            let _ = queue.wait_idle_timeout(random.micros(500));
        }
        for _ in 0..random.below(2000) {
            thread::yield_now();
        }
        balanced(&queue.stats());
        match end(queue, &mut random) {
            Some(rest) => results.extend(rest),
            None => complete = false,
        }
        for taker in takers {
            results.extend(taker.join().unwrap());
        }
    });
    check(&bakery, &submitter, results, complete);
    no_thread_is_left(&prefix);
}

/// What became of one task.
struct Fate {
    id: TaskId,
    outcome: &'static str,
}

fn fate(result: &Outcome) -> (u64, Fate) {
    let (key, outcome) = match &result.outcome {
        Ok(key) => (*key, "succeeded"),
        Err(failure) => {
            assert_eq!(failure.task.id(), Some(&result.task_id));
            let outcome = match &failure.error {
                TaskError::Failed(_) => "failed",
                TaskError::Panicked(_) => "panicked",
                TaskError::Aborted => "aborted",
                other => panic!("unexpected: {other}"),
            };
            (failure.task.payload.key, outcome)
        }
    };
    let id = result.task_id.clone();
    (key, Fate { id, outcome })
}

/// `complete`: whether every result was received.
fn check(bakery: &Bakery, submitter: &Submitter<Payload>, results: Vec<Outcome>, complete: bool) {
    let books = std::mem::take(&mut *bakery.books.lock().unwrap());
    let calls = std::mem::take(&mut *bakery.calls.lock().unwrap());
    assert!(submitter.is_closed());

    // No task has two results, and each comes under the id that was told.
    let mut fates = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for result in &results {
        let (key, fate) = fate(result);
        assert_eq!(result.attempts, calls.get(&key).copied().unwrap_or(0));
        assert!(ids.insert(fate.id.clone()), "an id came twice");
        assert!(fates.insert(key, fate).is_none(), "two results for {key}");
    }
    let accepted: HashMap<u64, Option<TaskId>> = books.accepted.iter().cloned().collect();
    assert_eq!(accepted.len(), books.accepted.len());
    for (key, fate) in &fates {
        let told = accepted.get(key).expect("only accepted tasks have results");
        assert!(told.as_ref().is_none_or(|id| *id == fate.id));
    }
    if complete {
        assert_eq!(
            fates.len(),
            accepted.len(),
            "every accepted task has a result"
        );
    }

    // What was not accepted was handed back.
    let handed_back = (books.dropped.len() + books.refused.len()) as u64;
    assert_eq!(books.attempted, books.accepted.len() as u64 + handed_back);

    let stats = submitter.stats();
    balanced(&stats);
    assert_eq!((stats.ready, stats.waiting, stats.running), (0, 0, 0));
    assert_eq!(stats.accepted, books.accepted.len() as u64);
    if complete {
        for (outcome, settled) in [
            ("succeeded", stats.succeeded),
            ("failed", stats.failed),
            ("panicked", stats.panicked),
            ("aborted", stats.aborted),
        ] {
            let count = fates
                .values()
                .filter(|fate| fate.outcome == outcome)
                .count();
            assert_eq!(settled, count as u64, "{outcome}");
        }
    }
    let retries: u64 = calls.values().map(|&calls| u64::from(calls) - 1).sum();
    assert_eq!(stats.retries, retries);
    assert_eq!(stats.dropped + stats.refused, handed_back);
    let dropped = books.dropped.len() as u64;
    assert!((dropped..=dropped + books.either).contains(&stats.dropped));

    drop(results);
    assert_eq!(bakery.live.count(), 0, "payloads are left");
}

#[test]
fn every_accepted_task_has_one_result_whatever_happens() {
    for_a_while(bake);
}

/// Sixty-four threads submit until they are told that the queue is closed.
fn drain_against_many(mut random: Random) {
    let queue = TaskQueue::new(
        |attempt: &Attempt<'_, u64>| Ok::<_, ()>(attempt.payload),
        QueueOptions::new(random.pick(&[1, 4, 100, 1000]), 2),
    )
    .unwrap();
    let (accepted, results) = thread::scope(|scope| {
        let producers: Vec<_> = (0..64)
            .map(|producer| {
                let submitter = queue.submitter();
                scope.spawn(move || {
                    (0..)
                        .map(|number| (producer << 32) | number)
                        .take_while(|&payload| submitter.submit(payload).is_ok())
                        .collect::<Vec<u64>>()
                })
            })
            .collect();
        for _ in 0..random.below(300) {
            thread::yield_now();
        }
        let results = queue.drain();
        let accepted: Vec<_> = producers
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        (accepted.concat(), results)
    });
    let mut payloads: Vec<_> = results
        .into_iter()
        .map(|result| result.outcome.unwrap())
        .collect();
    payloads.sort();
    // The producers are in order, and so is each of them.
    assert_eq!(payloads, accepted);
}

#[test]
fn a_drain_has_the_results_of_exactly_those_that_got_in() {
    for_a_while(drain_against_many);
}

// ----- PriorityQueue ------------------------------------------------------------

struct Item {
    key: u64,
    producer: u64,
    priority: i32,
    came_back: bool,
    _counted: Counted,
}

type Shelf = PriorityQueue<Item>;

struct Producer<'a> {
    queue: &'a Shelf,
    live: &'a Live,
    number: u64,
    pushed: u64,
    random: Random,
    accepted: Vec<u64>,
    refused: Vec<u64>,
}

impl Producer<'_> {
    fn item(&mut self) -> Item {
        self.pushed += 1;
        Item {
            key: (self.number << 32) | self.pushed,
            producer: self.number,
            priority: self.random.priority(),
            came_back: false,
            _counted: self.live.one(),
        }
    }

    fn note(&mut self, key: u64, outcome: Result<(), Item>) {
        match outcome {
            Ok(()) => self.accepted.push(key),
            Err(item) => {
                assert_eq!(item.key, key, "another item came back");
                self.refused.push(key);
            }
        }
    }

    fn run(mut self, rounds: u64) -> (Vec<u64>, Vec<u64>) {
        for _ in 0..rounds {
            if self.random.chance(10) {
                self.push_all();
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

    fn push_all(&mut self) {
        let count = self.random.pick(&[0, 1, 3, 64, 130]);
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
                let handed_back: Vec<_> = error.rest.iter().map(|(_, item)| item.key).collect();
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
        self.taken.push(item.key);
        self.in_order(item);
    }

    fn in_order(&mut self, item: &Item) {
        if !item.came_back {
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
            assert_eq!(lease.came_back, Lease::retries(&lease) > 0);
            assert_eq!(lease.priority, Lease::priority(&lease));
            let again = Lease::retries(&lease) < 3 && self.random.chance(50);
            if again {
                self.in_order(&lease);
                lease.came_back = true;
                let delay = self.random.micros(500);
                if let Err(error) = Lease::retry_after(lease, delay) {
                    self.taken.push(error.into_inner().key);
                }
                return;
            }
            self.take(&lease);
            match self.random.below(4) {
                0 => drop(Lease::into_inner(lease)),
                1 => next = Lease::next(lease),
                2 => {
                    let unwinds = AssertUnwindSafe(|| {
                        let _lease = lease;
                        resume_unwind(Box::new("planned"));
                    });
                    assert!(catch_unwind(unwinds).is_err());
                }
                _ => drop(lease),
            }
        }
    }

    /// Takes one in some way; false when nothing can come any more.
    fn round(&mut self) -> bool {
        let wait = self.random.micros(300);
        match self.random.below(9) {
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
            6 => match self.queue.pop() {
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

/// One round of everything that can be done with a `PriorityQueue`.
fn shelve(mut random: Random) {
    let live = Live::default();
    let queue = Shelf::new(random.pick(&[1, 1, 2, 3, 8, 100]));
    let (mut accepted, mut refused, mut taken) = (Vec::new(), Vec::new(), Vec::new());
    let aborts = random.chance(30);
    let ends_early = aborts || random.chance(50);
    thread::scope(|scope| {
        let producers: Vec<_> = (0..1 + random.below(4))
            .map(|number| {
                let producer = Producer {
                    queue: &queue,
                    live: &live,
                    number,
                    pushed: 0,
                    random: random.split(),
                    accepted: Vec::new(),
                    refused: Vec::new(),
                };
                let rounds = random.below(60);
                scope.spawn(move || producer.run(rounds))
            })
            .collect();
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
            let queue = &queue;
            scope.spawn(move || queue.join_timeout(wait));
        }
        if ends_early {
            for _ in 0..random.below(1000) {
                thread::yield_now();
            }
        }
        if aborts {
            taken.extend(queue.abort().iter().map(|item| item.key));
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
    for_a_while(shelve);
}
