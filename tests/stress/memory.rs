//! Very many tasks and little memory.

use std::env;
use std::process::Command;
use std::thread;
use std::time::Instant;

use taskshelf::{Attempt, QueueOptions, ResultsPolicy, TaskQueue};

use crate::support::{say, variable};

const ALONE: &str = "TASKSHELF_ALONE";

/// How many pages of memory this process holds, where the system tells.
fn resident_pages() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = statm.split_whitespace().nth(1);
    resident.map_or(0, |pages| pages.parse().unwrap())
}

const BATCH: u64 = 1000;

/// Lets tasks that do nothing pass through a queue, from a thread that submits
/// them in batches. Returns the memory held after a twentieth of them, after
/// half, and at the end.
fn pass_through(tasks: u64, policy: ResultsPolicy) -> [u64; 3] {
    let queue = TaskQueue::new(
        |attempt: &Attempt<'_, u64>| Ok::<_, ()>(attempt.payload),
        QueueOptions::new(1024, 2).results(policy),
    )
    .unwrap();
    let results = queue.results();
    let receiver = results.clone();
    let taker = thread::spawn(move || receiver.iter().count() as u64);
    let marks = [tasks / 20, tasks / 2, tasks];
    let mut pages = [0; 3];
    for first in (0..tasks).step_by(BATCH as usize) {
        queue.submit_all(first..first + BATCH).unwrap();
        // Results that nobody has taken yet are held, of course.
        while results.len() > 1000 {
            thread::yield_now();
        }
        for (mark, pages) in marks.iter().zip(&mut pages) {
            if *mark == first + BATCH {
                *pages = resident_pages();
            }
        }
    }
    queue.close();
    let taken = taker.join().unwrap();
    queue.wait_idle();
    assert_eq!(queue.stats().succeeded, tasks);
    assert_eq!(
        taken,
        if policy == ResultsPolicy::Keep {
            tasks
        } else {
            0
        }
    );
    assert!(queue.drain().is_empty());
    pages
}

/// In a process of its own, for the other tests of this one need memory, too.
#[test]
fn memory_stays_flat_however_many_tasks_pass() {
    let tasks: u64 = variable("TASKSHELF_TASKS").unwrap_or(200_000);
    let tasks = tasks.next_multiple_of(20 * BATCH);
    if env::var_os(ALONE).is_some() {
        for policy in [ResultsPolicy::Keep, ResultsPolicy::Discard] {
            let start = Instant::now();
            let [early, middle, end] = pass_through(tasks, policy);
            say(&format!(
                "{policy:?}: {tasks} tasks in {:.1} s; resident pages early {early}, \
                 in the middle {middle}, at the end {end}",
                start.elapsed().as_secs_f64()
            ));
            // A megabyte of pages of 4 KiB.
            assert!(end <= early + 256, "grew from {early} pages to {end}");
        }
        return;
    }
    let test = "memory::memory_stays_flat_however_many_tasks_pass";
    let output = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    say(&said);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches(" tasks in ").count(), 2, "it did not run");
}
