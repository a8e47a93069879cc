//! What a push and a pop cost while very many items are queued: one thread,
//! items of 48 bytes, priorities at random.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::error::Error;

use parking_lot::Mutex;
use taskshelf::PriorityQueue;

use crate::charts::{Chart, Marks, Panel};
use crate::effort::Effort;
use crate::paired::{Comparison, Contender, nanos_each, take_turns};
use crate::report::{Report, Row};

const STEPS: u64 = 100_000;
const SHALLOW: u32 = 2;

struct Item {
    priority: i32,
    number: u64,
    _payload: [u64; 4],
}

const _: () = assert!(size_of::<Item>() == 48);

impl Item {
    fn key(&self) -> (i32, Reverse<u64>) {
        (self.priority, Reverse(self.number))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Item {}

/// How many different priorities there are.
#[derive(Clone, Copy)]
pub enum Priorities {
    Some(u32),
    AllDistinct,
}

impl Priorities {
    pub const EACH: [Self; 4] = [
        Self::Some(1),
        Self::Some(4),
        Self::Some(1000),
        Self::AllDistinct,
    ];

    pub fn name(self) -> String {
        match self {
            Self::Some(count) => count.to_string(),
            Self::AllDistinct => String::from("all distinct"),
        }
    }

    /// The n-th priority of a sequence that looks random.
    pub fn nth(self, n: u64) -> i32 {
        // Each step can be undone, so different numbers stay different.
        let mut bits = n as u32;
        bits = (bits ^ (bits >> 16)).wrapping_mul(0x9e37_79b1);
        bits = (bits ^ (bits >> 13)).wrapping_mul(0x85eb_ca77);
        bits ^= bits >> 16;
        match self {
            Self::Some(count) => (bits % count) as i32,
            Self::AllDistinct => bits as i32,
        }
    }
}

struct Arrivals {
    priorities: Priorities,
    next: u64,
}

impl Iterator for Arrivals {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.next += 1;
        Some(Item {
            priority: self.priorities.nth(self.next),
            number: self.next,
            _payload: [self.next; 4],
        })
    }
}

/// What one turn came to.
struct Lap {
    nanos: f64,
    /// Depends on what was taken and in which order.
    order: u64,
}

/// Puts an item in and takes one out, again and again.
fn churn(arrivals: &mut Arrivals, mut step: impl FnMut(Item) -> Option<Item>) -> Lap {
    let mut order = 0_u64;
    let nanos = nanos_each(STEPS, || {
        for item in arrivals.take(STEPS as usize) {
            let taken = step(item).expect("something was just put in");
            order = order.wrapping_mul(31).wrapping_add(taken.number);
        }
    });
    Lap { nanos, order }
}

/// A queue with `depth` items and what is to come.
fn shelf(priorities: Priorities, depth: usize) -> impl FnMut() -> Lap {
    let mut arrivals = Arrivals {
        priorities,
        next: 0,
    };
    let queue = PriorityQueue::new(usize::MAX);
    let items = arrivals.by_ref().take(depth);
    let pushed = queue.push_all(items.map(|item| (item.priority, item)));
    assert_eq!(pushed.ok(), Some(depth));
    move || {
        churn(&mut arrivals, |item| {
            queue.push(item.priority, item).expect("it is open");
            queue.pop()
        })
    }
}

fn heap(priorities: Priorities, depth: usize) -> (Arrivals, BinaryHeap<Item>) {
    let mut arrivals = Arrivals {
        priorities,
        next: 0,
    };
    let mut heap = BinaryHeap::new();
    arrivals
        .by_ref()
        .take(depth)
        .for_each(|item| heap.push(item));
    (arrivals, heap)
}

fn bare_heap(priorities: Priorities, depth: usize) -> impl FnMut() -> Lap {
    let (mut arrivals, mut heap) = heap(priorities, depth);
    move || {
        churn(&mut arrivals, |item| {
            heap.push(item);
            heap.pop()
        })
    }
}

fn locked_heap(priorities: Priorities, depth: usize) -> impl FnMut() -> Lap {
    let (mut arrivals, heap) = heap(priorities, depth);
    let heap = Mutex::new(heap);
    move || {
        churn(&mut arrivals, |item| {
            heap.lock().push(item);
            heap.lock().pop()
        })
    }
}

fn compare(priorities: Priorities, depth: usize, rounds: usize) -> Comparison {
    let contenders = vec![
        Contender::ours("taskshelf", shelf(priorities, depth)),
        Contender::peer("BinaryHeap", bare_heap(priorities, depth)),
        Contender::aside("Mutex<BinaryHeap>", locked_heap(priorities, depth)),
    ];
    let turns = take_turns(contenders, rounds);
    for round in 0..rounds {
        let orders = turns.iter().map(|turns| turns.rounds[round].order);
        let orders: Vec<u64> = orders.collect();
        assert!(
            orders.windows(2).all(|pair| pair[0] == pair[1]),
            "orders differ"
        );
    }
    Comparison::of(&turns, |lap| lap.nanos)
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut panels = Vec::new();
    for priorities in Priorities::EACH {
        let name = priorities.name();
        let rows: Vec<Row> = (SHALLOW..=effort.deepest)
            .map(|power| {
                let depth = 10_usize.pow(power);
                let comparison = compare(priorities, depth, effort.rounds);
                Row::new(format!("10^{power}"), comparison)
            })
            .collect();
        report.compare(
            &format!("depth {name}"),
            &format!("Push and pop by depth, priorities: {name}: ns"),
            "items queued",
            &rows,
        );
        panels.push((format!("priorities: {name}"), rows));
    }
    report.note(
        "Every contender takes the same items in the same order. `BinaryHeap` is bare: \
         no lock, for one thread only.",
    );
    growth(effort, report);
    report.chart(
        "depth.svg",
        &Chart {
            title: "Push and pop while many items are queued",
            x: "items queued",
            y: "ns per push and pop",
            marks: Marks::Lines,
            left_out: &[],
            panels: panels
                .iter()
                .map(|(title, rows)| Panel::new(title, rows))
                .collect(),
        },
    )
}

/// The same queue, deep and shallow.
fn growth(effort: &Effort, report: &mut Report) {
    let deep = effort.deepest.min(6);
    let at = |power| shelf(Priorities::Some(4), 10_usize.pow(power));
    let contenders = vec![
        Contender::ours("deep", at(deep)),
        Contender::aside("10^2 queued", at(SHALLOW)),
    ];
    let turns = take_turns(contenders, effort.rounds);
    let row = Row::new(
        format!("10^{deep}"),
        Comparison::of(&turns, |lap| lap.nanos),
    );
    let title = "Push and pop, 4 priorities, deep over shallow: ns";
    report.compare("depth growth", title, "items queued", &[row]);
}
