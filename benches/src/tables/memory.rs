//! How many bytes a queued task takes beyond itself.

use std::error::Error;
use std::sync::{Arc, Barrier};

use taskshelf::{Attempt, PriorityQueue, QueueOptions, Task, TaskQueue};

use crate::ALLOCATOR;
use crate::report::{Grid, Report, brief};
use crate::tables::depth::Priorities;

/// A table that doubles as it grows is then full, with nothing unused.
const EXACT: u64 = 1 << 20;
/// The same table, with some unused.
const ROUND: u64 = 1_000_000;

/// Bytes for each task in a [`TaskQueue`] beyond `Task<u64>`. Its worker waits
/// at a gate meanwhile.
fn task_queue(priorities: Priorities, tasks: u64) -> f64 {
    let gate = Arc::new(Barrier::new(2));
    let worker = Arc::clone(&gate);
    let queue = TaskQueue::new(
        move |attempt: &Attempt<'_, u64>| {
            if attempt.payload == 0 {
                worker.wait();
                worker.wait();
            }
            Ok::<_, ()>(())
        },
        QueueOptions::new(usize::MAX, 1),
    )
    .expect("a thread starts");
    queue.submit(0).expect("it is open");
    gate.wait();
    let growth = ALLOCATOR.growth(|| {
        for number in 1..=tasks {
            let task = Task::new(number).with_priority(priorities.nth(number));
            queue.submit(task).expect("it is open");
        }
    });
    assert_eq!(queue.stats().ready, tasks);
    gate.wait();
    assert_eq!(queue.drain().len() as u64, tasks + 1);
    growth as f64 / tasks as f64 - size_of::<Task<u64>>() as f64
}

/// Bytes for each item in a [`PriorityQueue`] beyond the item.
fn priority_queue(priorities: Priorities, items: u64) -> f64 {
    type Item = [u64; 6];
    let queue = PriorityQueue::<Item>::new(usize::MAX);
    let growth = ALLOCATOR.growth(|| {
        for number in 1..=items {
            let pushed = queue.push(priorities.nth(number), [number; 6]);
            pushed.expect("it is open");
        }
    });
    assert_eq!(queue.len() as u64, items);
    growth as f64 / items as f64 - size_of::<Item>() as f64
}

pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut grid = Grid::new([
        "priorities",
        "`TaskQueue<u64, ..>`",
        "the same, 10^6",
        "`PriorityQueue<[u64; 6]>`",
        "the same, 10^6",
    ]);
    for priorities in Priorities::EACH {
        let name = priorities.name();
        let task = task_queue(priorities, EXACT);
        report.find(format!("memory {name}"), "beyond itself", task);
        grid.row([
            name,
            brief(task),
            brief(task_queue(priorities, ROUND)),
            brief(priority_queue(priorities, EXACT)),
            brief(priority_queue(priorities, ROUND)),
        ]);
    }
    let size = size_of::<Task<u64>>();
    report.grid(
        "Memory: live bytes a queued task beyond `Task<u64>`, or beyond the item",
        &grid,
    );
    report.note(&format!(
        "`Task<u64>` has {size} bytes. 2^20 are queued, where a table that doubles as it grows \
         is just full; with 10^6 the unused end of the same table is counted too."
    ));
    Ok(())
}
