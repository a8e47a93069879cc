//! `PriorityQueue` among many threads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use taskshelf::model::{advance, large_from};
use taskshelf::{Lease, PopTimeoutError, PriorityQueue, PushTimeoutError, TryPushError};

use crate::support::*;

/// Items that a thread put in, each by another way in: those accepted.
fn push_by_every_way(queue: &PriorityQueue<u32>, pusher: u32) -> Vec<u32> {
    let items: Vec<u32> = (0..4).map(|n| 10 * pusher + n).collect();
    let priority = |item: u32| (item % 3) as i32;
    let mut refused = Vec::new();
    for &item in &items[..3] {
        let pushed = match item % 4 {
            0 => queue.push(priority(item), item).map_err(|e| e.0),
            1 => queue.try_push(priority(item), item).map_err(|e| match e {
                TryPushError::Full(item) | TryPushError::Closed(item) => item,
            }),
            _ => match queue.push_timeout(priority(item), item, SECOND) {
                Ok(()) => Ok(()),
                Err(PushTimeoutError::Timeout(item) | PushTimeoutError::Closed(item)) => Err(item),
            },
        };
        if let Err(back) = pushed {
            assert_eq!(back, item);
            refused.push(back);
        }
    }
    if let Err(error) = queue.push_all([(1, items[3])]) {
        refused.extend(error.rest.into_iter().map(|(_, item)| item));
    }
    items.into_iter().filter(|i| !refused.contains(i)).collect()
}

/// Added to an item that goes back.
const BACK: u32 = 1000;

fn originals(items: Vec<u32>) -> Vec<u32> {
    sorted(items.into_iter().map(|item| item % BACK).collect())
}

/// Items that a thread was done with, by leases of which every third item
/// goes back once. Those that an aborted queue handed back count as done.
fn work_with_leases(queue: &PriorityQueue<u32>) -> Vec<u32> {
    let mut done = Vec::new();
    let mut next = queue.lease();
    while let Some(mut lease) = next {
        if *lease % 3 == 0 && *lease < BACK {
            *lease += BACK;
            if let Err(error) = Lease::retry_after(lease, SECOND) {
                done.push(error.0);
            }
            next = queue.lease();
        } else {
            done.push(*lease);
            next = Lease::next(lease);
        }
    }
    done
}

// An item missing here, or there twice, would mean that a push, a pop, a
// lease or a retry counted one that another had; a hang, that one of the
// lines was left without a call.
#[test]
fn every_item_comes_out_once_by_whatever_way() {
    model(|| {
        let queue = Arc::new(PriorityQueue::new(2));
        let on = |queue: &Arc<_>| Arc::clone(queue);
        let pushers = {
            let queue = on(&queue);
            crowd(3, move |n| push_by_every_way(&queue, n))
        };
        let poppers = {
            let queue = on(&queue);
            crowd(2, move |_| queue.iter().collect::<Vec<u32>>())
        };
        let leasers = {
            let queue = on(&queue);
            crowd(2, move |_| work_with_leases(&queue))
        };
        let clock = clock(3);
        let pushed = join_all(pushers);
        assert!(queue.close());
        let mut taken = join_all(poppers);
        taken.extend(join_all(leasers));
        clock.join().unwrap();
        queue.join();
        assert_eq!(originals(taken), sorted(pushed));
    });
}

// The same for an abort that comes at any time.
#[test]
fn an_abort_hands_out_what_nobody_took_and_nothing_else() {
    outcomes(
        [(false, false), (false, true), (true, false), (true, true)],
        || {
            let queue = Arc::new(PriorityQueue::new(2));
            let on = |queue: &Arc<_>| Arc::clone(queue);
            let pushers = {
                let queue = on(&queue);
                crowd(3, move |n| push_by_every_way(&queue, n))
            };
            let poppers = {
                let queue = on(&queue);
                crowd(2, move |_| queue.iter().collect::<Vec<u32>>())
            };
            let leasers = {
                let queue = on(&queue);
                crowd(2, move |_| work_with_leases(&queue))
            };
            let clock = clock(3);
            let left = queue.abort();
            let pushed = sorted(join_all(pushers));
            let mut taken = join_all(poppers);
            taken.extend(join_all(leasers));
            let split = (!left.is_empty(), !taken.is_empty());
            taken.extend(left);
            clock.join().unwrap();
            queue.join();
            assert_eq!(originals(taken), pushed);
            split
        },
    );
}

// Items out of order here would mean that one was put elsewhere than at the
// back of its line, or taken elsewhere than at the front.
#[test]
fn equals_of_one_producer_come_to_each_consumer_in_order() {
    model(|| {
        let queue = Arc::new(PriorityQueue::new(2));
        let consumers = {
            let queue = Arc::clone(&queue);
            crowd(4, move |_| queue.iter().collect::<Vec<u32>>())
        };
        let producers = {
            let queue = Arc::clone(&queue);
            crowd(4, move |n| {
                (0..4).for_each(|i| queue.push(0, 10 * n + i).unwrap());
            })
        };
        join(producers);
        queue.close();
        let seen = join(consumers);
        for items in &seen {
            for producer in 0..4 {
                assert!(items.iter().filter(|i| *i / 10 == producer).is_sorted());
            }
        }
        assert_eq!(seen.concat().len(), 16);
    });
}

// A hang here would mean that a consumer was left asleep with an item
// ready: all eight are needed, for the items wait for each other.
#[test]
fn eight_items_at_once_wake_eight_consumers() {
    model(|| {
        let queue = Arc::new(PriorityQueue::new(8));
        let meeting = Arc::new(Meeting::default());
        let consumers = {
            let (queue, meeting) = (Arc::clone(&queue), Arc::clone(&meeting));
            crowd(8, move |_| {
                let item = queue.pop().unwrap();
                meeting.meet(8);
                item
            })
        };
        queue.push_all((0..8).map(|item| (0, item))).unwrap();
        assert_eq!(sorted(join(consumers)), (0..8).collect::<Vec<_>>());
    });
}

// A hang here would mean that a freed slot was left to a submitter that
// nobody woke. Nothing is closed until all are in.
#[test]
fn eight_slots_freed_at_once_wake_eight_submitters() {
    model(|| {
        let queue = Arc::new(PriorityQueue::new(8));
        queue.push_all((0..8).map(|item| (1, item))).unwrap();
        let pushers = {
            let queue = Arc::clone(&queue);
            crowd(8, move |n| queue.push(0, 8 + n).unwrap())
        };
        let mut items = Vec::new();
        while items.len() < 8 {
            let room = 8 - items.len();
            queue.pop_many(&mut items, room);
        }
        join(pushers);
        items.extend(queue.abort());
        assert_eq!(sorted(items), (0..16).collect::<Vec<_>>());
    });
}

// A hang here would mean that a consumer found a large queue empty while those
// who could fill it slept, or that they slept on beside a slot when their
// patience was over.
#[test]
fn eight_patient_submitters_fill_a_large_queue() {
    model(|| {
        large_from(4);
        let queue = Arc::new(PriorityQueue::new(4));
        let pushers = {
            let queue = Arc::clone(&queue);
            crowd(8, move |n| {
                (0..2).for_each(|i| queue.push(0, 2 * n + i).unwrap());
            })
        };
        let consumers = {
            let queue = Arc::clone(&queue);
            crowd(2, move |_| -> Vec<u32> {
                (0..6).map(|_| queue.pop().unwrap()).collect()
            })
        };
        let mut items = join(consumers).concat();
        advance(Duration::MAX);
        join(pushers);
        items.extend(queue.abort());
        assert_eq!(sorted(items), (0..16).collect::<Vec<_>>());
    });
}

// A hang here would mean that a due time was left unwatched when its
// watcher was called away: nothing but the clock moves the consumers.
#[test]
fn eight_due_times_wake_eight_consumers() {
    model(|| {
        let queue = Arc::new(PriorityQueue::new(8));
        queue.push_all((0..8).map(|item| (0, item))).unwrap();
        let mut leases: Vec<_> = (0..8).map(|_| queue.lease().unwrap()).collect();
        let meeting = Arc::new(Meeting::default());
        let consumers = {
            let (queue, meeting) = (Arc::clone(&queue), Arc::clone(&meeting));
            crowd(8, move |_| {
                let item = queue.pop().unwrap();
                meeting.meet(8);
                item
            })
        };
        // The last comes due first, so each is a new earliest time.
        for lease in leases.drain(..) {
            let delay = SECOND * (8 - *lease);
            Lease::retry_after(lease, delay).unwrap();
        }
        (0..8).for_each(|_| advance(SECOND));
        assert_eq!(sorted(join(consumers)), (0..8).collect::<Vec<_>>());
    });
}

// A hang here would mean that time ran out for somebody and that the call
// on its way to it was lost; a wrong sum, that it both gave up and got on.
#[test]
fn who_times_out_takes_nothing_with_it() {
    outcomes([(false, false), (false, true), (true, true)], || {
        let queue = Arc::new(PriorityQueue::new(1));
        let pushers = {
            let queue = Arc::clone(&queue);
            crowd(4, move |n| {
                match queue.push_timeout(0, n, (1 + n % 2) * SECOND) {
                    Ok(()) => Some(n),
                    Err(PushTimeoutError::Timeout(item)) => {
                        assert_eq!(item, n);
                        None
                    }
                    Err(error) => panic!("{error}"),
                }
            })
        };
        let poppers = {
            let queue = Arc::clone(&queue);
            crowd(4, move |n| match queue.pop_timeout((1 + n % 2) * SECOND) {
                Ok(item) => Some(item),
                Err(PopTimeoutError::Timeout) => None,
                Err(error) => panic!("{error}"),
            })
        };
        let clock = clock(2);
        let pushed: Vec<u32> = join(pushers).into_iter().flatten().collect();
        let popped: Vec<u32> = join(poppers).into_iter().flatten().collect();
        clock.join().unwrap();
        let split = (pushed.len() < 4, popped.len() < 4);
        let all = popped.into_iter().chain(queue.abort()).collect();
        assert_eq!(sorted(all), sorted(pushed));
        split
    });
}

// A hang here would mean that a moment of idleness was told to some who
// waited for it and not to others.
#[test]
fn everybody_who_joins_sees_the_last_lease_end() {
    model(|| {
        let queue = Arc::new(PriorityQueue::new(8));
        queue.push_all((0..8).map(|item| (0, item))).unwrap();
        let done = Arc::new(Mutex::new(0));
        let workers = {
            let (queue, done) = (Arc::clone(&queue), Arc::clone(&done));
            crowd(4, move |_| {
                for _ in 0..2 {
                    let lease = queue.lease().unwrap();
                    *done.lock().unwrap() += 1;
                    drop(lease);
                }
            })
        };
        let joiners = {
            let (queue, done) = (Arc::clone(&queue), Arc::clone(&done));
            crowd(4, move |_| {
                queue.join();
                *done.lock().unwrap()
            })
        };
        assert_eq!(join(joiners), [8; 4]);
        join(workers);
    });
}
