//! How long the most urgent task waits behind a queue of others.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crate::effort::Effort;
use crate::paired::{Comparison, Contender, Spread};
use crate::peers::channels::{Crossbeam, HeapAndCondvar, Kanal};
use crate::peers::pools::{ByHand, Pool, Shelf};
use crate::report::{Report, Row};
use crate::work::{nanos, work};

const CAPACITY: u64 = 1024;
const WORKERS: [usize; 2] = [1, 2];
const SAMPLES: usize = 10;

/// A task that holds a worker until the queue is full.
const GATE: u64 = 0;
/// A task of about 3 us. Every other number is the time at which the gate was
/// opened for the urgent task.
const ORDINARY: u64 = 1;

/// What room there is for the urgent task.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    /// The last place in the queue.
    Last,
    /// None; its submitter waits for some.
    None,
}

struct Full<P> {
    pool: P,
    workers: u64,
    gate: Arc<Barrier>,
    handled: Arc<AtomicU64>,
    /// From the opening of the gate to the start of the urgent task.
    waited: Arc<AtomicU64>,
}

impl<P: Pool> Full<P> {
    fn start(workers: usize) -> Self {
        let gate = Arc::new(Barrier::new(workers + 1));
        let handled = Arc::new(AtomicU64::new(0));
        let waited = Arc::new(AtomicU64::new(0));
        let all = (Arc::clone(&gate), Arc::clone(&handled), Arc::clone(&waited));
        let pool = P::start(CAPACITY as usize, workers, move |task| {
            let (gate, handled, waited) = &all;
            match task {
                GATE => {
                    gate.wait();
                    gate.wait();
                }
                ORDINARY => {
                    work(task, 3_000);
                }
                opened => waited.store(nanos().saturating_sub(opened), Ordering::SeqCst),
            }
            handled.fetch_add(1, Ordering::SeqCst);
            task
        });
        Self {
            pool,
            workers: workers as u64,
            gate,
            handled,
            waited,
        }
    }

    /// Microseconds.
    fn sample(&self, room: Room) -> f64 {
        let ordinary = CAPACITY - u64::from(room == Room::Last);
        self.handled.store(0, Ordering::SeqCst);
        (0..self.workers).for_each(|_| self.pool.submit(0, GATE));
        self.gate.wait();
        (0..ordinary).for_each(|_| self.pool.submit(0, ORDINARY));
        let opened = nanos();
        if room == Room::Last {
            self.pool.submit(i32::MAX, opened);
        }
        self.gate.wait();
        if room == Room::None {
            self.pool.submit(i32::MAX, opened);
        }
        while self.handled.load(Ordering::SeqCst) < self.workers + ordinary + 1 {
            thread::sleep(Duration::from_micros(100));
        }
        self.waited.load(Ordering::SeqCst) as f64 / 1000.0
    }

    fn median(&self, room: Room) -> f64 {
        Spread::of((0..SAMPLES).map(|_| self.sample(room)).collect()).median
    }
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    for (room, name) in [(Room::Last, "the last place"), (Room::None, "no place")] {
        let rows = WORKERS.map(|workers| {
            let shelf = Full::<Shelf>::start(workers);
            let crossbeam = Full::<ByHand<Crossbeam>>::start(workers);
            let kanal = Full::<ByHand<Kanal>>::start(workers);
            let heap = Full::<ByHand<HeapAndCondvar, Crossbeam>>::start(workers);
            let contenders = vec![
                Contender::ours("taskshelf", || shelf.median(room)),
                Contender::peer("crossbeam", || crossbeam.median(room)),
                Contender::peer("kanal", || kanal.median(room)),
                Contender::peer("heap+condvar", || heap.median(room)),
            ];
            let comparison = Comparison::run(contenders, effort.rounds);
            Row::new(workers.to_string(), comparison)
        });
        report.compare(
            &format!("urgent, {name} free"),
            &format!("An urgent task after 1024 of 3 us, {name} free, until it starts: us"),
            "workers",
            &rows,
        );
    }
    report.note(
        "Timed from the moment at which the workers, held back until then, may begin. crossbeam \
         and kanal are FIFO.",
    );
    Ok(())
}
