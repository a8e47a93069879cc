//! How many bytes a queued task takes beyond itself.

use std::error::Error;
use std::sync::{Arc, Barrier};

use taskshelf::{Attempt, PriorityQueue, QueueOptions, Task, TaskQueue};

use crate::ALLOCATOR;
use crate::report::{Grid, Report, brief};
use crate::tables::depth::Priorities;

/// A table that doubles as it grows is then full, with nothing unused.
const FULL: u64 = 1 << 20;
/// The same table, with some unused.
const ROUND: u64 = 1_000_000;

/// The first few priorities have tables of their own. If there are more, they
/// get one item each here, and the table of the others is the one to be filled.
const LEVELS: u64 = 8;

fn priority(priorities: Priorities, number: u64) -> i32 {
    match priorities {
        Priorities::Some(count) if u64::from(count) > LEVELS && number > LEVELS => {
            (LEVELS + number % (u64::from(count) - LEVELS)) as i32
        }
        Priorities::Some(count) => ((number - 1) % u64::from(count)) as i32,
        Priorities::AllDistinct => priorities.nth(number),
    }
}

fn just_full(priorities: Priorities) -> u64 {
    match priorities {
        Priorities::Some(count) if u64::from(count) <= LEVELS => FULL,
        _ => FULL + LEVELS,
    }
}

/// To a tenth of a byte: the queue itself takes some hundred bytes.
fn each(growth: isize, count: u64) -> f64 {
    (growth as f64 / count as f64 * 10.0).round() / 10.0
}

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
    let opener = Task::new(0).with_priority(priority(priorities, 1));
    queue.submit(opener).expect("it is open");
    gate.wait();
    let growth = ALLOCATOR.growth(|| {
        for number in 1..=tasks {
            let task = Task::new(number).with_priority(priority(priorities, number));
            queue.submit(task).expect("it is open");
        }
    });
    assert_eq!(queue.stats().ready, tasks);
    gate.wait();
    assert_eq!(queue.drain().len() as u64, tasks + 1);
    each(growth, tasks) - size_of::<Task<u64>>() as f64
}

/// Bytes for each item in a [`PriorityQueue`] beyond the item.
fn priority_queue(priorities: Priorities, items: u64) -> f64 {
    type Item = [u64; 6];
    let queue = PriorityQueue::<Item>::new(usize::MAX);
    let growth = ALLOCATOR.growth(|| {
        for number in 1..=items {
            let pushed = queue.push(priority(priorities, number), [number; 6]);
            pushed.expect("it is open");
        }
    });
    assert_eq!(queue.len() as u64, items);
    each(growth, items) - size_of::<Item>() as f64
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
        let full = just_full(priorities);
        let task = task_queue(priorities, full);
        report.find(format!("memory {name}"), "beyond itself", task);
        grid.row([
            name,
            brief(task),
            brief(task_queue(priorities, ROUND)),
            brief(priority_queue(priorities, full)),
            brief(priority_queue(priorities, ROUND)),
        ]);
    }
    let size = size_of::<Task<u64>>();
    report.grid(
        "Memory: live bytes a queued task beyond `Task<u64>`, or beyond the item",
        &grid,
    );
    report.note(&format!(
        "`Task<u64>` has {size} bytes. 2^20 are queued (in the last two rows 8 more), where \
         tables that double as they grow are just full; with 10^6 their unused ends are counted too."
    ));
    Ok(())
}
