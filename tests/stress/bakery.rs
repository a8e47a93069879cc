//! Everything that can be done with a `TaskQueue`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, Jitter, QueueOptions, ResultsPolicy, RetryWaits, Stats,
    SubmitError, Submitted, Submitter, Task, TaskError, TaskId, TaskQueue, WorkerResult,
};

use crate::random::Random;
use crate::support::{
    Counted, Live, PLANNED, for_a_while, is_large, is_planned, no_thread_is_left, panic_as_planned,
    unless_planned,
};

struct Payload {
    key: u64,
    /// How many generations of children it may have.
    generations: u64,
    counted: Counted,
}

impl Payload {
    /// Takes note of a payload that the caller drops.
    fn unpack(&self) -> u64 {
        self.counted.defuse();
        self.key
    }
}

/// What the handler makes of a payload, be it a value or an error.
struct Product {
    /// That of the payload.
    key: u64,
    counted: Counted,
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
                assert_eq!(task.payload.unpack(), key, "another task came back");
                self.dropped.push(key);
            }
            Err(error) => {
                let task = error.into_task();
                assert_eq!(task.payload.unpack(), key, "another task came back");
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
    /// For a handler to drop on a worker of its own.
    slot: Mutex<Option<Bakers>>,
    /// Locked for writing while handlers must wait.
    oven: RwLock<()>,
    /// Whether something else than planned went wrong in a handler, where a panic
    /// does not fail the test.
    has_surprised: AtomicBool,
    seed: u64,
    strategy: BackpressureStrategy,
}

impl Bakery {
    fn task(&self, random: &mut Random, generations: u64) -> (u64, Task<Payload>) {
        let key = self.keys.fetch_add(1, Ordering::Relaxed);
        let mut task = Task::new(Payload {
            key,
            generations,
            counted: self.live.one(random),
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

    fn handle(&self, attempt: &Attempt<'_, Payload>) -> Result<Product, Product> {
        let handled = catch_unwind(AssertUnwindSafe(|| self.attempt(attempt)));
        handled.unwrap_or_else(|panic| {
            if !is_planned(&*panic) {
                self.has_surprised.store(true, Ordering::SeqCst);
            }
            resume_unwind(panic)
        })
    }

    fn attempt(&self, attempt: &Attempt<'_, Payload>) -> Result<Product, Product> {
        drop(self.oven.read().unwrap());
        let key = attempt.payload.key;
        let slot = self.slot.lock().unwrap().take();
        drop(slot);
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
        let what = random.below(20);
        let later = random.micros(500);
        let product = |random| Product {
            key,
            counted: self.live.one(random),
        };
        match what {
            0..=9 => Ok(product(&mut random)),
            10..=12 => Err(product(&mut random)),
            13 => Err(attempt.permanent(product(&mut random))),
            14 => Err(attempt.retry_after(later, product(&mut random))),
            15 => {
                attempt.permanent(());
                Ok(product(&mut random))
            }
            16 | 17 => panic_as_planned(),
            _ => {
                while !attempt.is_cancelled() && random.chance(90) {
                    thread::yield_now();
                }
                Ok(product(&mut random))
            }
        }
    }

    /// Submits until there is no room, while handlers wait.
    fn fill(&self, submitter: &Submitter<Payload>, mut random: Random) {
        let mut books = Books::default();
        while books.refused.is_empty() {
            let (key, task) = self.task(&mut random, 1);
            books.note_id(key, submitter.try_submit(task));
        }
        self.books.lock().unwrap().merge(books);
    }

    /// Leaves the queue to the handler, if it is called again at all.
    fn let_a_worker_drop(&self, queue: Bakers, random: &mut Random) {
        let submitter = queue.submitter();
        *self.slot.lock().unwrap() = Some(queue);
        let mut books = Books::default();
        let (key, task) = self.task(random, 0);
        books.note(
            key,
            submitter.submit_timeout(task, Duration::from_millis(1)),
        );
        self.books.lock().unwrap().merge(books);
        loop {
            let stats = submitter.stats();
            let idle = stats.accepted == stats.settled;
            let mut slot = self.slot.lock().unwrap();
            if slot.is_none() {
                return;
            }
            if idle {
                let queue = slot.take();
                drop(slot);
                return drop(queue);
            }
            drop(slot);
            thread::yield_now();
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
                5 => {
                    self.look(submitter);
                }
                _ => {
                    let (key, task) = self.task(&mut random, 2);
                    books.note(key, submitter.submit(task));
                }
            }
        }
        self.books.lock().unwrap().merge(books);
    }

    /// Whatever goes on, what the books count has been tried, and what has ended by
    /// itself has been begun.
    fn look(&self, submitter: &Submitter<Payload>) -> Stats {
        let stats = submitter.stats();
        let made = self.keys.load(Ordering::Relaxed);
        assert!(stats.accepted + stats.dropped + stats.refused <= made);
        let begun = self.calls.lock().unwrap().len() as u64;
        assert!(stats.succeeded + stats.failed + stats.panicked <= begun);
        stats
    }

    fn produce_many(&self, submitter: &Submitter<Payload>, random: &mut Random, books: &mut Books) {
        let count = match is_large(submitter.capacity()) {
            true => random.pick(&[64, 130, 300]),
            false => random.pick(&[0, 1, 5, 64, 130]),
        };
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
            tasks.iter().map(|task| task.payload.unpack()).collect()
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

type Bakers = TaskQueue<Payload, Product, Product>;
type Outcome = WorkerResult<Payload, Product, Product>;

fn options(
    random: &mut Random,
    strategy: BackpressureStrategy,
    policy: ResultsPolicy,
) -> QueueOptions {
    let backoff = match random.below(5) {
        0 => Backoff::none(),
        1 => Backoff::constant(random.micros(300)),
        2 => Backoff::custom(|n| Duration::from_micros(u64::from(n) * 50)),
        // Its panic settles the task.
        3 => Backoff::custom(|n| match n {
            2 => panic_as_planned(),
            _ => Duration::from_micros(20),
        }),
        _ => Backoff::exponential(Duration::from_micros(20)).jitter(Jitter::Full),
    };
    let capacity = random.pick(&[1, 1, 2, 3, 8, 100, 256, 300]);
    QueueOptions::new(capacity, 1 + random.below(4) as usize)
        .max_retries(random.below(4) as u32)
        .backoff(backoff)
        .backpressure(strategy)
        .retry_waits(random.pick(&[RetryWaits::FreeWorker, RetryWaits::HoldWorker]))
        .results(policy)
}

/// Ends the queue in one of all ways. Returns what that returns, or `None` if it
/// drops results that nobody took.
fn end(queue: Bakers, bakery: &Bakery, random: &mut Random) -> Option<Vec<Outcome>> {
    let results = match random.below(9) {
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
            let unwinds = || {
                let _queue = queue;
                panic_as_planned()
            };
            assert_eq!(unless_planned::<()>(unwinds), None);
            return None;
        }
        7 => {
            bakery.let_a_worker_drop(queue, random);
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
    let policy = match random.below(8) {
        0 => ResultsPolicy::Discard,
        1 => ResultsPolicy::KeepFailures,
        _ => ResultsPolicy::Keep,
    };
    let bakery = Arc::new(Bakery {
        live: Live::default(),
        keys: AtomicU64::new(0),
        books: Mutex::default(),
        calls: Mutex::default(),
        submitter: OnceLock::new(),
        slot: Mutex::default(),
        oven: RwLock::default(),
        has_surprised: AtomicBool::new(false),
        seed: random.next(),
        strategy,
    });
    let handler = {
        let bakery = Arc::clone(&bakery);
        move |attempt: &Attempt<'_, Payload>| bakery.handle(attempt)
    };
    let queue = TaskQueue::new(
        handler,
        options(&mut random, strategy, policy).thread_name(prefix.clone()),
    )
    .unwrap();
    let submitter = queue.submitter();
    assert!(bakery.submitter.set(queue.submitter()).is_ok());
    let mut results = Vec::new();
    let mut kept = Some(policy);
    thread::scope(|scope| {
        // Those who submit to a large queue find it full, and have to wait until
        // there is much room.
        let cold = is_large(queue.capacity()).then(|| bakery.oven.write().unwrap());
        if cold.is_some() {
            bakery.fill(&submitter, random.split());
        }
        // Its batches are larger, too.
        let rounds = if cold.is_some() { 20 } else { 60 };
        let producers: Vec<_> = (0..1 + random.below(4))
            .map(|_| {
                let (bakery, submitter) = (&bakery, submitter.clone());
                let (random, rounds) = (random.split(), random.below(rounds));
                scope.spawn(move || bakery.produce(&submitter, random, rounds))
            })
            .collect();
        if cold.is_some() {
            for _ in 0..random.below(100) {
                thread::yield_now();
            }
        }
        drop(cold);
        let takers: Vec<_> = (0..random.below(3))
            .map(|_| {
                let receiver = queue.results();
                scope.spawn(move || receiver.iter().inspect(defuse).collect::<Vec<_>>())
            })
            .collect();
        for _ in 0..random.pick(&[0, 0, 0, 1, 3]) {
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
            thread::scope(|watchers| {
                for _ in 0..2 {
                    let (queue, wait) = (&queue, random.micros(500));
                    let (bakery, submitter) = (&bakery, &submitter);
                    watchers.spawn(move || {
                        let _ = queue.wait_idle_timeout(wait);
                        bakery.look(submitter);
                    });
                }
                if random.chance(30) {
                    // Handlers and producers come to an end by themselves, and
                    // then the queue is idle if not before.
                    watchers.spawn(|| queue.wait_idle());
                }
            });
        }
        if random.chance(20) {
            for producer in producers {
                producer.join().unwrap();
            }
            queue.wait_idle();
            let stats = bakery.look(&submitter);
            assert_eq!(stats.settled, stats.accepted, "it was idle too soon");
        }
        for _ in 0..random.below(2000) {
            thread::yield_now();
        }
        bakery.look(&submitter);
        match end(queue, &bakery, &mut random) {
            Some(rest) => results.extend(rest),
            None => kept = None,
        }
        for taker in takers {
            results.extend(taker.join().unwrap());
        }
    });
    no_thread_is_left(&prefix);
    check(&bakery, &submitter, results, kept);
}

/// The caller may drop it now.
fn defuse(result: &Outcome) {
    match &result.outcome {
        Ok(value) => value.counted.defuse(),
        Err(failure) => {
            failure.task.payload.counted.defuse();
            if let TaskError::Failed(error) = &failure.error {
                error.counted.defuse();
            }
        }
    }
}

/// What became of one task.
struct Fate {
    id: TaskId,
    outcome: &'static str,
}

fn fate(result: &Outcome) -> (u64, Fate) {
    let (key, outcome) = match &result.outcome {
        Ok(value) => (value.key, "succeeded"),
        Err(failure) => {
            assert_eq!(failure.task.id(), Some(&result.task_id));
            let key = failure.task.payload.key;
            let outcome = match &failure.error {
                TaskError::Failed(error) => {
                    assert_eq!(error.key, key, "the error of another task");
                    "failed"
                }
                TaskError::Panicked(message) => {
                    assert_eq!(message, PLANNED);
                    "panicked"
                }
                TaskError::Aborted => "aborted",
                _ => panic!("there is no other way to fail"),
            };
            (key, outcome)
        }
    };
    let id = result.task_id.clone();
    (key, Fate { id, outcome })
}

/// `kept`: by which policy, if every result that was kept was received.
fn check(
    bakery: &Bakery,
    submitter: &Submitter<Payload>,
    results: Vec<Outcome>,
    kept: Option<ResultsPolicy>,
) {
    let books = std::mem::take(&mut *bakery.books.lock().unwrap());
    let calls = std::mem::take(&mut *bakery.calls.lock().unwrap());
    assert!(submitter.is_closed());
    let has_surprised = bakery.has_surprised.load(Ordering::SeqCst);
    assert!(!has_surprised, "a handler's panic, see above");

    // No task has two results, and each comes under the id that was told.
    let mut fates = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for result in &results {
        defuse(result);
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
    if kept == Some(ResultsPolicy::Keep) {
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
    assert_eq!((stats.ready, stats.waiting, stats.running), (0, 0, 0));
    assert_eq!(stats.accepted, books.accepted.len() as u64);
    if let Some(policy) = kept {
        for (outcome, settled) in [
            ("succeeded", stats.succeeded),
            ("failed", stats.failed),
            ("panicked", stats.panicked),
            ("aborted", stats.aborted),
        ] {
            let received = fates.values().filter(|fate| fate.outcome == outcome);
            let expected = match policy {
                ResultsPolicy::Keep => settled,
                ResultsPolicy::KeepFailures if outcome != "succeeded" => settled,
                _ => 0,
            };
            assert_eq!(received.count() as u64, expected, "{outcome}");
        }
    }
    let retries: u64 = calls.values().map(|&calls| u64::from(calls) - 1).sum();
    assert_eq!(stats.retries, retries);
    assert_eq!(stats.dropped + stats.refused, handed_back);
    let dropped = books.dropped.len() as u64;
    assert!((dropped..=dropped + books.either).contains(&stats.dropped));

    drop(results);
    let left = bakery.live.count();
    assert_eq!(left, 0, "payloads, values or errors are left");
}

#[test]
fn every_accepted_task_has_one_result_whatever_happens() {
    for_a_while(0, bake);
}
