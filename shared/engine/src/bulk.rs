//! Bulk requests: pairs what was asked with what was answered, and notices when these are not equally many: then nobody knows which answer
//! belongs to what.

use couplet_model::system::{Action, SystemErrorKind, Write, Written};
use couplet_model::table::Side;
use couplet_model::{System, SystemError, Table};

use crate::error::EngineError;

/// What was asked, each with its answer.
///
/// # Errors
/// [`EngineError::Unpaired`] when an answer is missing or one is left over: nothing was paired.
pub(crate) fn paired<A, B>(what: &'static str, asked: Vec<A>, answers: Vec<B>) -> Result<Vec<(A, B)>, EngineError> {
    if asked.len() != answers.len() {
        return Err(EngineError::Unpaired { what, asked: asked.len(), answered: answers.len() });
    }
    Ok(asked.into_iter().zip(answers).collect())
}

/// Writes in bulk; exactly one result per write, in order. When the client gives another number, whether any of the writes
/// took effect is not known, and each of them may be tried again.
pub(crate) async fn write_all(
    system: &dyn System,
    table: &Table,
    writes: &[Write],
) -> Vec<Result<Written, SystemError>> {
    if writes.is_empty() {
        return Vec::new();
    }
    let results = system.write(table, writes).await;
    one_each(system.side(), writes.len(), results)
}

/// Performs actions in bulk; exactly one result per action, in order.
pub(crate) async fn act_all(system: &dyn System, table: &Table, actions: &[Action]) -> Vec<Result<(), SystemError>> {
    if actions.is_empty() {
        return Vec::new();
    }
    let results = system.act(table, actions).await;
    one_each(system.side(), actions.len(), results)
}

/// As many results as were asked for, or as many failures.
fn one_each<T>(side: Side, asked: usize, results: Vec<Result<T, SystemError>>) -> Vec<Result<T, SystemError>> {
    if results.len() == asked {
        return results;
    }
    let message = format!("it gave {} results for {asked} writes, so which is whose is not known", results.len());
    let message = couplet_model::Said::safe(message);
    let error = SystemError::new(side, SystemErrorKind::Transient, "", message);
    (0..asked).map(|_| Err(error.clone())).collect()
}

#[cfg(test)]
mod tests {
    use couplet_model::RetryClass;

    use super::*;

    #[test]
    fn a_missing_or_surplus_answer_pairs_nothing() {
        assert_eq!(paired("x", vec![1, 2], vec!['a', 'b']).ok(), Some(vec![(1, 'a'), (2, 'b')]));
        for answers in [vec!['a'], vec!['a', 'b', 'c'], vec![]] {
            let error = paired("x", vec![1, 2], answers.clone()).expect_err("they are not equally many");
            assert!(error.to_string().contains(&format!("2 asked, {} answered", answers.len())), "{error}");
            assert_eq!(error.retry_class(), RetryClass::RetryNow);
        }
    }

    #[test]
    fn writes_whose_results_cannot_be_told_apart_are_all_tried_again() {
        assert_eq!(one_each(Side::Dataverse, 2, vec![Ok(1), Ok(2)]), [Ok(1), Ok(2)]);
        for results in [vec![Ok(1)], vec![Ok(1), Ok(2), Ok(3)]] {
            let failed = one_each(Side::Dataverse, 2, results);
            assert_eq!(failed.len(), 2);
            assert!(failed.iter().all(|result| {
                result.as_ref().is_err_and(|error| error.retry_class() == RetryClass::RetryNow && error.may_be_logged)
            }));
        }
    }
}
