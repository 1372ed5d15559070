//! Pauses between attempts: growing, jittered, bounded. This is the one place where requests to DynamoDB are repeated; the
//! SDK's own attempts are switched off.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use couplet_model::RetrySchedule;

use crate::error::{is_contention, is_failure_of_service, is_throttling};

/// Attempts before a passing failure is handed on; with the pauses below about ten seconds.
const ATTEMPTS: u32 = 10;
/// Attempts while DynamoDB fails or cannot be reached. Few, because each may take as long as a connection does.
const OUTAGE_ATTEMPTS: u32 = 3;
const PAUSES: RetrySchedule = RetrySchedule::new(Duration::from_millis(20), Duration::from_secs(2));

/// Counts the attempts of one piece of work.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    pauses: u32,
}

impl Backoff {
    /// Waits before the next attempt; `false` when there were enough.
    pub async fn pause(&mut self) -> bool {
        self.pauses += 1;
        let Some(pause) = pause_before(self.pauses, fastrand::f64()) else { return false };
        tokio::time::sleep(pause).await;
        true
    }

    /// As [`Backoff::pause`], after an answer that left some of what it was asked undone. One that did a part of it is no
    /// throttling (an answer has a size limit): the attempts count from anew.
    pub async fn pause_for_rest(&mut self, asked: usize, left: usize) -> bool {
        if left < asked {
            self.pauses = 0;
        }
        self.pause().await
    }
}

/// How long to wait before a further attempt, the first being 1; `None` after the last.
fn pause_before(attempt: u32, chance: f64) -> Option<Duration> {
    (attempt < ATTEMPTS).then(|| PAUSES.spread_pause(attempt, chance))
}

/// Repeats a call while DynamoDB asks to slow down or another transaction is at the item, and a few times when it fails or
/// cannot be reached.
pub(crate) async fn patiently<T, E, R, C, F>(call: C) -> Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata,
    C: Fn() -> F,
    F: Future<Output = Result<T, SdkError<E, R>>>,
{
    let mut backoff = Backoff::default();
    let mut outages = 0;
    loop {
        match call().await {
            Err(error) if is_passing(&error) || is_outage(&error) && outages + 1 < OUTAGE_ATTEMPTS => {
                outages += u32::from(is_outage(&error));
                tracing::debug!(code = error.code(), "DynamoDB is asked again");
                if !backoff.pause().await {
                    return Err(error);
                }
            }
            result => return result,
        }
    }
}

/// Whether nobody answered, or the service itself failed.
fn is_outage<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    match error {
        SdkError::ServiceError(service) => service.err().code().is_some_and(is_failure_of_service),
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    }
}

fn is_passing<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code().is_some_and(|code| is_throttling(code) || is_contention(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<Duration> = (1..).map_while(|attempt| pause_before(attempt, 1.0)).collect();
        assert!(pauses.is_sorted());
        assert_eq!(u32::try_from(pauses.len()).ok(), Some(ATTEMPTS - 1));
        assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(10));
        assert!(pause_before(3, 0.0).expect("pause") == pauses[2] / 2);
    }
}
