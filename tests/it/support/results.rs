//! What results and the books say.

use taskshelf::{Stats, TaskError, TaskId, WorkerResult};

/// The values of results that must all be successes, in their order.
#[track_caller]
pub(crate) fn values<P, R, E: std::fmt::Debug>(results: Vec<WorkerResult<P, R, E>>) -> Vec<R> {
    results
        .into_iter()
        .map(|result| result.outcome.unwrap())
        .collect()
}

/// The same, sorted.
#[track_caller]
pub(crate) fn sorted_values<P, R: Ord, E: std::fmt::Debug>(
    results: Vec<WorkerResult<P, R, E>>,
) -> Vec<R> {
    let mut values = values(results);
    values.sort();
    values
}

/// The error of the one result that there must be, and its attempts.
#[track_caller]
pub(crate) fn only_error<P, R, E>(results: Vec<WorkerResult<P, R, E>>) -> (TaskError<E>, u32) {
    assert_eq!(results.len(), 1);
    let result = results.into_iter().next().unwrap();
    match result.outcome {
        Ok(_) => panic!("the task succeeded"),
        Err(failure) => (failure.error, result.attempts),
    }
}

pub(crate) fn number(number: u64) -> TaskId {
    TaskId::Number(number)
}

#[track_caller]
pub(crate) fn assert_balanced(stats: &Stats) {
    assert_eq!(
        stats.accepted,
        stats.ready + stats.waiting + stats.running + stats.settled,
        "{stats:?}"
    );
    assert_eq!(
        stats.settled,
        stats.succeeded + stats.failed + stats.panicked + stats.aborted,
        "{stats:?}"
    );
}
