//! Very many threads and one queue.

use std::thread;

use taskshelf::{Attempt, QueueOptions, TaskQueue};

use crate::random::Random;
use crate::support::for_a_while;

/// Sixty-four threads submit until they are told that the queue is closed.
fn drain_against_many(mut random: Random) {
    let queue = TaskQueue::new(
        |attempt: &Attempt<'_, u64>| Ok::<_, ()>(attempt.payload),
        QueueOptions::new(random.pick(&[1, 4, 100, 1000]), 2),
    )
    .unwrap();
    let (accepted, results) = thread::scope(|scope| {
        let producers: Vec<_> = (0..64)
            .map(|producer| {
                let submitter = queue.submitter();
                scope.spawn(move || {
                    (0..)
                        .map(|number| (producer << 32) | number)
                        .take_while(|&payload| submitter.submit(payload).is_ok())
                        .collect::<Vec<u64>>()
                })
            })
            .collect();
        for _ in 0..random.below(300) {
            thread::yield_now();
        }
        let results = queue.drain();
        let accepted: Vec<_> = producers
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        (accepted.concat(), results)
    });
    let mut payloads: Vec<_> = results
        .into_iter()
        .map(|result| result.outcome.unwrap())
        .collect();
    payloads.sort();
    // The producers are in order, and so is each of them.
    assert_eq!(payloads, accepted);
}

#[test]
fn a_drain_has_the_results_of_exactly_those_that_got_in() {
    for_a_while(drain_against_many);
}
