//! What the numbers are wanted to be.

use crate::paired::geometric_mean;
use crate::report::{Grid, Report, brief};

/// Which of a table's ratios counts.
enum Of {
    /// The greatest.
    Worst,
    /// The geometric mean.
    Mean,
}

struct Target {
    what: &'static str,
    /// Under which the table noted its findings.
    subject: &'static str,
    versus: &'static str,
    of: Of,
    at_most: f64,
    /// Who works under the same constraints: one lock and condvars, or results that tell as
    /// much.
    equal: Option<&'static str>,
}

const fn target(
    what: &'static str,
    subject: &'static str,
    versus: &'static str,
    of: Of,
    at_most: f64,
) -> Target {
    Target {
        what,
        subject,
        versus,
        of,
        at_most,
        equal: None,
    }
}

impl Target {
    const fn beside(mut self, equal: &'static str) -> Self {
        self.equal = Some(equal);
        self
    }

    /// The ratio that counts, if there are any.
    fn ratio(&self, findings: &[f64]) -> Option<f64> {
        match self.of {
            _ if findings.is_empty() => None,
            Of::Worst => findings.iter().copied().reduce(f64::max),
            Of::Mean => Some(geometric_mean(findings)),
        }
    }
}

/// A ring under one lock, with condvars.
const FLOOR: &str = "floor (bound)";
/// A pool by hand whose results tell as much.
const REPORTING: &str = "by hand, same results";
/// A heap that several threads can use.
const LOCKED_HEAP: &str = "Mutex<BinaryHeap>";

#[rustfmt::skip]
const TARGETS: [Target; 30] = [
    target("queues, capacity 1024, every shape", "queues 1024", "crossbeam", Of::Worst, 0.9).beside(FLOOR),
    target("queues, capacity 1024, all shapes", "queues 1024", "crossbeam", Of::Mean, 0.55).beside(FLOOR),
    target("queues, capacity 1024, all shapes", "queues 1024", "kanal", Of::Mean, 1.4).beside(FLOOR),
    target("queues, capacity 64, every shape", "queues 64", "crossbeam", Of::Worst, 1.0).beside(FLOOR),
    target("queues, capacity 1, every shape", "queues 1", "crossbeam", Of::Worst, 1.0).beside(FLOOR),
    target("batches of 32, all shapes", "batches", "kanal", Of::Mean, 0.4).beside("floor by 32"),
    target("pools, 0 us, every number of workers", "pools 0.0 us", "crossbeam", Of::Worst, 0.9).beside(REPORTING),
    target("pools, 0 us, every number of workers", "pools 0.0 us", "kanal", Of::Worst, 1.0).beside(REPORTING),
    target("pools, 0 us, every number of workers", "pools 0.0 us", "threadpool", Of::Worst, 0.6).beside(REPORTING),
    target("pools, 0 us, every number of workers", "pools 0.0 us", "rusty_pool", Of::Worst, 0.5).beside(REPORTING),
    target("pools, 0 us, every number of workers", "pools 0.0 us", "rayon", Of::Worst, 0.4).beside(REPORTING),
    target("pools, 0.3 us, every number of workers", "pools 0.3 us", "best peer", Of::Worst, 1.05).beside(REPORTING),
    target("pools, 3 us, every number of workers", "pools 3.0 us", "best peer", Of::Worst, 1.05).beside(REPORTING),
    target("pools, 30 us, every number of workers", "pools 30.0 us", "best peer", Of::Worst, 1.05).beside(REPORTING),
    target("latency when idle, median", "latency p50", "crossbeam", Of::Worst, 0.4),
    target("latency when idle, p99", "latency p99", "crossbeam", Of::Worst, 1.0),
    target("depth, 1 priority, every depth", "depth 1", "BinaryHeap", Of::Worst, 1.0).beside(LOCKED_HEAP),
    target("depth, 4 priorities, every depth", "depth 4", "BinaryHeap", Of::Worst, 1.0).beside(LOCKED_HEAP),
    target("depth, 1000 priorities, every depth", "depth 1000", "BinaryHeap", Of::Worst, 1.0).beside(LOCKED_HEAP),
    target("depth, all distinct, every depth", "depth all distinct", "BinaryHeap", Of::Worst, 1.0).beside(LOCKED_HEAP),
    target("deep over shallow, 4 priorities", "depth growth", "10^2 queued", Of::Worst, 1.3),
    target("bytes a queued task, 1 priority", "memory 1", "beyond itself", Of::Worst, 32.0),
    target("bytes a queued task, 4 priorities", "memory 4", "beyond itself", Of::Worst, 32.0),
    target("bytes a queued task, 1000 priorities", "memory 1000", "beyond itself", Of::Worst, 32.0),
    target("bytes a queued task, all distinct", "memory all distinct", "beyond itself", Of::Worst, 32.0),
    target("retries, 2 workers", "retries", "crossbeam, sleeping", Of::Worst, 0.1),
    target("checksum of many files", "checksum", "by hand", Of::Worst, 1.0),
    target("checksum of many files", "checksum", "sha256sum", Of::Worst, 0.6),
    target("wake-ups a second, 64 idle workers", "threads 64", "at rest", Of::Worst, 0.0),
    target("wake-ups a second, any number idle", "threads", "at rest", Of::Worst, 0.0),
];

/// Prints those targets that something was found about.
pub fn print(report: &Report) {
    let mut grid = Grid::new([
        "what",
        "against",
        "at most",
        "measured",
        "met",
        "under the same constraints",
        "against that",
    ]);
    let mut met = 0;
    let mut known = 0;
    for target in &TARGETS {
        let findings = |versus| report.findings(target.subject, versus);
        let Some(value) = target.ratio(&findings(target.versus)) else {
            continue;
        };
        let of = match target.of {
            Of::Worst => "worst",
            Of::Mean => "mean",
        };
        let is_met = value <= target.at_most;
        known += 1;
        met += u32::from(is_met);
        let equal = target.equal.and_then(|equal| {
            let ratio = target.ratio(&findings(equal))?;
            Some((String::from(equal), brief(ratio)))
        });
        let (equal, of_equal) = equal.unwrap_or_default();
        grid.row([
            target.what.to_owned(),
            target.versus.to_owned(),
            format!("{} ({of})", target.at_most),
            brief(value),
            String::from(if is_met { "yes" } else { "**no**" }),
            equal,
            of_equal,
        ]);
    }
    if known > 0 {
        report.grid(&format!("Summary: {met} of {known} targets met"), &grid);
    }
}
