//! Submitters against everything that ends or frees: run or refused, never
//! lost, never left asleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use loom::thread;
use taskshelf::model::advance;
use taskshelf::{Attempt, QueueOptions, SubmitError};

use crate::support::{
    Bound::*, Fault, Meeting, SECOND, accepted, echo, lose_a_result, model, payloads, start,
};

// A hang would mean that a task was accepted after the last worker had left; a
// missing result, that it was accepted and forgotten.
fn submit_and_drain(fault: Fault) {
    model(Exhaustive, 380).outcomes([true, false], move || {
        let queue = start(echo, QueueOptions::new(1, 1));
        let submitter = queue.submitter();
        let producer = thread::spawn(move || accepted(submitter.submit(1), 1));
        lose_a_result(&queue, fault);
        let results = queue.into_inner().drain();
        let accepted = producer.join().unwrap();
        assert_eq!(results.len(), usize::from(accepted), "the results");
        accepted
    });
}

promise!(
    a_submit_that_races_a_drain_is_run_or_refused: submit_and_drain(),
    ResultLost => "the results"
);

// A hang would mean that the close forgot one of two submitters, or that one
// of them was let in by a worker that then left.
fn two_submits_and_close(fault: Fault) {
    let expected = [vec![], vec![1], vec![2], vec![1, 2]];
    model(Preemptions(3), 2_600).outcomes(expected, move || {
        let queue = start(echo, QueueOptions::new(1, 1));
        let producers = [1, 2].map(|payload| {
            let submitter = queue.submitter();
            thread::spawn(move || accepted(submitter.submit(payload), payload))
        });
        lose_a_result(&queue, fault);
        queue.close();
        let accepted = producers.map(|p| p.join().unwrap());
        let results = queue.into_inner().drain();
        let run: Vec<u32> = (1..)
            .zip(accepted)
            .filter_map(|(payload, accepted)| accepted.then_some(payload))
            .collect();
        assert_eq!(payloads(&results), run, "the results");
        run
    });
}

promise!(
    two_submits_that_race_a_close_are_run_or_refused: two_submits_and_close(),
    ResultLost => "the results"
);

// A hang would mean that the close left the rest of the tasks waiting for room;
// a wrong sum, that one of them is neither in nor handed back.
fn submit_all_and_close(fault: Fault) {
    model(Preemptions(4), 7_900).outcomes([0, 1, 2, 3], move || {
        let queue = start(echo, QueueOptions::new(1, 1));
        let submitter = queue.submitter();
        let producer = thread::spawn(move || match submitter.submit_all([1, 2, 3]) {
            Ok(all) => {
                assert!(all.dropped.is_empty());
                (all.accepted, vec![])
            }
            Err(error) => {
                assert!(matches!(error.error, SubmitError::Closed(_)));
                let rest = error.rest.into_iter().map(|task| task.payload).collect();
                (error.accepted, rest)
            }
        });
        lose_a_result(&queue, fault);
        queue.close();
        let (accepted, rest) = producer.join().unwrap();
        let results = payloads(&queue.into_inner().drain());
        assert_eq!(results.len(), accepted, "the results");
        assert_eq!([results, rest].concat(), [1, 2, 3], "the results");
        accepted
    });
}

promise!(
    a_submit_all_that_races_a_close_loses_nothing: submit_all_and_close(),
    ResultLost => "the results"
);

// A hang would mean that the call for the room went to a submitter whose time
// ran out, and that the one behind it was not called.
fn timed_submit(fault: Fault) {
    model(Preemptions(2), 1_500).outcomes([true, false], move || {
        let queue = start(echo, QueueOptions::new(1, 1));
        queue.submit(0).unwrap();
        let (timed, patient) = (queue.submitter(), queue.submitter());
        let timed = thread::spawn(move || accepted(timed.submit_timeout(1, SECOND), 1));
        let patient = thread::spawn(move || accepted(patient.submit(2), 2));
        if fault != Fault::ClockStands {
            advance(Duration::MAX);
        }
        assert!(patient.join().unwrap());
        let timed = timed.join().unwrap();
        let run = if timed { vec![0, 1, 2] } else { vec![0, 2] };
        assert_eq!(payloads(&queue.into_inner().drain()), run);
        timed
    });
}

promise!(
    room_that_a_timed_out_submit_was_called_for_goes_to_the_next: timed_submit(),
    ClockStands => "the outcomes"
);

// A hang would mean that a blocking submit of several tasks was not called for
// every slot that two workers freed, or that a worker left too early.
fn blocking_submits(fault: Fault) {
    model(Preemptions(3), 28_000).check(move || {
        let queue = start(echo, QueueOptions::new(1, 2));
        lose_a_result(&queue, fault);
        for payload in [1, 2, 3] {
            queue.submit(payload).unwrap();
        }
        let results = queue.into_inner().drain();
        assert_eq!(payloads(&results), [1, 2, 3], "the results");
    });
}

promise!(blocking_submits_get_every_slot: blocking_submits(), ResultLost => "the results");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Close,
    Cancel,
}

// A missing result would mean that a child was accepted and forgotten; a hang,
// that the worker left before its own child was run.
fn child_and(end: End, fault: Fault) {
    let (exploration, expected) = match end {
        End::Close => (model(Exhaustive, 3_800), vec![(2, true)]),
        End::Cancel => (
            model(Preemptions(4), 1_900),
            vec![(0, false), (1, false), (1, true), (2, true)],
        ),
    };
    // How many of the two were run, and whether the child was accepted.
    exploration.outcomes(expected, move || {
        let has_child = Arc::new(AtomicBool::new(false));
        let submitted = Arc::clone(&has_child);
        let queue = start(
            move |attempt: &Attempt<'_, u32>| {
                if attempt.payload == 0 {
                    submitted.store(attempt.try_submit(1).is_ok(), SeqCst);
                }
                Ok::<_, ()>(attempt.payload)
            },
            QueueOptions::new(1, 1),
        );
        queue.submit(0).unwrap();
        lose_a_result(&queue, fault);
        let submitter = queue.submitter();
        let ender = thread::spawn(move || match end {
            End::Close => drop(submitter.close()),
            End::Cancel => submitter.cancel(),
        });
        let results = queue.into_inner().drain();
        ender.join().unwrap();
        let has_child = has_child.load(SeqCst);
        let tasks = if has_child { vec![0, 1] } else { vec![0] };
        assert_eq!(payloads(&results), tasks, "the results");
        let run = results.iter().filter(|r| r.outcome.is_ok()).count();
        (run, has_child)
    });
}

promise!(a_child_that_races_a_close_is_run: child_and(End::Close), ResultLost => "the results");

promise!(
    a_child_that_races_a_cancel_has_a_result_or_is_refused: child_and(End::Cancel),
    ResultLost => "the results"
);

// A hang would mean that the workers left while a handler could still add a
// task, or that nobody was called for it: parent and child need two workers.
fn child_that_its_parent_waits_for(fault: Fault) {
    model(Preemptions(4), 8_100).check(move || {
        let meeting = Arc::new(Meeting::default());
        let queue = start(
            move |attempt: &Attempt<'_, u32>| {
                if attempt.payload == 0 && fault != Fault::NobodySubmits {
                    attempt.submit(1).unwrap();
                }
                meeting.meet(2);
                Ok::<_, ()>(())
            },
            QueueOptions::new(1, 2),
        );
        queue.submit(0).unwrap();
        assert_eq!(queue.into_inner().drain().len(), 2);
    });
}

promise!(
    a_handler_adds_tasks_while_the_queue_drains: child_that_its_parent_waits_for(),
    NobodySubmits => "deadlock"
);

// A hang would mean that a worker was left asleep with a task ready: the two
// tasks wait for each other, and nothing is closed until they have met.
fn tasks_that_meet(fault: Fault) {
    model(Preemptions(3), 14_000).check(move || {
        let meeting = Arc::new(Meeting::default());
        let inside = Arc::clone(&meeting);
        let queue = start(
            move |_: &Attempt<'_, u32>| {
                inside.meet(3);
                Ok::<_, ()>(())
            },
            QueueOptions::new(2, 2),
        );
        queue.submit(1).unwrap();
        if fault != Fault::NobodySubmits {
            queue.submit(2).unwrap();
        }
        meeting.meet(3);
        assert_eq!(queue.into_inner().drain().len(), 2);
    });
}

promise!(no_worker_sleeps_while_a_task_is_ready: tasks_that_meet(), NobodySubmits => "deadlock");

// A hang would mean that the worker took a task, left its room free, and called
// nobody for it: the handler waits for the submitter that sleeps. The first task
// it takes alone, the second as it settles the first.
fn handlers_that_wait_for_a_submit(fault: Fault) {
    model(Preemptions(4), 4_600).check(move || {
        let meetings = [(); 2].map(|()| Arc::new(Meeting::default()));
        let [first, second] = meetings.clone();
        let queue = start(
            move |attempt: &Attempt<'_, u32>| {
                match attempt.payload {
                    1 => first.meet(2),
                    2 => second.meet(2),
                    _ => {}
                }
                echo(attempt)
            },
            QueueOptions::new(1, 1),
        );
        let [first, second] = meetings;
        queue.submit(1).unwrap();
        queue.submit(2).unwrap();
        let submitter = queue.submitter();
        let producer = thread::spawn(move || {
            if fault != Fault::NobodySubmits {
                submitter.submit(3).unwrap();
                second.meet(2);
            }
        });
        first.meet(2);
        producer.join().unwrap();
        assert_eq!(payloads(&queue.into_inner().drain()), [1, 2, 3]);
    });
}

promise!(
    no_slot_stays_free_while_a_submitter_waits_and_the_handler_waits_for_it: handlers_that_wait_for_a_submit(),
    NobodySubmits => "deadlock"
);
