//! A process that is stopped and continued.

use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use taskshelf::{Attempt, QueueOptions, RetryWaits, TaskQueue};

use crate::support::{BOTH_WAITS, Gate, Process, Recorder, is_child, say, until, within_seconds};

const DELAYS: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(110),
    Duration::from_millis(120),
    Duration::from_millis(400),
];

/// Longer than all delays but the last.
const STOP: Duration = Duration::from_millis(250);

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

fn is_stopped(child: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    stat.rsplit_once(") ").unwrap().1.starts_with('T')
}

/// Four tasks fail once, and each waits its delay. Returns how late the first
/// was for its second attempt.
fn wait_for_delays(waits: RetryWaits) -> Duration {
    let (starts, together) = (Recorder::new(), Gate::new());
    let handler = {
        let (starts, together) = (starts.clone(), together.clone());
        move |attempt: &Attempt<'_, usize>| {
            together.pass();
            starts.note((attempt.payload, Instant::now()));
            match attempt.number() {
                1 => Err(attempt.retry_after(DELAYS[attempt.payload], "later")),
                _ => Ok(attempt.payload),
            }
        }
    };
    let queue = TaskQueue::new(handler, QueueOptions::new(4, 4).retry_waits(waits)).unwrap();
    queue.submit_all(0..4).unwrap();
    together.arrived(4);
    together.open();
    until(|| {
        // On a slow machine the first delay may be over before the last begins.
        let stats = queue.stats();
        stats.waiting + stats.retries >= 4
    });
    say("waiting");
    // As long as all four wait the queue is full, so this waits as well, and
    // must end in any case.
    let extra = queue.submit_timeout(0, DELAYS[0]).is_ok();
    let results = queue.drain();
    assert_eq!(results.len(), 4 + usize::from(extra));
    let starts = starts.events();
    let gap = |task: usize| {
        let mut own = starts.iter().filter(|start| start.0 == task);
        let (first, second) = (own.next().unwrap().1, own.next().unwrap().1);
        second - first
    };
    for (task, delay) in DELAYS.into_iter().enumerate() {
        assert!(gap(task) >= delay, "task {task} was early: {:?}", gap(task));
    }
    gap(0) - DELAYS[0]
}

#[test]
fn a_process_that_is_stopped_and_continued_keeps_its_delays() {
    if is_child() {
        for waits in BOTH_WAITS {
            // Once more if the stop came too late to be noticed.
            while wait_for_delays(waits) < STOP - DELAYS[0] {}
            say("late");
        }
        return;
    }
    within_seconds(|| {
        let test = "stopped::a_process_that_is_stopped_and_continued_keeps_its_delays";
        let mut child = Process::start(test);
        let mut late = 0;
        child.listen(|child, word| match word {
            "waiting" => {
                signal(child, "-STOP");
                until(|| is_stopped(child));
                // The delays run out while the process stands still.
                thread::sleep(STOP);
                signal(child, "-CONT");
            }
            _ => late += 1,
        });
        child.succeeds();
        assert_eq!(late, BOTH_WAITS.len());
    });
}
