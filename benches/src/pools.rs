//! The worker layer: tasks that take no, some, or much time, with one result
//! each.

use std::hint::black_box;
use std::sync::mpsc;
use std::thread;

use taskshelf::{Attempt, QueueOptions, TaskQueue};

use crate::Effort;
use crate::paired::{Contender, compare};

const CAPACITY: usize = 1024;
const WORKERS: [usize; 3] = [1, 2, 4];
/// Steps of [`work`] and what they come to: about 0, 0.3, 3 and 30 us.
const STEPS: [u64; 4] = [0, 300, 3_000, 30_000];

/// A dependent chain of arithmetic, about a nanosecond a step.
fn work(seed: u64, steps: u64) -> u64 {
    (0..steps).fold(seed, |x, _| {
        black_box(x.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (x >> 29))
    })
}

fn shelf(workers: usize, tasks: u64, steps: u64) {
    let queue = TaskQueue::new(
        move |attempt: &Attempt<'_, u64>| Ok::<_, ()>(work(attempt.payload, steps)),
        QueueOptions::new(CAPACITY, workers),
    )
    .expect("threads start");
    for task in 0..tasks {
        queue.submit(task).expect("it is open");
    }
    assert_eq!(queue.drain().len() as u64, tasks);
}

/// What one writes by hand: bounded in, unbounded out.
fn crossbeam(workers: usize, tasks: u64, steps: u64) {
    let (submit, take) = crossbeam_channel::bounded::<u64>(CAPACITY);
    let (publish, results) = crossbeam_channel::unbounded();
    let threads: Vec<_> = (0..workers)
        .map(|_| {
            let (take, publish) = (take.clone(), publish.clone());
            thread::spawn(move || {
                for task in take {
                    publish.send(work(task, steps)).expect("it is open");
                }
            })
        })
        .collect();
    drop((take, publish));
    for task in 0..tasks {
        submit.send(task).expect("it is open");
    }
    drop(submit);
    threads.into_iter().for_each(|t| t.join().expect("it ends"));
    assert_eq!(results.iter().count() as u64, tasks);
}

fn kanal(workers: usize, tasks: u64, steps: u64) {
    let (submit, take) = kanal::bounded::<u64>(CAPACITY);
    let (publish, results) = kanal::unbounded();
    let threads: Vec<_> = (0..workers)
        .map(|_| {
            let (take, publish) = (take.clone(), publish.clone());
            thread::spawn(move || {
                for task in take {
                    publish.send(work(task, steps)).expect("it is open");
                }
            })
        })
        .collect();
    drop((take, publish));
    for task in 0..tasks {
        submit.send(task).expect("it is open");
    }
    drop(submit);
    threads.into_iter().for_each(|t| t.join().expect("it ends"));
    assert_eq!(results.count() as u64, tasks);
}

/// Unbounded: these pools have no backpressure.
fn boxed(tasks: u64, steps: u64, spawn: impl Fn(Box<dyn FnOnce() + Send>)) {
    let (publish, results) = mpsc::channel();
    for task in 0..tasks {
        let publish = publish.clone();
        spawn(Box::new(move || {
            publish.send(work(task, steps)).expect("it is open");
        }));
    }
    drop(publish);
    assert_eq!(results.iter().count() as u64, tasks);
}

fn rayon(workers: usize, tasks: u64, steps: u64) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(workers)
        .build()
        .expect("threads start");
    boxed(tasks, steps, |job| pool.spawn(job));
}

fn threadpool(workers: usize, tasks: u64, steps: u64) {
    let pool = threadpool::ThreadPool::new(workers);
    boxed(tasks, steps, |job| pool.execute(job));
    pool.join();
}

fn rusty_pool(workers: usize, tasks: u64, steps: u64) {
    let pool = rusty_pool::Builder::new()
        .core_size(workers)
        .max_size(workers)
        .build();
    boxed(tasks, steps, |job| pool.execute(job));
    pool.shutdown_join();
}

pub fn print(effort: Effort) {
    println!("\n### Worker layer: ns per task (ratio taskshelf / peer)\n");
    for (row, (steps, workers)) in STEPS
        .into_iter()
        .flat_map(|steps| WORKERS.map(|workers| (steps, workers)))
        .enumerate()
    {
        let tasks = match steps {
            0 => effort.items / 2,
            _ => effort.items * 100 / (steps + 400),
        };
        let contenders = [
            Contender::new("taskshelf", || shelf(workers, tasks, steps)),
            Contender::new("crossbeam", || crossbeam(workers, tasks, steps)),
            Contender::new("kanal", || kanal(workers, tasks, steps)),
            Contender::new("rayon", || rayon(workers, tasks, steps)),
            Contender::new("threadpool", || threadpool(workers, tasks, steps)),
            Contender::new("rusty_pool", || rusty_pool(workers, tasks, steps)),
        ];
        let measured = compare(&contenders, effort.rounds, tasks);
        if row == 0 {
            print!("| task, workers |");
            measured.iter().for_each(|m| print!(" {} |", m.name));
            println!("\n|{}", " --- |".repeat(measured.len() + 1));
        }
        print!("| {:.1} us, {workers} |", steps as f64 / 1000.0);
        for m in &measured {
            match m.name {
                "taskshelf" => print!(" {:.0} |", m.nanos.median),
                _ => print!(
                    " {:.0} ({:.2}, {:.2}-{:.2}) |",
                    m.nanos.median, m.ratio.median, m.ratio.lower, m.ratio.upper
                ),
            }
        }
        println!();
    }
}
