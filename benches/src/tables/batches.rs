//! The queue layer, many items at a time.

use std::error::Error;

use crate::effort::Effort;
use crate::paired::{Comparison, Contender};
use crate::peers::channels::{Crossbeam, FloorInBatches, Kanal, Shelf, ShelfInBatches};
use crate::report::{Report, Row};
use crate::tables::queues::{SHAPES, pass};

const CAPACITY: usize = 1024;
const BATCH: usize = 32;

pub fn measure(effort: &Effort, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let items = effort.items;
    let rows = SHAPES.map(|shape| {
        let contenders = vec![
            Contender::ours("taskshelf by 32", || {
                pass::<ShelfInBatches<BATCH>>(CAPACITY, shape, items)
            }),
            Contender::peer("crossbeam", || pass::<Crossbeam>(CAPACITY, shape, items)),
            Contender::peer("kanal", || pass::<Kanal>(CAPACITY, shape, items)),
            Contender::aside("taskshelf by 1", || pass::<Shelf>(CAPACITY, shape, items)),
            Contender::aside("floor by 32", || {
                pass::<FloorInBatches<BATCH>>(CAPACITY, shape, items)
            }),
        ];
        Row::new(shape.label(), Comparison::run(contenders, effort.rounds))
    });
    report.compare(
        "batches",
        "Queue layer, capacity 1024, by 32 beside one at a time: ns per item",
        "producers x consumers",
        &rows,
    );
    report.note("By 32: `push_all` of 32 items and `pop_many` of up to 32.");
    Ok(())
}
