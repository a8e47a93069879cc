//! Tasks that fail once and are tried again after a delay.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{Attempt, Backoff, QueueOptions, RetryWaits, TaskQueue};

use crate::effort::Effort;
use crate::paired::{Comparison, Contender};
use crate::peers::channels::Crossbeam;
use crate::peers::pools::{ByHand, Pool};
use crate::report::{Report, Row};
use crate::work::work;

const CAPACITY: usize = 1024;
const WORKERS: usize = 2;
const TASKS: u64 = 2_000;
const DELAY: Duration = Duration::from_millis(10);
const STEPS: u64 = 3_000;

fn fails_at_first(task: u64) -> bool {
    task.is_multiple_of(10)
}

fn millis(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1000.0
}

fn shelf(waits: RetryWaits) -> f64 {
    millis(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, u64>| match attempt.number() {
                1 if fails_at_first(attempt.payload) => Err(()),
                _ => Ok(work(attempt.payload, STEPS)),
            },
            QueueOptions::new(CAPACITY, WORKERS)
                .backoff(Backoff::constant(DELAY))
                .retry_waits(waits),
        )
        .expect("threads start");
        for task in 0..TASKS {
            queue.submit(task).expect("it is open");
        }
        let results = queue.drain();
        let again = results.iter().filter(|result| result.attempts == 2);
        assert_eq!(again.count() as u64, TASKS / 10);
        let good = results.iter().filter(|result| result.outcome.is_ok());
        assert_eq!(good.count() as u64, TASKS);
    })
}

/// The textbook's worker, which sleeps where it is.
fn sleeping() -> f64 {
    millis(|| {
        let pool = ByHand::<Crossbeam>::start(CAPACITY, WORKERS, |task| {
            if fails_at_first(task) {
                thread::sleep(DELAY);
            }
            work(task, STEPS)
        });
        (0..TASKS).for_each(|task| pool.submit(0, task));
        assert_eq!(pool.finish().count() as u64, TASKS);
    })
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let contenders = vec![
        Contender::ours("FreeWorker", || shelf(RetryWaits::FreeWorker)),
        Contender::aside("HoldWorker", || shelf(RetryWaits::HoldWorker)),
        Contender::peer("crossbeam, sleeping", sleeping),
    ];
    // A turn takes a second.
    let comparison = Comparison::run(contenders, effort.rounds.min(5));
    report.compare(
        "retries",
        "2,000 tasks of 3 us, 1 in 10 fails once and waits 10 ms: ms in all",
        "workers",
        &[Row::new(WORKERS.to_string(), comparison)],
    );
    Ok(())
}
