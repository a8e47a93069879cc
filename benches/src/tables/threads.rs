//! Far more workers than cores: what they cost at work, at rest and at the end.

use std::error::Error;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{Attempt, QueueOptions, ResultsPolicy, TaskQueue};

use crate::effort::Effort;
use crate::paired::{Comparison, Contender, Spread};
use crate::peers::channels::Crossbeam;
use crate::peers::pools::{ByHand, Shelf};
use crate::report::{Grid, Report, Row, brief};
use crate::tables::pools::run;

const WORKERS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const SETTLING: Duration = Duration::from_millis(50);
const NAME: &str = "idle";

/// A queue that has worked and then fallen asleep.
fn idle_queue(workers: usize) -> TaskQueue<u64, (), ()> {
    let queue = TaskQueue::new(
        |_: &Attempt<'_, u64>| Ok(()),
        QueueOptions::new(1024, workers)
            .results(ResultsPolicy::Discard)
            .thread_name(NAME),
    )
    .expect("threads start");
    queue.submit_all(0..10_000).expect("it is open");
    queue.wait_idle();
    thread::sleep(SETTLING);
    queue
}

/// How often threads of this process whose names begin with [`NAME`] were
/// switched off a core, voluntarily or not, and how many there are.
fn switches() -> Result<(u64, usize), Box<dyn Error>> {
    let (mut switches, mut threads) = (0, 0);
    for task in fs::read_dir("/proc/self/task")? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        if field("Name:\t").is_some_and(|name| name.starts_with(NAME)) {
            threads += 1;
            for counter in [
                "voluntary_ctxt_switches:\t",
                "nonvoluntary_ctxt_switches:\t",
            ] {
                let count = field(counter).ok_or("the kernel does not count switches")?;
                switches += count.parse::<u64>()?;
            }
        }
    }
    Ok((switches, threads))
}

/// Wake-ups a second of all the workers of an idle queue.
fn wake_ups(workers: usize, duration: Duration) -> Result<f64, Box<dyn Error>> {
    let queue = idle_queue(workers);
    let (before, threads) = switches()?;
    assert_eq!(threads, workers, "somebody else's threads were counted");
    assert!(before > 0, "nothing was counted");
    thread::sleep(duration);
    let (after, _) = switches()?;
    drop(queue.drain());
    Ok((after - before) as f64 / duration.as_secs_f64())
}

/// Microseconds to drain a queue that has nothing to do.
fn drain(workers: usize) -> f64 {
    let queue = idle_queue(workers);
    let start = Instant::now();
    let results = queue.drain();
    let micros = start.elapsed().as_nanos() as f64 / 1000.0;
    assert!(results.is_empty(), "they are discarded");
    micros
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let tasks = effort.items / 4;
    let expected = (0..tasks).sum();
    let rows = WORKERS.map(|workers| {
        let contenders = vec![
            Contender::ours("taskshelf", || {
                run::<Shelf>(workers, tasks, expected, |task| task)
            }),
            Contender::peer("crossbeam", || {
                run::<ByHand<Crossbeam>>(workers, tasks, expected, |task| task)
            }),
        ];
        let comparison = Comparison::run(contenders, effort.rounds);
        Row::new(workers.to_string(), comparison)
    });
    report.compare(
        "threads",
        "Many workers, tasks of 0 us, threads started and joined: ns per task",
        "workers",
        &rows,
    );
    let mut grid = Grid::new(["workers", "drain, us", "wake-ups a second"]);
    for workers in WORKERS {
        let drains = (0..effort.rounds).map(|_| drain(workers)).collect();
        let wake_ups = wake_ups(workers, effort.idle)?;
        report.find("threads", "at rest", wake_ups);
        report.find(format!("threads {workers}"), "at rest", wake_ups);
        grid.row([
            workers.to_string(),
            brief(Spread::of(drains).median),
            brief(wake_ups),
        ]);
    }
    report.grid(
        &format!(
            "An idle queue: time to drain it, and context switches of all its workers in {:?}",
            effort.idle
        ),
        &grid,
    );
    Ok(())
}
