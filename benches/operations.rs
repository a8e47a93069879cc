//! What one operation costs, for finding regressions. Comparisons with peers
//! are in `src/main.rs`: they need rounds that take turns, which criterion
//! does not do.
//!
//! `cargo bench --manifest-path benches/Cargo.toml`

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use taskshelf::{Attempt, PriorityQueue, QueueOptions, ResultsPolicy, TaskQueue};

/// Push and pop in turn, with `depth` items in the queue throughout.
fn push_and_pop(c: &mut Criterion) {
    let mut group = c.benchmark_group("push and pop");
    for depth in [0_u64, 100, 10_000, 1_000_000] {
        for levels in [1_u64, 4, 1000] {
            let queue = PriorityQueue::new(usize::MAX);
            let mut items = (0..).map(|n: u64| ((scatter(n) % levels) as i32, n));
            queue
                .push_all(items.by_ref().take(depth as usize))
                .expect("it is open");
            let id = BenchmarkId::new(format!("{levels} priorities"), depth);
            group.bench_function(id, |b| {
                b.iter(|| {
                    let (priority, item) = items.next().expect("it is endless");
                    queue.push(priority, item).expect("it is open");
                    queue.pop()
                });
            });
        }
    }
    group.finish();
}

/// Submit a task to one idle worker, and wait until it is settled.
fn round_trip(c: &mut Criterion) {
    let queue = TaskQueue::new(
        |attempt: &Attempt<'_, u64>| Ok::<_, ()>(attempt.payload),
        QueueOptions::new(1024, 1).results(ResultsPolicy::Discard),
    )
    .expect("one thread starts");
    c.bench_function("submit and wait until idle", |b| {
        b.iter(|| {
            queue.submit(1).expect("it is open");
            queue.wait_idle();
        });
    });
}

fn scatter(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

criterion_group!(operations, push_and_pop, round_trip);
criterion_main!(operations);
