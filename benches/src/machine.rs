//! What the numbers were measured on.

use std::fs;
use std::hint;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::paired::Spread;
use crate::work::work;

/// One line about the processor, the compiler and the day.
pub fn describe() -> String {
    let cores = cores();
    let model = processor().unwrap_or_else(|| String::from("unknown processor"));
    let compiler = env!("RUSTC_VERSION");
    format!("{model}, {cores} cores; {compiler}; {}", today())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn processor() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let model = info.lines().find(|line| line.starts_with("model name"))?;
    let (_, name) = model.split_once(':')?;
    Some(name.trim().to_owned())
}

fn today() -> String {
    let output = Command::new("date").args(["-u", "+%F"]).output();
    output.map_or_else(
        |_| String::from("unknown date"),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Nanoseconds for a number to go to another thread and back, both spinning;
/// the median of many. On a shared machine it changes from one hour to the
/// next, and with it everything in which threads meet.
pub fn round_trip() -> f64 {
    const LAPS: u64 = 20_000;
    const SAMPLES: u64 = 15;
    let ball = AtomicU64::new(0);
    // ORDERING: the number is all there is to see.
    let pass = |from: u64| {
        while ball.load(Ordering::Relaxed) != from {
            hint::spin_loop();
        }
        ball.store(from + 1, Ordering::Relaxed);
    };
    let times: Vec<f64> = thread::scope(|scope| {
        scope.spawn(|| (0..LAPS * SAMPLES).for_each(|lap| pass(2 * lap + 1)));
        let sample = |number| {
            let start = Instant::now();
            (0..LAPS).for_each(|lap| pass(2 * (number * LAPS + lap)));
            start.elapsed().as_nanos() as f64 / LAPS as f64
        };
        (0..SAMPLES).map(sample).collect()
    });
    Spread::of(times).median
}

/// How many cores' worth of arithmetic as many threads as there are cores get
/// done; the median of a few times. Less than all of them if others run too,
/// or if the threads are left on one core.
pub fn cores_at_work() -> f64 {
    const STEPS: u64 = 5_000_000;
    const SAMPLES: usize = 5;
    let time = |threads: usize| {
        let start = Instant::now();
        thread::scope(|scope| {
            for seed in 0..threads as u64 {
                scope.spawn(move || work(seed, STEPS));
            }
        });
        start.elapsed().as_secs_f64()
    };
    let cores = cores();
    let samples = [0.0; SAMPLES].map(|_| cores as f64 * time(1) / time(cores));
    Spread::of(samples.to_vec()).median
}
