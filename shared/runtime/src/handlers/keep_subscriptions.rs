//! The subscriptions that bring change notifications: made, renewed and mended by a timer, or as a person asks.

use couplet_engine::{Door, EngineError, SubscriptionsStatus};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::metrics::Metric;
use crate::wiring::Application;

/// Why subscriptions cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Nobody said where the door is.
    #[error(
        "change notifications are switched off: set notifications.url and notifications.secret, or the parameter Notifications of the stack"
    )]
    SwitchedOff,
    /// The secret cannot be read.
    #[error("the secret of change notifications cannot be read: {0}")]
    NoSecret(couplet_odata::KeeperError),
    /// The store failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl KeepError {
    /// What a log may repeat.
    pub fn for_log(&self) -> String {
        match self {
            Self::SwitchedOff | Self::NoSecret(_) => self.to_string(),
            Self::Engine(error) => error.for_log(),
        }
    }
}

/// Makes, renews and mends the subscriptions of all tables that active jobs read, or removes them.
///
/// # Errors
/// When notifications are switched off, the secret cannot be read, or the store fails. What one system refuses is part of the
/// answer.
pub async fn keep_subscriptions(application: &Application, wanted: Keeping) -> Result<SubscriptionsStatus, KeepError> {
    let span = tracing::info_span!("keep_subscriptions", company = %application.engine.company());
    async {
        let kept = keep(application, wanted).await;
        match &kept {
            Ok(status) => {
                let failures = status.failures() as u64;
                let told = [Metric::count("SubscriptionFailures", failures)];
                application.metrics.tell(("Function", "run-job"), &told, &[]);
                tracing::info!(tables = status.tables.len(), failures, ?wanted, "subscriptions kept");
            }
            Err(error) => tracing::error!(error = error.for_log(), "the subscriptions could not be kept"),
        }
        kept
    }
    .instrument(span)
    .await
}

async fn keep(application: &Application, wanted: Keeping) -> Result<SubscriptionsStatus, KeepError> {
    let notifications = application.notifications.as_ref().ok_or(KeepError::SwitchedOff)?;
    let address = notifications.url.as_deref().ok_or(KeepError::SwitchedOff)?;
    let secret = notifications.secret.get().await.map_err(KeepError::NoSecret)?;
    // It may have been exchanged since it was read; what the systems show from now on has to be what the door compares with.
    let secret = match notifications.secret.instead_of(&secret).await {
        Ok(Some(newer)) => newer,
        Ok(None) | Err(_) => secret,
    };
    let door = Door { address, secret: secret.expose_secret() };
    Ok(match wanted {
        Keeping::Renew => application.engine.keep_subscriptions(door, |job| notifications.may_start(job)).await?,
        Keeping::Remove => application.engine.remove_subscriptions(door).await?,
    })
}

/// What is to become of the subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeping {
    /// They are made, renewed and mended.
    Renew,
    /// They are removed.
    Remove,
}
