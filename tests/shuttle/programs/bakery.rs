//! Programs of `TaskQueue`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex as StdMutex, OnceLock};

use shuttle::thread;
use taskshelf::model::now;
use taskshelf::{
    Attempt, BackpressureStrategy, QueueOptions, Receiver, ResultsPolicy, RetryWaits, Submitter,
    TaskQueue, TryRecvError, WorkerResult,
};

use super::course::{Course, Next};
use super::crew::{Crew, Gate};
use super::room::Room;
use super::world::{Wait, draw_world, tick};
use super::{run, say};
use crate::random::Random;
use crate::support::join;
use books::Books;
use customer::Customer;
use goods::Goods;
use owner::Owner;

mod books;
mod customer;
mod goods;
mod handler;
mod owner;

type Queue = TaskQueue<Goods, Goods, Goods>;
type Outcome = WorkerResult<Goods, Goods, Goods>;

// A sleeper who has what it waits for would mean that a wake-up was lost; a result too few,
// that a task was settled by nobody; goods left alive, that a queue or a result was leaked.
#[test]
fn no_program_loses_a_wake_up_or_a_result() {
    run(|mut random| {
        let large = draw_world(&mut random);
        let plan = Plan::draw(&mut random);
        say(format_args!("{plan:?}, large from {large}"));
        let bakery = Arc::new(Bakery::new(&plan, &mut random));
        let queue = start(&bakery, &plan, &mut random);
        let submitter = queue.submitter();
        let receiver = random.chance(40).then(|| queue.results());
        let mut threads: Vec<_> = (1..=1 + random.below(4))
            .map(|number| {
                let receiver = random.chance(30).then(|| queue.results());
                let (bakery, random) = (Arc::clone(&bakery), random.split());
                thread::spawn(move || Customer::new(&bakery, number, random).visit(receiver))
            })
            .collect();
        let owner = {
            let (bakery, random) = (Arc::clone(&bakery), random.split());
            thread::spawn(move || Owner::new(&bakery, random).own(queue))
        };
        threads.push(owner);
        let mut watch = Watch {
            room: Room::new(plan.capacity, plan.capacity >= large),
            plan,
            bakery: &bakery,
            submitter,
            random,
        };
        watch.keep();
        join(threads);
        watch.clear_out(receiver);
    });
}

/// How a queue is built.
#[derive(Debug)]
struct Plan {
    capacity: usize,
    workers: usize,
    retries: u32,
    backpressure: BackpressureStrategy,
    results: ResultsPolicy,
    waits: RetryWaits,
    /// Whether destructors use the queue, and panic.
    is_stormy: bool,
}

impl Plan {
    fn draw(random: &mut Random) -> Self {
        use BackpressureStrategy::{Block, Drop, Error};
        use ResultsPolicy::{Discard, Keep, KeepFailures};
        Self {
            capacity: 1 + random.below(5) as usize,
            workers: 1 + random.below(3) as usize,
            retries: random.below(4) as u32,
            backpressure: random.pick(&[Block, Block, Block, Drop, Error]),
            results: random.pick(&[Keep, Keep, Keep, KeepFailures, Discard]),
            waits: random.pick(&[RetryWaits::FreeWorker, RetryWaits::HoldWorker]),
            is_stormy: random.chance(40),
        }
    }
}

fn start(bakery: &Arc<Bakery>, plan: &Plan, random: &mut Random) -> Queue {
    let options = QueueOptions::new(plan.capacity, plan.workers)
        .max_retries(plan.retries)
        .backpressure(plan.backpressure)
        .results(plan.results)
        .retry_waits(plan.waits)
        .backoff(handler::backoff(bakery, random));
    let handler = {
        let bakery = Arc::clone(bakery);
        move |attempt: &Attempt<'_, Goods>| handler::handle(&bakery, attempt)
    };
    let queue = TaskQueue::new(handler, options).unwrap();
    assert!(bakery.submitter.set(queue.submitter()).is_ok());
    queue
}

/// What a thread may sleep in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    Submit,
    WaitIdle,
    Receive,
    End,
    Gate,
}

/// What all threads of a program know.
struct Bakery {
    people: Crew<Sleep>,
    handlers: Crew<Sleep>,
    gate: Gate,
    books: StdMutex<Books>,
    submitter: OnceLock<Submitter<Goods>>,
    /// For a handler to drop on a worker of its own.
    slot: StdMutex<Option<Queue>>,
    is_stormy: bool,
    /// Whether something else than planned has panicked on a worker.
    has_surprised: AtomicBool,
    /// Of what a handler does with a task.
    seed: u64,
}

impl Bakery {
    fn new(plan: &Plan, random: &mut Random) -> Self {
        Self {
            people: Crew::new(),
            handlers: Crew::new(),
            gate: Gate::default(),
            books: StdMutex::default(),
            submitter: OnceLock::new(),
            slot: StdMutex::new(None),
            is_stormy: plan.is_stormy,
            has_surprised: AtomicBool::new(false),
            seed: random.next(),
        }
    }

    fn submitter(&self) -> &Submitter<Goods> {
        self.submitter.get().expect("set before anybody submits")
    }

    /// For what runs where the queue contains panics: tells the main thread of one.
    fn tell_panics<R>(&self, f: impl FnOnce() -> R) -> R {
        catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
            self.has_surprised.store(true, SeqCst);
            resume_unwind(panic)
        })
    }

    /// The queue that its owner has left, if it still is there.
    fn take_queue(&self) -> Option<Queue> {
        self.slot.lock().unwrap().take()
    }
}

/// What the main thread does at a quiet point.
#[derive(Debug, Clone, Copy)]
enum Event {
    Tick,
    OpenGate,
    Submit,
    Close,
    Cancel,
    Drop,
}

/// The main thread.
struct Watch<'a> {
    bakery: &'a Arc<Bakery>,
    plan: Plan,
    room: Room,
    submitter: Submitter<Goods>,
    random: Random,
}

impl Watch<'_> {
    /// Until everybody has left, and every task is settled.
    fn keep(&mut self) {
        let mut course = Course::default();
        loop {
            thread::yield_now();
            let (people, handlers) = (self.bakery.people.asleep(), self.bakery.handlers.asleep());
            if self.check(&people, &handlers) && people.is_empty() {
                return;
            }
            let event = match course.next(&mut self.random, handlers.contains(&Sleep::Gate)) {
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
        if may_end && self.random.chance(60) {
            let ends = [Event::OpenGate, Event::Close, Event::Cancel, Event::Drop];
            return self.random.pick(&ends);
        }
        match self.random.below(12) {
            0..=3 => Event::Submit,
            4 => Event::Close,
            _ => Event::Tick,
        }
    }

    fn cause(&mut self, event: Event) {
        match event {
            Event::Tick => tick(),
            Event::OpenGate => self.bakery.gate.open(),
            Event::Submit => {
                let order = self.bakery.order(&mut self.random, 1);
                self.bakery.submit(&self.submitter, order, Wait::No);
            }
            Event::Close => {
                self.submitter.close();
            }
            Event::Cancel => self.submitter.cancel(),
            Event::Drop => self.drop_queue(),
        }
    }

    /// While the main thread joins the workers nobody moves the clock or opens the gate.
    fn drop_queue(&self) {
        if let Some(queue) = self.bakery.take_queue() {
            self.bakery.gate.open();
            queue.cancel();
        }
    }

    /// Nobody sleeps who has what it waits for. Returns whether the queue has ended.
    fn check(&mut self, people: &[Sleep], handlers: &[Sleep]) -> bool {
        let (stats, is_closed) = (self.submitter.stats(), self.submitter.is_closed());
        let is_cancelled = self.submitter.cancel_token().is_cancelled();
        say(format_args!(
            "quiet: {stats:?}, closed: {is_closed}, cancelled: {is_cancelled}; {people:?}; \
             handlers: {handlers:?}"
        ));
        assert!(!self.bakery.has_surprised.load(SeqCst), "see above");
        books::assert_balance(stats);
        assert_eq!(stats.running, handlers.len() as u64, "running");

        let held = match self.plan.waits {
            RetryWaits::HoldWorker => stats.waiting,
            _ => 0,
        };
        let has_idle_worker = stats.running + held < self.plan.workers as u64;
        if is_cancelled {
            assert_eq!((stats.ready, stats.waiting), (0, 0), "left by a cancel");
        } else if has_idle_worker || held > 0 {
            let now = now();
            let is_late = self.bakery.books().has_due(now);
            assert!(!is_late, "a worker sleeps beside a task that is due");
        }
        if has_idle_worker {
            assert_eq!(stats.ready, 0, "a worker sleeps beside a task");
        }

        let is_idle = stats.accepted == stats.settled;
        let is_over = is_idle && is_closed;
        let sleeps_in = |sleep| people.contains(&sleep);
        assert!(!(is_idle && sleeps_in(Sleep::WaitIdle)), "waits for idle");
        assert!(!(is_over && sleeps_in(Sleep::End)), "waits for the end");
        assert!(!(is_over && sleeps_in(Sleep::Receive)), "waits for results");
        let sleeps_for_room = sleeps_in(Sleep::Submit) || handlers.contains(&Sleep::Submit);
        assert!(
            !(is_closed && sleeps_for_room),
            "a submitter sleeps at the end"
        );
        let progress = self.bakery.people.steps() + self.bakery.handlers.steps() + stats.accepted;
        let length = stats.ready + stats.waiting;
        self.room.check(length as usize, sleeps_for_room, progress);
        is_over
    }

    /// Takes the last results, and compares the books.
    fn clear_out(&self, receiver: Option<Receiver<Outcome>>) {
        self.drop_queue();
        if let Some(receiver) = receiver {
            let error = loop {
                match receiver.try_recv() {
                    Ok(result) => self.bakery.record(result),
                    Err(error) => break error,
                }
            };
            assert_eq!(error, TryRecvError::Disconnected, "the stream goes on");
            self.bakery.books().has_all_results = true;
        }
        let books = self.bakery.books();
        books.assert_agree(self.submitter.stats(), self.plan.results);
    }
}
