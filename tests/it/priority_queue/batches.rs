//! Many items at once: `push_all` and `pop_many`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use taskshelf::PriorityQueue;

use super::{everything, full};
use crate::support::{Live, asleep, within_seconds};

#[test]
fn pop_many_takes_no_more_than_its_limit_and_appends() {
    within_seconds(|| {
        let queue = full(5);
        let mut buffer = vec![100];
        assert_eq!(queue.pop_many(&mut buffer, 2), 2);
        assert_eq!(buffer, [100, 0, 1]);
        assert_eq!(queue.pop_many(&mut buffer, 7), 3);
        assert_eq!(buffer, [100, 0, 1, 2, 3, 4]);
    });
}

#[test]
fn pop_many_without_a_limit_takes_what_is_there() {
    within_seconds(|| {
        let queue = full(5);
        let mut buffer = Vec::new();
        assert_eq!(queue.pop_many(&mut buffer, usize::MAX), 5);
        assert_eq!(buffer, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn pop_many_takes_thousands_in_order() {
    within_seconds(|| {
        for (limit, expected) in [(2048, 2048), (2500, 2500), (usize::MAX, 3000)] {
            let queue = PriorityQueue::new(3000);
            assert_eq!(queue.push_all((0..3000).map(|n| (n % 3, n))), Ok(3000));
            let mut buffer = Vec::new();
            assert_eq!(queue.pop_many(&mut buffer, limit), expected);
            let by_priority = [2, 1, 0].map(|p| (0..3000).filter(move |n| n % 3 == p));
            assert!(by_priority.into_iter().flatten().take(expected).eq(buffer));
            assert_eq!(queue.len(), 3000 - expected);
        }
    });
}

#[test]
fn a_full_buffer_of_items_without_a_size_takes_no_more() {
    within_seconds(|| {
        let queue = PriorityQueue::new(5);
        queue.push_all([(0, ()); 5]).unwrap();
        let mut buffer = vec![(); usize::MAX - 3];
        assert_eq!(queue.pop_many(&mut buffer, 5), 3);
        assert_eq!(queue.pop_many(&mut buffer, 5), 0);
        assert_eq!(queue.pop_many(&mut Vec::new(), 5), 2);
    });
}

#[test]
fn pop_many_of_none_does_not_wait() {
    within_seconds(|| {
        let queue = PriorityQueue::<u8>::new(5);
        assert_eq!(queue.pop_many(&mut Vec::new(), 0), 0);
        assert_eq!(queue.push(0, 1), Ok(()));
        assert_eq!(queue.pop_many(&mut Vec::new(), 0), 0);
        assert_eq!(queue.len(), 1);
    });
}

#[test]
fn pop_many_goes_by_priority() {
    within_seconds(|| {
        let queue = PriorityQueue::new(5);
        assert_eq!(
            queue.push_all([(0, 'd'), (2, 'a'), (1, 'c'), (2, 'b')]),
            Ok(4)
        );
        let mut buffer = Vec::new();
        assert_eq!(queue.pop_many(&mut buffer, 3), 3);
        assert_eq!(buffer, ['a', 'b', 'c']);
    });
}

#[test]
fn pop_many_waits_for_the_first() {
    within_seconds(|| {
        let queue = PriorityQueue::new(5);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            let popper = asleep(scope, || {
                let mut buffer = Vec::new();
                (queue.pop_many(&mut buffer, usize::MAX), buffer)
            });
            assert_eq!(queue.push(0, 'a'), Ok(()));
            assert_eq!(popper.join().unwrap(), (1, vec!['a']));
        });
    });
}

#[test]
fn pop_many_of_a_closed_queue_takes_what_is_there_and_then_nothing() {
    within_seconds(|| {
        let queue = full(3);
        queue.close();
        let mut buffer = Vec::new();
        assert_eq!(queue.pop_many(&mut buffer, 10), 3);
        assert_eq!(queue.pop_many(&mut buffer, 10), 0);
        assert_eq!(buffer, [0, 1, 2]);
    });
}

#[test]
fn push_all_gets_more_in_than_there_is_room_for_at_once() {
    within_seconds(|| {
        let queue = PriorityQueue::new(3);
        thread::scope(|scope| {
            let producer = scope.spawn(|| {
                let _close = queue.close_on_drop();
                queue.push_all((0..1000).map(|n| (0, n)))
            });
            assert_eq!(
                queue.iter().collect::<Vec<_>>(),
                (0..1000).collect::<Vec<_>>()
            );
            assert_eq!(producer.join().unwrap(), Ok(1000));
        });
    });
}

#[test]
fn push_all_never_exceeds_the_capacity() {
    within_seconds(|| {
        let queue = PriorityQueue::new(3);
        thread::scope(|scope| {
            let producer = asleep(scope, || queue.push_all((0..100).map(|n| (0, n))));
            for number in 0..100 {
                assert!(queue.len() <= 3);
                assert_eq!(queue.pop(), Some(number));
            }
            assert_eq!(producer.join().unwrap(), Ok(100));
        });
    });
}

#[test]
fn push_all_of_nothing_is_nothing() {
    let queue = full(1);
    assert_eq!(queue.push_all(std::iter::empty()), Ok(0));
    assert_eq!(queue.len(), 1);
}

#[test]
fn push_all_takes_the_first_none_for_the_end() {
    let queue = PriorityQueue::new(100);
    let mut calls = 0;
    let items = std::iter::from_fn(|| {
        calls += 1;
        (calls != 3 && calls < 9).then_some((0, calls))
    });
    assert_eq!(queue.push_all(items), Ok(2));
    assert_eq!(calls, 3);
}

#[test]
fn push_all_closed_midway_loses_nothing() {
    within_seconds(|| {
        let queue = PriorityQueue::new(3);
        let pulled = AtomicUsize::new(0);
        thread::scope(|scope| {
            let producer = asleep(scope, || {
                let items = (0..).map(|n| (n % 3, n)).inspect(|_| {
                    pulled.fetch_add(1, Ordering::Relaxed);
                });
                queue.push_all(items)
            });
            let mut taken: Vec<i32> = (0..200).filter_map(|_| queue.pop()).collect();
            queue.close();
            let error = producer.join().unwrap().unwrap_err();
            taken.extend(queue.iter());
            taken.sort();
            let accepted: Vec<i32> = (0..error.accepted as i32).collect();
            assert_eq!(taken, accepted);
            let rest: Vec<_> = (error.accepted as i32..pulled.load(Ordering::Relaxed) as i32)
                .map(|n| (n % 3, n))
                .collect();
            assert!(!rest.is_empty());
            assert_eq!(error.rest, rest);
        });
    });
}

#[test]
fn push_all_puts_in_what_came_before_the_iterators_panic() {
    within_seconds(|| {
        for before in [0, 1, 63, 64, 65, 100] {
            let queue = PriorityQueue::new(1000);
            let items = (0..)
                .inspect(|&n| assert!(n < before, "no more"))
                .map(|n| (0, n));
            let panic = catch_unwind(AssertUnwindSafe(|| queue.push_all(items))).unwrap_err();
            assert_eq!(*panic.downcast::<&str>().unwrap(), "no more");
            assert_eq!(everything(&queue), (0..before).collect::<Vec<_>>());
            assert_eq!(queue.push(0, 0), Ok(()));
        }
    });
}

#[test]
fn push_all_contains_the_panic_of_an_iterators_destructor() {
    within_seconds(|| {
        let live = Live::default();
        let items = || {
            let bomb = live.bomb();
            (0..100).map(move |n| {
                let _held = &bomb;
                (0, n)
            })
        };
        let queue = PriorityQueue::new(1000);
        assert_eq!(queue.push_all(items()), Ok(100));
        queue.close();
        let refused = queue.push_all(items()).unwrap_err();
        assert_eq!((refused.accepted, refused.rest.len()), (0, 64));
        assert_eq!((live.drops(), live.drops_in_unwinding()), (2, 0));
    });
}

#[test]
fn items_lost_with_a_panicking_iterator_may_panic_when_they_are_dropped() {
    within_seconds(|| {
        let live = Live::default();
        let queue = PriorityQueue::new(1000);
        queue.close();
        let items = (0..).map(|n| {
            assert!(n < 5, "no more");
            (0, live.bomb())
        });
        let panic = catch_unwind(AssertUnwindSafe(|| queue.push_all(items))).unwrap_err();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "no more");
        assert_eq!((live.drops(), live.drops_in_unwinding()), (5, 0));
    });
}

#[test]
fn push_all_runs_its_iterator_outside_the_lock() {
    within_seconds(|| {
        let queue = PriorityQueue::new(1000);
        let items = (0..100)
            .inspect(|_| assert!(!queue.is_full()))
            .map(|n| (0, n));
        assert_eq!(queue.push_all(items), Ok(100));
    });
}

#[test]
fn every_item_of_a_batch_finds_a_sleeping_popper() {
    within_seconds(|| {
        for poppers in [2, 3, 5] {
            let queue = PriorityQueue::new(8);
            // Nobody goes on before each has an item.
            let all = Barrier::new(poppers + 1);
            thread::scope(|scope| {
                let _close = queue.close_on_drop();
                for _ in 0..poppers {
                    asleep(scope, || {
                        let item = queue.pop();
                        all.wait();
                        item
                    });
                }
                assert_eq!(queue.push_all((0..poppers).map(|n| (0, n))), Ok(poppers));
                all.wait();
            });
        }
    });
}

#[test]
fn every_single_push_finds_a_sleeping_popper() {
    within_seconds(|| {
        let queue = PriorityQueue::new(8);
        let all = Barrier::new(4);
        thread::scope(|scope| {
            let _close = queue.close_on_drop();
            for _ in 0..3 {
                asleep(scope, || {
                    queue.pop();
                    all.wait();
                });
            }
            for number in 0..3 {
                assert_eq!(queue.push(0, number), Ok(()));
            }
            all.wait();
        });
    });
}

/// Panics when it is asked how many more there are.
struct Unforeseeable(u32);

impl Iterator for Unforeseeable {
    type Item = (i32, u32);

    fn next(&mut self) -> Option<(i32, u32)> {
        self.0 += 1;
        Some((0, self.0))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        panic!("who knows");
    }
}

#[test]
fn what_an_iterator_yields_is_not_lost_if_it_cannot_say_how_much_follows() {
    within_seconds(|| {
        let (queue, mut items) = (PriorityQueue::new(100), Unforeseeable(0));
        let pushed = catch_unwind(AssertUnwindSafe(|| queue.push_all(items.by_ref())));
        assert!(pushed.is_err());
        assert_eq!(queue.len(), items.0 as usize);
    });
}
