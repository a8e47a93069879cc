//! The queue layer: `u64` items of four priorities through a bounded queue.

use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;

use taskshelf::PriorityQueue;

use crate::Effort;
use crate::paired::{Contender, compare, geometric_mean};

const PRIORITIES: u64 = 4;
const CAPACITIES: [usize; 3] = [1024, 64, 1];
const THREADS: [(u64, u64); 6] = [(1, 1), (1, 2), (2, 1), (2, 2), (4, 4), (8, 8)];

/// A queue whose receivers end once the last sender is dropped.
trait Channel {
    type Sender: Clone + Send;
    type Receiver: Clone + Send;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, priority: i32, item: u64);
    fn receive(receiver: &Self::Receiver) -> Option<u64>;
}

/// Sends `items` items from `producers` threads to `consumers` threads, and
/// checks that all of them arrived.
fn pass<C: Channel>(capacity: usize, (producers, consumers): (u64, u64), items: u64) {
    let (sender, receiver) = C::new(capacity);
    let share = items / producers;
    let received: u64 = thread::scope(|scope| {
        let takers: Vec<_> = (0..consumers)
            .map(|_| {
                let receiver = receiver.clone();
                scope.spawn(move || {
                    let mut sum = 0;
                    while let Some(item) = C::receive(&receiver) {
                        sum += item;
                    }
                    sum
                })
            })
            .collect();
        for _ in 0..producers {
            let sender = sender.clone();
            scope.spawn(move || {
                for item in 1..=share {
                    C::send(&sender, (item % PRIORITIES) as i32, item);
                }
            });
        }
        drop(sender);
        takers.into_iter().map(|t| t.join().expect("it ends")).sum()
    });
    assert_eq!(received, producers * share * (share + 1) / 2);
}

pub fn print(effort: Effort) {
    for capacity in CAPACITIES {
        println!("\n### Queue layer, capacity {capacity}: ns per item (ratio taskshelf / peer)\n");
        // Where every item meets a full queue, each costs a wake-up.
        let items = match capacity {
            1 => effort.items / 20,
            64 => effort.items / 2,
            _ => effort.items,
        };
        let mut ratios: Vec<(&str, Vec<f64>)> = Vec::new();
        for (row, threads) in THREADS.into_iter().enumerate() {
            let mut contenders = vec![
                Contender::new("taskshelf", || pass::<Shelf>(capacity, threads, items)),
                Contender::new("crossbeam", || pass::<Crossbeam>(capacity, threads, items)),
                Contender::new("kanal", || pass::<Kanal>(capacity, threads, items)),
                Contender::new("flume", || pass::<Flume>(capacity, threads, items)),
                Contender::new("heap+condvar", || pass::<Naive>(capacity, threads, items)),
            ];
            if threads.1 == 1 {
                contenders.push(Contender::new("std", || {
                    pass::<Std>(capacity, threads, items)
                }));
            }
            let measured = compare(&contenders, effort.rounds, items);
            if row == 0 {
                print!("| p x c |");
                measured.iter().for_each(|m| print!(" {} |", m.name));
                println!("\n|{}", " --- |".repeat(measured.len() + 1));
            }
            print!("| {}x{} |", threads.0, threads.1);
            for m in &measured {
                let (nanos, ratio) = (m.nanos.median, m.ratio);
                if m.name == "taskshelf" {
                    print!(" {nanos:.0} |");
                } else {
                    print!(
                        " {nanos:.0} ({:.2}, {:.2}-{:.2}) |",
                        ratio.median, ratio.lower, ratio.upper
                    );
                    match ratios.iter_mut().find(|(name, _)| *name == m.name) {
                        Some((_, list)) => list.push(ratio.median),
                        None => ratios.push((m.name, vec![ratio.median])),
                    }
                }
            }
            println!();
        }
        println!();
        for (name, list) in ratios {
            let mean = geometric_mean(list.into_iter());
            println!("- geometric mean against {name}: {mean:.2}");
        }
    }
}

struct Shelf;

/// Closes the queue when the last sender is dropped.
struct Open(Arc<PriorityQueue<u64>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Channel for Shelf {
    type Sender = Arc<Open>;
    type Receiver = Arc<PriorityQueue<u64>>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let queue = Arc::new(PriorityQueue::new(capacity));
        (Arc::new(Open(Arc::clone(&queue))), queue)
    }

    fn send(sender: &Self::Sender, priority: i32, item: u64) {
        sender.0.push(priority, item).expect("it is open");
    }

    fn receive(receiver: &Self::Receiver) -> Option<u64> {
        receiver.pop()
    }
}

struct Crossbeam;

impl Channel for Crossbeam {
    type Sender = crossbeam_channel::Sender<u64>;
    type Receiver = crossbeam_channel::Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        crossbeam_channel::bounded(capacity)
    }

    fn send(sender: &Self::Sender, _priority: i32, item: u64) {
        sender.send(item).expect("it is open");
    }

    fn receive(receiver: &Self::Receiver) -> Option<u64> {
        receiver.recv().ok()
    }
}

struct Kanal;

impl Channel for Kanal {
    type Sender = kanal::Sender<u64>;
    type Receiver = kanal::Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        kanal::bounded(capacity)
    }

    fn send(sender: &Self::Sender, _priority: i32, item: u64) {
        sender.send(item).expect("it is open");
    }

    fn receive(receiver: &Self::Receiver) -> Option<u64> {
        receiver.recv().ok()
    }
}

struct Flume;

impl Channel for Flume {
    type Sender = flume::Sender<u64>;
    type Receiver = flume::Receiver<u64>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        flume::bounded(capacity)
    }

    fn send(sender: &Self::Sender, _priority: i32, item: u64) {
        sender.send(item).expect("it is open");
    }

    fn receive(receiver: &Self::Receiver) -> Option<u64> {
        receiver.recv().ok()
    }
}

/// For one consumer only.
struct Std;

impl Channel for Std {
    type Sender = mpsc::SyncSender<u64>;
    type Receiver = Arc<Mutex<mpsc::Receiver<u64>>>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let (sender, receiver) = mpsc::sync_channel(capacity);
        (sender, Arc::new(Mutex::new(receiver)))
    }

    fn send(sender: &Self::Sender, _priority: i32, item: u64) {
        sender.send(item).expect("it is open");
    }

    fn receive(receiver: &Self::Receiver) -> Option<u64> {
        receiver.lock().expect("nobody panics").recv().ok()
    }
}

/// What one writes by hand: a heap under a mutex, and two condvars.
struct Naive;

struct NaiveQueue {
    state: Mutex<NaiveState>,
    not_empty: Condvar,
    not_full: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct NaiveState {
    heap: BinaryHeap<(i32, u64)>,
    closed: bool,
}

struct NaiveOpen(Arc<NaiveQueue>);

impl Drop for NaiveOpen {
    fn drop(&mut self) {
        self.0.state.lock().expect("nobody panics").closed = true;
        self.0.not_empty.notify_all();
    }
}

impl Channel for Naive {
    type Sender = Arc<NaiveOpen>;
    type Receiver = Arc<NaiveQueue>;

    fn new(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let queue = Arc::new(NaiveQueue {
            state: Mutex::default(),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
            capacity,
        });
        (Arc::new(NaiveOpen(Arc::clone(&queue))), queue)
    }

    fn send(sender: &Self::Sender, priority: i32, item: u64) {
        let queue = &sender.0;
        let mut state = queue.state.lock().expect("nobody panics");
        while state.heap.len() >= queue.capacity {
            state = queue.not_full.wait(state).expect("nobody panics");
        }
        state.heap.push((priority, item));
        queue.not_empty.notify_one();
    }

    fn receive(queue: &Self::Receiver) -> Option<u64> {
        let mut state = queue.state.lock().expect("nobody panics");
        loop {
            if let Some((_, item)) = state.heap.pop() {
                queue.not_full.notify_one();
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state = queue.not_empty.wait(state).expect("nobody panics");
        }
    }
}
