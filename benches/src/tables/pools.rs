//! The worker layer: tasks that take no, some, or much time, with one result
//! each.

use std::error::Error;

use crate::charts::{Chart, Marks, Panel};
use crate::effort::Effort;
use crate::paired::{Comparison, Contender, nanos_each};
use crate::peers::channels::{Crossbeam, Floor, Kanal};
use crate::peers::pools::{ByHand, Closures, Pool, Reporting, Shelf, contained_and_timed};
use crate::report::{Report, Row};
use crate::work::work;

const CAPACITY: usize = 1024;
const WORKERS: [usize; 3] = [1, 2, 4];
/// Steps of [`work`] and what they come to: about 0, 0.3, 3 and 30 us.
const STEPS: [u64; 4] = [0, 300, 3_000, 30_000];

/// Starts a pool, runs `tasks` tasks in it and checks that their results sum
/// up to `expected`. Returns nanoseconds a task, those of starting and joining
/// the threads included.
pub fn run<P: Pool>(
    workers: usize,
    tasks: u64,
    expected: u64,
    handler: impl Fn(u64) -> u64 + Send + Sync + 'static,
) -> f64 {
    nanos_each(tasks, || {
        let pool = P::start(CAPACITY, workers, handler);
        for task in 0..tasks {
            pool.submit(0, task);
        }
        assert_eq!(sum(pool.finish()), expected, "results were lost");
    })
}

/// Around the ends of `u64` if need be.
pub fn sum(results: impl Iterator<Item = u64>) -> u64 {
    results.fold(0, u64::wrapping_add)
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut panels = Vec::new();
    for steps in STEPS {
        let tasks = match steps {
            0 => effort.items / 2,
            _ => effort.items * 100 / (steps + 400),
        };
        let handler = move |task| work(task, steps);
        let expected = sum((0..tasks).map(handler));
        let rows = WORKERS.map(|workers| {
            let contenders = vec![
                Contender::ours("taskshelf", || {
                    run::<Shelf>(workers, tasks, expected, handler)
                }),
                Contender::peer("crossbeam", || {
                    run::<ByHand<Crossbeam>>(workers, tasks, expected, handler)
                }),
                Contender::peer("kanal", || {
                    run::<ByHand<Kanal>>(workers, tasks, expected, handler)
                }),
                Contender::peer("rayon", || {
                    run::<Closures<rayon::ThreadPool>>(workers, tasks, expected, handler)
                }),
                Contender::peer("threadpool", || {
                    run::<Closures<threadpool::ThreadPool>>(workers, tasks, expected, handler)
                }),
                Contender::peer("rusty_pool", || {
                    run::<Closures<rusty_pool::ThreadPool>>(workers, tasks, expected, handler)
                }),
                Contender::aside("by hand, same results", || {
                    run::<Reporting>(workers, tasks, expected, handler)
                }),
                Contender::aside("floor (bound)", || {
                    let handler = contained_and_timed(handler);
                    run::<ByHand<Floor, Crossbeam>>(workers, tasks, expected, handler)
                }),
            ];
            let comparison = Comparison::run(contenders, effort.rounds);
            Row::new(workers.to_string(), comparison)
        });
        let length = format!("{:.1} us", steps as f64 / 1000.0);
        report.compare(
            &format!("pools {length}"),
            &format!("Worker layer, tasks of {length}: ns per task"),
            "workers",
            &rows,
        );
        panels.push((format!("tasks of {length}"), rows));
    }
    report.note(
        "crossbeam, kanal: pools written by hand, bounded in and unbounded out, results that are \
         a `u64` and nothing else. By hand, same results: that on crossbeam, with results that \
         tell what taskshelf's do (which task, value or panic, attempts, duration). Floor: the first \
         around the floor of the queue layer, with results through an unbounded crossbeam \
         channel, two looks at the clock and a `catch_unwind` for each task.",
    );
    report.chart(
        "pools.svg",
        &Chart {
            title: "Tasks through a pool, one result each",
            x: "workers",
            y: "ns per task",
            marks: Marks::Bars,
            left_out: &[],
            panels: panels
                .iter()
                .map(|(title, rows)| Panel::new(title, rows))
                .collect(),
        },
    )
}
