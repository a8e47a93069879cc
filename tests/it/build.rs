//! What can be built, and what it is.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Debug};
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use taskshelf::{
    Attempt, Backoff, BuildError, CancelToken, Failure, PushError, PushTimeoutError, QueueOptions,
    SubmitAllError, SubmitError, Submitter, Task, TaskError, TaskQueue, TryPushError,
};

use crate::support::{Gate, Live, OsThread, Recorder, only_error, until, values, within_seconds};

fn echo(options: QueueOptions) -> Result<TaskQueue<u32, u32, &'static str>, BuildError> {
    TaskQueue::new(|attempt: &Attempt<'_, u32>| Ok(attempt.payload), options)
}

#[test]
fn zero_capacity_is_an_error() {
    within_seconds(|| {
        let error = echo(QueueOptions::new(0, 1)).unwrap_err();
        assert!(matches!(error, BuildError::ZeroCapacity), "{error}");
    });
}

#[test]
fn zero_workers_is_an_error() {
    within_seconds(|| {
        let error = echo(QueueOptions::new(1, 0)).unwrap_err();
        assert!(matches!(error, BuildError::ZeroWorkers), "{error}");
    });
}

#[test]
fn a_thread_name_with_a_nul_byte_is_an_error() {
    within_seconds(|| {
        let error = echo(QueueOptions::new(1, 1).thread_name("a\0b")).unwrap_err();
        assert!(
            matches!(&error, BuildError::ThreadName(name) if name == "a\0b"),
            "{error}"
        );
    });
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn a_thread_that_cannot_start_is_an_error_that_says_which() {
    within_seconds(|| {
        let options = QueueOptions::new(1, 3)
            .thread_name("unborn")
            .stack_size(1 << 45);
        let error = echo(options).unwrap_err();
        let BuildError::Spawn {
            started, workers, ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(workers, 3);
        assert!(started < 3);
        let text = error.to_string();
        assert!(text.contains(&(started + 1).to_string()), "{text}");
        assert!(text.contains('3'), "{text}");
        assert!(error.source().is_some());
    });
}

#[test]
fn a_stack_of_any_size_is_given_or_refused() {
    for bytes in [0, 1, usize::MAX] {
        within_seconds(move || {
            let options = QueueOptions::new(1, 2)
                .thread_name("odd-stack")
                .stack_size(bytes);
            match echo(options) {
                Ok(queue) => {
                    queue.submit(1).unwrap();
                    assert_eq!(values(queue.drain()), [1]);
                }
                Err(error) => assert!(matches!(error, BuildError::Spawn { .. }), "{error}"),
            }
            until(|| OsThread::named("odd-stack").is_empty());
        });
    }
}

#[test]
fn as_many_attempts_run_at_once_as_there_are_workers() {
    within_seconds(|| {
        let gate = Gate::new();
        let handler = {
            let gate = gate.clone();
            move |_: &Attempt<'_, u32>| {
                gate.pass();
                Ok::<_, &str>(thread::current().name().map(str::to_owned))
            }
        };
        let options = QueueOptions::new(8, 3).thread_name("crew");
        let queue = TaskQueue::new(handler, options).unwrap();
        queue.submit_all([1, 2, 3]).unwrap();
        gate.arrived(3);
        gate.open();
        let mut names: Vec<_> = values(queue.drain()).into_iter().flatten().collect();
        names.sort();
        assert_eq!(names, ["crew-1", "crew-2", "crew-3"]);
    });
}

#[test]
fn workers_are_named_after_the_crate_by_default() {
    within_seconds(|| {
        let names = Recorder::new();
        let handler = {
            let names = names.clone();
            move |_: &Attempt<'_, u32>| {
                names.note(thread::current().name().map(str::to_owned));
                Ok::<_, &str>(())
            }
        };
        let queue = TaskQueue::new(handler, QueueOptions::new(1, 1)).unwrap();
        queue.submit(1).unwrap();
        drop(queue);
        assert_eq!(names.events(), [Some("taskshelf-1".to_owned())]);
    });
}

#[test]
fn handles_are_send_sync_and_debug_whatever_the_payload_is() {
    /// `Send`, but neither `Sync` nor `Debug` nor `UnwindSafe`.
    struct Plain(#[allow(dead_code, reason = "it is here for what it is not")] Cell<u32>);

    fn shared<T: Send + Sync + Debug + UnwindSafe + RefUnwindSafe>() {}
    fn sent<T: Send + Debug>() {}
    fn caught<T: UnwindSafe + RefUnwindSafe>() {}
    fn cloned<T: Clone>() {}

    shared::<TaskQueue<Plain, Plain, Plain>>();
    shared::<Submitter<Plain>>();
    cloned::<Submitter<Plain>>();
    caught::<QueueOptions>();
    caught::<Backoff>();
    sent::<CancelToken>();
    sent::<SubmitError<Plain>>();
    sent::<SubmitAllError<Plain>>();
    sent::<Failure<Plain, u32>>();
}

#[test]
fn a_submit_may_stand_inside_catch_unwind() {
    within_seconds(|| {
        let queue = echo(QueueOptions::new(4, 1)).unwrap();
        let submitter = queue.submitter();
        assert!(catch_unwind(|| queue.submit(1)).unwrap().is_ok());
        assert!(catch_unwind(|| submitter.submit(2)).unwrap().is_ok());
        assert_eq!(queue.drain().len(), 2);
    });
}

#[test]
fn debug_text_does_not_need_a_debug_payload() {
    struct Plain;
    within_seconds(|| {
        let queue = TaskQueue::new(
            |_: &Attempt<'_, Plain>| Ok::<Plain, Plain>(Plain),
            QueueOptions::new(1, 1).thread_name("press"),
        )
        .unwrap();
        let texts = [
            ("TaskQueue", format!("{queue:?}")),
            ("Submitter", format!("{:?}", queue.submitter())),
        ];
        for (name, text) in texts {
            let tells = ["press", "capacity: 1"].map(|part| text.contains(part));
            assert!(text.starts_with(name) && tells == [true; 2], "{text}");
        }
        queue.close();
        let text = format!("{:?}", queue.submit(Plain).err().unwrap());
        assert!(text.starts_with("Closed"), "{text}");
    });
}

#[test]
fn debug_text_of_an_attempt_says_which_it_is_of_which_task() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |attempt: &Attempt<'_, &str>| Err::<(), _>(format!("{attempt:?}")),
            QueueOptions::new(1, 1).max_retries(0),
        )
        .unwrap();
        queue.submit("the payload").unwrap();
        let (error, _) = only_error(queue.drain());
        let TaskError::Failed(text) = error else {
            panic!("{error:?}");
        };
        assert!(
            text.starts_with("Attempt") && text.contains("the payload"),
            "{text}"
        );
        assert!(text.contains("number: 1"), "{text}");
    });
}

#[test]
fn errors_are_errors_and_say_the_numbers() {
    fn text(error: &dyn Error) -> String {
        error.to_string()
    }

    assert_eq!(
        text(&SubmitError::Full {
            task: Task::new(1),
            capacity: 37
        }),
        "queue is full (capacity 37)"
    );
    assert_eq!(text(&SubmitError::Closed(Task::new(1))), "queue is closed");
    assert!(text(&SubmitError::Timeout(Task::new(1))).contains("full"));
    assert!(text(&SubmitError::WouldDeadlock(Task::new(1))).contains("deadlock"));
    assert!(text(&BuildError::ZeroCapacity).contains('1'));
    assert!(text(&BuildError::ZeroWorkers).contains('1'));
    assert!(text(&BuildError::ThreadName("a\0b".into())).contains("a\\0b"));
    assert_eq!(
        text(&TaskError::Failed(std::fmt::Error)),
        text(&std::fmt::Error)
    );
    assert!(text(&TaskError::<std::fmt::Error>::Panicked("ouch".into())).contains("ouch"));
    assert!(!text(&TaskError::<std::fmt::Error>::Aborted).is_empty());
}

#[test]
fn a_refused_submit_all_says_how_many_got_in_and_how_many_did_not() {
    within_seconds(|| {
        let queue = echo(QueueOptions::new(4, 1)).unwrap();
        queue.close();
        let error = queue.submit_all(0..37).unwrap_err();
        let boxed: Box<dyn Error + Send + Sync> = Box::new(error);
        let text = boxed.to_string();
        assert!(text.contains("closed"), "{text}");
        assert!(text.contains('0') && text.contains("37"), "{text}");
    });
}

#[test]
fn a_failure_says_which_task_it_was() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |_: &Attempt<'_, u32>| Err::<(), _>(std::fmt::Error),
            QueueOptions::new(4, 1).max_retries(0),
        )
        .unwrap();
        queue.submit(Task::new(1).with_id("lost-one")).unwrap();
        let failure = queue.drain().remove(0).outcome.unwrap_err();
        let error: Box<dyn Error> = Box::new(failure);
        assert!(error.to_string().contains("lost-one"), "{error}");
    });
}

#[test]
fn an_error_without_its_task_fits_any_box() {
    struct Unshared(#[allow(dead_code, reason = "it is here for what it is not")] Cell<u32>);
    let refused = SubmitError::Full {
        task: Task::new(Unshared(Cell::new(1))).with_priority(3),
        capacity: 37,
    };
    let boxed: Box<dyn Error + Send + Sync> = Box::new(refused.without_task());
    assert_eq!(boxed.to_string(), "queue is full (capacity 37)");
}

#[test]
fn an_error_without_its_tasks_fits_any_box() {
    within_seconds(|| {
        let queue = TaskQueue::new(
            |_: &Attempt<'_, Cell<u32>>| Ok::<_, ()>(()),
            QueueOptions::new(1, 1),
        )
        .unwrap();
        queue.close();
        let refused = queue.submit_all([Cell::new(1), Cell::new(2)]).unwrap_err();
        let boxed: Box<dyn Error + Send + Sync> = Box::new(refused.without_tasks());
        assert_eq!(
            boxed.to_string(),
            "queue is closed; 0 tasks were accepted before, 2 that had been pulled were not"
        );
    });
}

#[test]
fn an_error_that_shows_more_on_demand_does_so_in_a_failure() {
    struct Chain;
    impl fmt::Display for Chain {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(if f.alternate() {
                "tea: no water"
            } else {
                "tea"
            })
        }
    }
    within_seconds(|| {
        let queue = TaskQueue::new(
            |_: &Attempt<'_, u32>| Err::<(), _>(Chain),
            QueueOptions::new(1, 1).max_retries(0),
        )
        .unwrap();
        queue.submit(1).unwrap();
        let outcome = queue.drain().remove(0).outcome;
        let Err(failure) = outcome else {
            panic!("it fails")
        };
        assert_eq!(failure.to_string(), "task 1: tea");
        assert_eq!(format!("{failure:#}"), "task 1: tea: no water");
    });
}

#[test]
fn a_push_that_is_refused_converts_to_the_errors_of_the_others() {
    assert_eq!(TryPushError::from(PushError(1)), TryPushError::Closed(1));
    let timed = PushTimeoutError::from(PushError(1));
    assert_eq!(timed, PushTimeoutError::Closed(1));
}

#[test]
fn what_cannot_be_built_contains_panics_of_what_it_was_to_be_built_from() {
    let live = Live::default();
    let build = |options: QueueOptions| {
        let [handlers, backoffs] = [(); 2].map(|()| live.bomb());
        let handler = move |attempt: &Attempt<'_, u32>| {
            let _held = &handlers;
            Ok::<_, ()>(attempt.payload)
        };
        let backoff = Backoff::custom(move |_| {
            let _held = &backoffs;
            Duration::ZERO
        });
        TaskQueue::new(handler, options.backoff(backoff)).map(drop)
    };
    assert!(build(QueueOptions::new(0, 1)).is_err());
    assert!(build(QueueOptions::new(1, 0)).is_err());
    assert!(build(QueueOptions::new(1, 1).thread_name("\0")).is_err());
    assert_eq!((live.drops(), live.drops_in_unwinding()), (6, 0));
}
