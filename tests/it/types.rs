//! What the types around a task queue say of themselves.

use std::cell::Cell;
use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use taskshelf::{
    Attempt, BackpressureStrategy, QueueOptions, SubmitError, Submitted, Task, TaskError, TaskId,
    TaskQueue,
};

use crate::support::{full, within_seconds};

/// Not `Debug`.
#[derive(Clone, Copy)]
struct Plain;

#[track_caller]
fn assert_debug(value: impl Debug, parts: &[&str]) {
    let text = format!("{value:?}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn debug_text_says_what_became_of_a_task_and_why() {
    let accepted = Submitted::<Plain>::Accepted(TaskId::from("tea"));
    assert_debug(accepted, &["Accepted", "tea"]);
    assert_debug(Submitted::Dropped(Task::new(Plain)), &["Dropped"]);
    let (task, capacity) = (Task::new(Plain), 37);
    assert_debug(SubmitError::Full { task, capacity }, &["Full", "37"]);
    assert_debug(SubmitError::Closed(Task::new(Plain)), &["Closed"]);
    assert_debug(SubmitError::Timeout(Task::new(Plain)), &["Timeout"]);
    let deadlock = SubmitError::WouldDeadlock(Task::new(Plain));
    assert_debug(deadlock, &["WouldDeadlock"]);
}

#[test]
fn debug_text_says_how_many_of_many_tasks_got_in() {
    within_seconds(|| {
        let (queue, gate) = full(2, BackpressureStrategy::Drop);
        let dropped = queue.submit_all(0..37).unwrap();
        queue.close();
        let refused = queue.submit_all(0..37).unwrap_err();
        gate.open();
        assert_debug(dropped, &["SubmittedAll", "accepted: 0", "37"]);
        assert_debug(refused, &["SubmitAllError", "accepted: 0", "Closed", "37"]);
    });
}

#[test]
fn debug_text_of_a_result_names_the_task_and_its_error() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |_: &Attempt<'_, Plain>| Err::<(), _>("no tea"),
            QueueOptions::new(1, 1).max_retries(0),
        )
        .unwrap();
        queue.submit(Task::new(Plain).with_id("urn")).unwrap();
        let result = queue.drain().remove(0);
        assert_debug(
            &result,
            &["WorkerResult", "urn", "no tea", "attempts: 1", "duration"],
        );
        let failure = result.outcome.unwrap_err();
        assert_debug(&failure, &["Failure", "urn", "no tea"]);
    });
}

#[test]
fn every_predicate_of_a_refusal_tells_the_variants_apart() {
    let (task, capacity) = (Task::new(Plain), 1);
    let errors = [
        SubmitError::Full { task, capacity },
        SubmitError::Closed(Task::new(Plain)),
        SubmitError::Timeout(Task::new(Plain)),
        SubmitError::WouldDeadlock(Task::new(Plain)),
    ];
    for (place, error) in errors.iter().enumerate() {
        let answers = [
            error.is_full(),
            error.is_closed(),
            error.is_timeout(),
            error.is_would_deadlock(),
        ];
        let expected = [0, 1, 2, 3].map(|other| other == place);
        assert_eq!(answers, expected, "{error:?}");
    }
}

#[test]
fn a_refusal_without_its_task_says_the_same_of_a_task_like_it() {
    let task = || Task::new(7).with_id("tea").with_priority(3);
    let bare = || Task::new(()).with_id("tea").with_priority(3);
    let full = |task, capacity| SubmitError::Full { task, capacity };
    let full_of_nothing = |task, capacity| SubmitError::Full { task, capacity };
    let pairs = [
        (full(task(), 37), full_of_nothing(bare(), 37)),
        (SubmitError::Closed(task()), SubmitError::Closed(bare())),
        (SubmitError::Timeout(task()), SubmitError::Timeout(bare())),
        (
            SubmitError::WouldDeadlock(task()),
            SubmitError::WouldDeadlock(bare()),
        ),
    ];
    for (error, expected) in pairs {
        assert_eq!(error.clone().without_task(), expected);
        assert_eq!(error.into_task(), task());
    }
}

#[test]
fn a_failure_without_its_payload_goes_where_errors_go() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |_: &Attempt<'_, Cell<u8>>| Err::<(), _>("no tea"),
            QueueOptions::new(1, 1).max_retries(0),
        )
        .unwrap();
        queue
            .submit(Task::new(Cell::new(7)).with_id("urn"))
            .unwrap();
        let failure = queue.drain().remove(0).outcome.unwrap_err().without_task();
        let error: Box<dyn Error + Send + Sync> = failure.into();
        assert_eq!(error.to_string(), "task urn: no tea");
    });
}

#[test]
fn what_became_of_a_task_is_one_or_the_other() {
    let accepted = || Submitted::<u32>::Accepted(TaskId::from(7));
    assert!(accepted().is_accepted() && !accepted().is_dropped());
    assert_eq!(accepted().accepted(), Some(TaskId::Number(7)));
    assert_eq!(accepted().dropped(), None);
    let dropped = || Submitted::Dropped(Task::new(7));
    assert!(!dropped().is_accepted() && dropped().is_dropped());
    assert_eq!(dropped().accepted(), None);
    assert_eq!(dropped().dropped(), Some(Task::new(7)));
}

#[test]
fn an_id_is_a_name_in_any_kind_of_text() {
    let name = String::from("tea");
    let ids = [
        TaskId::from("tea"),
        TaskId::from(&name),
        TaskId::from(Arc::from("tea")),
        TaskId::from(name),
    ];
    for id in ids {
        assert_eq!(id, TaskId::Name(Arc::from("tea")));
    }
}

#[test]
fn every_predicate_of_a_task_error_tells_the_variants_apart() {
    let errors = [
        TaskError::Failed("no"),
        TaskError::Panicked("ouch".into()),
        TaskError::Aborted,
    ];
    for (place, error) in errors.into_iter().enumerate() {
        let answers = [error.is_failed(), error.is_panicked(), error.is_aborted()];
        assert_eq!(answers, [0, 1, 2].map(|other| other == place), "{error:?}");
        assert_eq!(error.failed(), (place == 0).then_some("no"));
    }
}
