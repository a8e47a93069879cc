//! Everything that can be done with a `TaskQueue`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{
    Attempt, Backoff, BackpressureStrategy, Jitter, QueueOptions, ResultsPolicy, RetryWaits,
    SubmitError, Submitted, Submitter, Task, TaskError, TaskId, TaskQueue, WorkerResult,
};

use crate::random::Random;
use crate::support::{Counted, Live, balanced, for_a_while, no_thread_is_left};

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
    /// For a handler to drop on a worker of its own.
    slot: Mutex<Option<Bakers>>,
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

type Bakers = TaskQueue<Payload, u64, String>;
type Outcome = WorkerResult<Payload, u64, String>;

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
            let unwinds = AssertUnwindSafe(|| {
                let _queue = queue;
                resume_unwind(Box::new("planned"));
            });
            assert!(catch_unwind(unwinds).is_err());
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
    let policy = match random.chance(15) {
        true => ResultsPolicy::Discard,
        false => ResultsPolicy::Keep,
    };
    let bakery = Arc::new(Bakery {
        live: Live::default(),
        keys: AtomicU64::new(0),
        books: Mutex::default(),
        calls: Mutex::default(),
        submitter: OnceLock::new(),
        slot: Mutex::default(),
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
    let mut complete = policy == ResultsPolicy::Keep;
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
                    watchers.spawn(move || {
                        let _ = queue.wait_idle_timeout(wait);
                        balanced(&queue.stats());
                    });
                }
            });
        }
        for _ in 0..random.below(2000) {
            thread::yield_now();
        }
        balanced(&queue.stats());
        match end(queue, &bakery, &mut random) {
            Some(rest) => results.extend(rest),
            None => complete = false,
        }
        for taker in takers {
            results.extend(taker.join().unwrap());
        }
    });
    no_thread_is_left(&prefix);
    check(&bakery, &submitter, results, complete);
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
    for_a_while(0, bake);
}
