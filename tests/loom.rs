//! Models of the shutdown protocol. `cargo loom` runs them.

#[cfg(not(loom))]
#[test]
#[ignore = "runs with `cargo loom`, to tell whether the models do"]
fn the_models_are_compiled_in() {
    panic!("the models were not compiled in: RUSTFLAGS in the environment overrides `--cfg loom`");
}

#[cfg(loom)]
mod models {
    use std::sync::Arc;

    use loom::thread;
    use taskshelf::{Attempt, PriorityQueue, QueueOptions, TaskQueue};

    // A hang here would mean that a worker slept through the close.
    #[test]
    fn a_closed_queue_gives_everything_and_ends() {
        loom::model(|| {
            let queue = Arc::new(PriorityQueue::new(2));
            let popper = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.iter().collect::<Vec<i32>>())
            };
            queue.push(0, 1).unwrap();
            queue.push(1, 2).unwrap();
            queue.close();
            let mut popped = popper.join().unwrap();
            popped.sort();
            assert_eq!(popped, [1, 2]);
        });
    }

    #[test]
    fn drain_returns_every_result() {
        loom::model(|| {
            let queue = TaskQueue::new(
                |attempt: &Attempt<'_, u32>| Ok::<_, ()>(attempt.payload),
                QueueOptions::new(2, 1),
            )
            .unwrap();
            queue.submit(1).unwrap();
            queue.submit(2).unwrap();
            let results = queue.drain();
            assert_eq!(results.len(), 2);
        });
    }
}
