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

/// The books of a queue that has ended say what its results say.
#[track_caller]
pub(crate) fn assert_books<P, R, E>(stats: &Stats, results: &[WorkerResult<P, R, E>]) {
    let all = results.len() as u64;
    assert_eq!((stats.accepted, stats.settled), (all, all));
    let ended = |is: fn(&TaskError<E>) -> bool| {
        let errors = results.iter().filter_map(|r| r.outcome.as_ref().err());
        errors.filter(|failure| is(&failure.error)).count() as u64
    };
    assert_eq!(stats.failed, ended(TaskError::is_failed));
    assert_eq!(stats.panicked, ended(TaskError::is_panicked));
    assert_eq!(stats.aborted, ended(TaskError::is_aborted));
    let succeeded = results.iter().filter(|r| r.outcome.is_ok()).count();
    assert_eq!(stats.succeeded, succeeded as u64);
    let again = |r: &WorkerResult<P, R, E>| u64::from(r.attempts.saturating_sub(1));
    assert_eq!(stats.retries, results.iter().map(again).sum::<u64>());
}
