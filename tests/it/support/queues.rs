//! Queues that return their payloads, most with one worker that is held at a gate.

use taskshelf::{Attempt, BackpressureStrategy, QueueOptions, RetryWaits, Task, TaskQueue};

use super::Gate;

/// What holds for retries holds wherever a task waits.
pub(crate) const BOTH_WAITS: [RetryWaits; 2] = [RetryWaits::FreeWorker, RetryWaits::HoldWorker];

pub(crate) const STRATEGIES: [BackpressureStrategy; 3] = [
    BackpressureStrategy::Block,
    BackpressureStrategy::Drop,
    BackpressureStrategy::Error,
];

/// A queue that returns its payloads.
pub(crate) type Echo = TaskQueue<u32, u32, &'static str>;

pub(crate) fn echo(capacity: usize, workers: usize) -> Echo {
    TaskQueue::new(
        |attempt: &Attempt<'_, u32>| Ok(attempt.payload),
        QueueOptions::new(capacity, workers),
    )
    .unwrap()
}

/// A queue of one worker, which is held at the gate with a task of payload 0
/// that comes before all others. Every handler passes the gate.
pub(crate) fn gated(capacity: usize, strategy: BackpressureStrategy) -> (Echo, Gate) {
    gated_with(QueueOptions::new(capacity, 1).backpressure(strategy))
}

/// The same with any options for one worker.
pub(crate) fn gated_with(options: QueueOptions) -> (Echo, Gate) {
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        move |attempt: &Attempt<'_, u32>| {
            gate.pass();
            Ok(attempt.payload)
        }
    };
    let queue = TaskQueue::new(handler, options).unwrap();
    queue.submit(0).unwrap();
    gate.arrived(1);
    (queue, gate)
}

/// [`gated`], with the payloads 1 to `capacity` filling it.
pub(crate) fn full(capacity: usize, strategy: BackpressureStrategy) -> (Echo, Gate) {
    let (queue, gate) = gated(capacity, strategy);
    for payload in 1..=u32::try_from(capacity).unwrap() {
        queue.try_submit(payload).unwrap();
    }
    (queue, gate)
}

/// A task with nothing left at its default.
pub(crate) fn odd_task() -> Task<u32> {
    Task::new(99)
        .with_id("odd")
        .with_priority(-7)
        .with_retries(2)
}
