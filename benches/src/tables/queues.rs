//! The queue layer: `u64` items of four priorities through a bounded queue.

use std::error::Error;
use std::thread;

use crate::charts::{Chart, Marks, Panel};
use crate::effort::Effort;
use crate::paired::{Comparison, Contender, nanos_each};
use crate::peers::channels::{Channel, Crossbeam, Floor, Flume, HeapAndCondvar, Kanal, Shelf, Std};
use crate::report::{Report, Row};

const PRIORITIES: u64 = 4;
const CAPACITIES: [usize; 3] = [1024, 64, 1];

#[derive(Clone, Copy)]
pub struct Shape {
    producers: u64,
    consumers: u64,
}

impl Shape {
    const fn new(producers: u64, consumers: u64) -> Self {
        Self {
            producers,
            consumers,
        }
    }

    pub fn label(self) -> String {
        format!("{}x{}", self.producers, self.consumers)
    }
}

pub const SHAPES: [Shape; 6] = [
    Shape::new(1, 1),
    Shape::new(1, 2),
    Shape::new(2, 1),
    Shape::new(2, 2),
    Shape::new(4, 4),
    Shape::new(8, 8),
];

/// Sends about `items` items through a queue and checks that all arrived.
/// Returns nanoseconds an item.
pub fn pass<C: Channel>(capacity: usize, shape: Shape, items: u64) -> f64 {
    let share = items / shape.producers;
    let all = share * shape.producers;
    nanos_each(all, || {
        let (sender, receiver) = C::bounded(capacity);
        let received: u64 = thread::scope(|scope| {
            let takers: Vec<_> = (0..shape.consumers)
                .map(|_| {
                    let receiver = receiver.clone();
                    scope.spawn(move || {
                        let mut sum = 0;
                        C::receive_all(&receiver, |item| sum += item);
                        sum
                    })
                })
                .collect();
            for _ in 0..shape.producers {
                let sender = sender.clone();
                scope.spawn(move || {
                    let items = (1..=share).map(|item| ((item % PRIORITIES) as i32, item));
                    C::send_all(&sender, items);
                });
            }
            drop(sender);
            takers.into_iter().map(|t| t.join().expect("it ends")).sum()
        });
        assert_eq!(received, all * (share + 1) / 2, "items were lost");
    })
}

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    for capacity in CAPACITIES {
        // Where every item meets a full queue, each costs a wake-up.
        let items = match capacity {
            1 => effort.items / 50,
            64 => effort.items / 2,
            _ => effort.items,
        };
        let rows = SHAPES.map(|shape| {
            let mut contenders = vec![
                Contender::ours("taskshelf", || pass::<Shelf>(capacity, shape, items)),
                Contender::peer("crossbeam", || pass::<Crossbeam>(capacity, shape, items)),
                Contender::peer("kanal", || pass::<Kanal>(capacity, shape, items)),
                Contender::peer("flume", || pass::<Flume>(capacity, shape, items)),
                Contender::peer("heap+condvar", || {
                    pass::<HeapAndCondvar>(capacity, shape, items)
                }),
                Contender::aside("floor (bound)", || pass::<Floor>(capacity, shape, items)),
            ];
            if shape.consumers == 1 {
                let std = || pass::<Std>(capacity, shape, items);
                contenders.push(Contender::peer("std", std));
            }
            Row::new(shape.label(), Comparison::run(contenders, effort.rounds))
        });
        report.compare(
            &format!("queues {capacity}"),
            &format!("Queue layer, capacity {capacity}: ns per item"),
            "producers x consumers",
            &rows,
        );
        if capacity == CAPACITIES[0] {
            report.chart(
                "queues.svg",
                &Chart {
                    title: "Items through a bounded queue of capacity 1024",
                    x: "producers x consumers",
                    y: "ns per item",
                    marks: Marks::Bars,
                    left_out: &["heap+condvar", "std"],
                    panels: vec![Panel::new("", &rows)],
                },
            )?;
        }
    }
    report.note(
        "Floor: a ring under the same lock, with the same waits before sleeping, and nothing \
         else: what any queue with one lock and condvars must do.",
    );
    Ok(())
}
