//! Pauses between attempts: growing, jittered, bounded.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::error::{is_contention, is_throttling};

/// Attempts before a passing failure is handed on; with the pauses below about ten seconds.
const ATTEMPTS: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Counts the attempts of one piece of work.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    pauses: u32,
}

impl Backoff {
    /// Waits before the next attempt; `false` when there were enough.
    pub async fn pause(&mut self) -> bool {
        self.pauses += 1;
        if self.pauses >= ATTEMPTS {
            return false;
        }
        let ceiling = LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.saturating_pow(self.pauses - 1));
        tokio::time::sleep(ceiling.mul_f64(jitter())).await;
        true
    }
}

/// A number between a half and one; writers that met once must not meet again.
fn jitter() -> f64 {
    0.5 + f64::from(random_byte()) / 510.0
}

/// A byte nobody can foresee.
pub(crate) fn random_byte() -> u8 {
    uuid::Uuid::new_v4().as_bytes()[0]
}

/// Repeats a call while DynamoDB asks to slow down or another transaction is at the item.
pub(crate) async fn patiently<T, E, R, C, F>(call: C) -> Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata,
    C: Fn() -> F,
    F: Future<Output = Result<T, SdkError<E, R>>>,
{
    let mut backoff = Backoff::default();
    loop {
        match call().await {
            Err(error) if is_passing(&error) => {
                tracing::debug!(code = error.code(), "DynamoDB asks for another attempt");
                if !backoff.pause().await {
                    return Err(error);
                }
            }
            result => return result,
        }
    }
}

fn is_passing<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code().is_some_and(|code| is_throttling(code) || is_contention(code))
}
