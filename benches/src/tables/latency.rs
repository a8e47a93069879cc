//! How long a task waits for its handler to start when nothing else is going
//! on and everybody sleeps.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::charts::{Chart, Marks, Panel};
use crate::effort::Effort;
use crate::paired::{Comparison, Contender, Turns, take_turns};
use crate::peers::channels::{Crossbeam, Flume, Kanal};
use crate::peers::pools::{ByHand, Pool, Shelf};
use crate::report::{Report, Row};
use crate::work::nanos;

const WORKERS: [usize; 3] = [1, 2, 4];
/// Longer than anybody spins or yields before going to sleep.
const PAUSE: Duration = Duration::from_micros(300);

/// An idle pool whose tasks are the times of their own submission.
struct Idle<P> {
    pool: P,
    /// From submission to start, once the latest task has started; else 0.
    latest: Arc<AtomicU64>,
}

impl<P: Pool> Idle<P> {
    fn start(workers: usize) -> Self {
        let latest = Arc::new(AtomicU64::new(0));
        let report = Arc::clone(&latest);
        let pool = P::start(1024, workers, move |submitted| {
            let latency = nanos().saturating_sub(submitted).max(1);
            // ORDERING: the number is all there is to see.
            report.store(latency, Ordering::Relaxed);
            latency
        });
        Self { pool, latest }
    }

    fn sample(&self, samples: usize) -> Histogram<u64> {
        let mut histogram = histogram();
        for _ in 0..samples {
            self.pool.submit(0, nanos());
            let latency = loop {
                // Until the task is done with and everybody sleeps again.
                thread::sleep(PAUSE);
                match self.latest.swap(0, Ordering::Relaxed) {
                    0 => {}
                    latency => break latency,
                }
            };
            histogram.record(latency).expect("it grows");
        }
        histogram
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are few enough")
}

/// All rounds in one, for what is too rare for a round by itself.
fn merged(turns: Vec<Turns<Histogram<u64>>>) -> Vec<Turns<Histogram<u64>>> {
    let merge = |rounds: Vec<Histogram<u64>>| {
        rounds.into_iter().fold(histogram(), |mut all, round| {
            all += round;
            all
        })
    };
    turns
        .into_iter()
        .map(|turns| Turns {
            name: turns.name,
            role: turns.role,
            rounds: vec![merge(turns.rounds)],
        })
        .collect()
}

fn micros_at(quantile: f64) -> impl Fn(&Histogram<u64>) -> f64 {
    move |histogram| histogram.value_at_quantile(quantile) as f64 / 1000.0
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let [mut p50, mut p99, mut p999] = [const { Vec::new() }; 3];
    for workers in WORKERS {
        let shelf = Idle::<Shelf>::start(workers);
        let crossbeam = Idle::<ByHand<Crossbeam>>::start(workers);
        let kanal = Idle::<ByHand<Kanal>>::start(workers);
        let flume = Idle::<ByHand<Flume>>::start(workers);
        let contenders = vec![
            Contender::ours("taskshelf", || shelf.sample(effort.samples)),
            Contender::peer("crossbeam", || crossbeam.sample(effort.samples)),
            Contender::peer("kanal", || kanal.sample(effort.samples)),
            Contender::peer("flume", || flume.sample(effort.samples)),
        ];
        let turns = take_turns(contenders, 2 * effort.rounds);
        let label = workers.to_string();
        p50.push(Row::new(&label, Comparison::of(&turns, micros_at(0.5))));
        p99.push(Row::new(&label, Comparison::of(&turns, micros_at(0.99))));
        let all = merged(turns);
        p999.push(Row::new(&label, Comparison::of(&all, micros_at(0.999))));
    }
    for (name, rows) in [("p50", &p50), ("p99", &p99), ("p99.9", &p999)] {
        report.compare(
            &format!("latency {name}"),
            &format!("From `submit` to the start of the handler, all asleep, {name}: us"),
            "workers",
            rows,
        );
    }
    report.note("p50 and p99 by rounds, p99.9 over all rounds at once.");
    report.chart(
        "latency.svg",
        &Chart {
            title: "From submit to the start of the handler, everybody asleep",
            x: "workers",
            y: "us",
            marks: Marks::Bars,
            left_out: &[],
            panels: vec![Panel::new("median", &p50), Panel::new("p99", &p99)],
        },
    )
}
