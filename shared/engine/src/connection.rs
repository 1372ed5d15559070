//! The connection of the two systems, as a person switches it on and off (S293, S297).
//!
//! While it is off no run begins and nobody asks for anything; what stands in the queue is still processed, so that the
//! queue runs dry, and everything that is stored stays. Switched on again, each job goes on where it stood.

use couplet_model::filter::{Condition, Filter};
use couplet_model::value::Value;
use couplet_model::{MappingName, RunId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::find::found::Found;
use crate::run::{RunReport, RunStatus};

/// Name of the setting that says that the connection is off. It is one of its own: a run that stops all jobs meanwhile writes
/// another one, and neither takes the other back.
const CONNECTION: &str = "connection";
/// How long what was handed on waits before it looks again whether the connection is on.
const PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// The currencies both systems reckon in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currencies {
    /// The local currency of Business Central.
    pub local: String,
    /// The base currency of Dataverse.
    pub base: String,
    /// Whether Dataverse has the local currency.
    pub has_local: bool,
    /// Why there is no rate with which it can be added there, if it has to be.
    pub rate: Result<(), String>,
}

/// A connection that is switched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// Since when.
    pub since: Timestamp,
    /// Why, in the words of the person who did it.
    pub reason: Option<String>,
}

impl Disabled {
    /// That it is off, and what to do, for people.
    pub fn message(&self) -> String {
        let since = self.since.strftime("%F %T UTC");
        let reason = self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("the connection is disabled since {since}{reason}: no job runs until couplet enable")
    }
}

impl Engine {
    /// Why no job runs, if a person switched the connection off.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn disabled(&self) -> Result<Option<Disabled>, EngineError> {
        let stored = self.store().setting(self.company(), CONNECTION).await?;
        Ok(stored.and_then(|json| serde_json::from_value(json).ok()).flatten())
    }

    /// Switches the connection off: no run begins, and one that is under way stops behind the page it reads. What is in the queue
    /// is still processed. Gives how it stands then: as before, if it was off already.
    ///
    /// # Errors
    /// When the store fails; it can be repeated.
    pub async fn disable(&self, reason: Option<String>) -> Result<Disabled, EngineError> {
        if let Some(disabled) = self.disabled().await? {
            return Ok(disabled);
        }
        let disabled = Disabled { since: self.now(), reason };
        self.store_connection(Some(&disabled)).await?;
        tracing::info!("the connection is disabled");
        Ok(disabled)
    }

    /// Switches the connection on: timers start the jobs again, each where it stood. Gives how it was off, if it was.
    ///
    /// # Errors
    /// When the store fails; it can be repeated.
    pub async fn enable(&self) -> Result<Option<Disabled>, EngineError> {
        let disabled = self.disabled().await?;
        if disabled.is_some() {
            self.store_connection(None).await?;
            tracing::info!("the connection is enabled");
        }
        Ok(disabled)
    }

    async fn store_connection(&self, disabled: Option<&Disabled>) -> Result<(), EngineError> {
        let json = serde_json::to_value(disabled).map_err(|error| EngineError::SetUp(error.to_string()))?;
        Ok(self.store().put_setting(self.company(), CONNECTION, &json).await?)
    }

    /// What a person should know about the columns of a mapping in both systems.
    ///
    /// # Errors
    /// When there is no such mapping, or a system cannot be asked.
    pub async fn column_notes(&self, mapping: &MappingName) -> Result<Vec<String>, EngineError> {
        match self.mapping(mapping) {
            Ok(installed) => self.installation.column_notes(installed).await,
            // Why it cannot run is said with its job.
            Err(_) => Ok(Vec::new()),
        }
    }

    /// The currencies both systems reckon in, and whether Dataverse has that of Business Central (S293, C-130).
    ///
    /// # Errors
    /// When either names none, or cannot be asked.
    pub async fn look_at_currencies(&self) -> Result<Currencies, EngineError> {
        let local = self.installation.local_currency().await?;
        let base = self.installation.base_currency().await?.iso_code;
        let filter = Filter::all(vec![Condition::equal("isocurrencycode", Value::Text(local.clone()))]);
        let rows = self.installation.find_rows("transactioncurrency", &filter, &["isocurrencycode"]).await?;
        let has_local = !rows.is_empty();
        // A rate is needed for the currency that is missing where the other one is.
        let rate = if has_local { Ok(()) } else { self.installation.exchange_rate(&local).await.map(drop) };
        Ok(Currencies { local, base, has_local, rate: rate.map_err(|error| error.to_string()) })
    }

    /// Whether anything may be begun.
    pub(crate) async fn confirm_enabled(&self) -> Result<(), EngineError> {
        self.standing_to_work().await?;
        match self.disabled().await? {
            None => Ok(()),
            Some(disabled) => Err(EngineError::Disabled(disabled.message())),
        }
    }

    /// What becomes of a run that goes on in a new invocation while the connection is off: it waits, and holds nothing.
    pub(crate) fn waits_for_connection(&self, run: RunId) -> RunReport {
        let status = RunStatus::AlreadyRunning { run, until: self.now() + PAUSE };
        RunReport::new(run, status, Found::default())
    }

    /// When whatever waits for the connection looks again.
    pub(crate) fn looks_again_at(&self) -> Timestamp {
        self.now() + PAUSE
    }
}
