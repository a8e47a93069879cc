//! What one operation costs, for finding regressions. Comparisons with peers
//! are in `src/main.rs`: they need rounds that take turns, which criterion
//! does not do.
//!
//! `cargo bench --manifest-path benches/Cargo.toml --target-dir target`

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use taskshelf::{Attempt, Lease, PriorityQueue, QueueOptions, ResultsPolicy, TaskQueue};

const PRIORITIES: u64 = 4;

/// Push and pop in turn, with `depth` items in the queue throughout.
fn push_and_pop(c: &mut Criterion) {
    let mut group = c.benchmark_group("push and pop");
    for depth in [0, 100, 10_000, 1_000_000] {
        let queue = PriorityQueue::new(usize::MAX);
        let mut items = (0..).map(|n| ((scatter(n) % PRIORITIES) as i32, n));
        let pushed = queue.push_all(items.by_ref().take(depth));
        assert_eq!(pushed, Ok(depth));
        group.bench_function(BenchmarkId::from_parameter(depth), |b| {
            b.iter(|| {
                let (priority, item) = items.next().expect("it is endless");
                queue.push(priority, item).expect("it is open");
                queue.pop()
            });
        });
        assert_eq!(queue.len(), depth);
    }
    group.finish();
}

/// The same in an empty queue while an item waits for its time, which is looked up each
/// time.
fn push_and_pop_beside_one_that_waits(c: &mut Criterion) {
    let queue = PriorityQueue::new(usize::MAX);
    queue.push(0, 0).expect("it is open");
    let lease = queue.lease().expect("it is there");
    Lease::retry_after(lease, Duration::from_secs(3600)).expect("it is open");
    c.bench_function("push and pop, beside one that waits", |b| {
        b.iter(|| {
            queue.push(0, 1).expect("it is open");
            queue.pop()
        });
    });
    assert_eq!(queue.len(), 1);
}

/// Submit tasks to one idle worker, and wait until they are settled.
fn submit_and_wait(c: &mut Criterion) {
    let queue = TaskQueue::new(
        |attempt: &Attempt<'_, u64>| Ok::<_, ()>(attempt.payload),
        QueueOptions::new(1024, 1).results(ResultsPolicy::Discard),
    )
    .expect("one thread starts");
    let mut group = c.benchmark_group("submit and wait until idle");
    for tasks in [1, 1000] {
        group.bench_function(BenchmarkId::from_parameter(tasks), |b| {
            b.iter(|| {
                for task in 0..tasks {
                    queue.submit(task).expect("it is open");
                }
                queue.wait_idle();
            });
        });
    }
    group.finish();
    let stats = queue.stats();
    assert_eq!(stats.succeeded, stats.accepted);
}

fn scatter(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

criterion_group!(
    operations,
    push_and_pop,
    push_and_pop_beside_one_that_waits,
    submit_and_wait
);
criterion_main!(operations);
