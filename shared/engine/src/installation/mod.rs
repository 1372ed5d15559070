//! One installation: both systems, the store, the catalogue under its switches, the facts that hold for all records,
//! options and the clock. All that a mapping's rules may see.

mod columns;
mod company;
mod countries;
mod currencies;
mod options;
mod price_list;
mod rates;
mod sales_setup;

use std::sync::Arc;

use couplet_model::table::Side;
use couplet_model::{Catalogue, Clock, CompanyId, DataverseId, Filter, ProcessId, Record, Switches, System, Table};
use couplet_store::Store;
use jiff::{SignedDuration, Timestamp};

use crate::error::EngineError;
use crate::facts::Facts;
use crate::failpoints::Failpoints;

/// Times and limits.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// How long a run holds its job without renewing the lease.
    pub lease: SignedDuration,
    /// How long one worker holds the pairs it is writing. A dead worker blocks its pairs for so long.
    pub claim: SignedDuration,
    /// The process this engine works in; its claims bear it.
    pub process: ProcessId,
    /// Whether no other process works on the same store, as on one machine that has its data folder to itself. Then a
    /// claim of another process is of one that is gone, and ends at once.
    pub is_alone: bool,
    /// A snapshot older than this is read again.
    pub snapshot_max_age: SignedDuration,
    /// How far reading by time of change reaches back before the cursor: longer than any transaction of either system
    /// stays open, or what it wrote may be missed.
    pub look_back: SignedDuration,
    /// The row of the company in Dataverse, if known; looked up otherwise.
    pub company_row: Option<DataverseId>,
    /// Short product name in the names of price lists.
    pub product_name: String,
    /// Where a crash test stops the engine.
    pub failpoints: Failpoints,
    /// Where the time comes from.
    pub clock: Clock,
    /// Records a run hands to the queue at a time.
    pub enqueue_size: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            lease: SignedDuration::from_mins(15),
            claim: SignedDuration::from_mins(3),
            process: ProcessId::current(),
            is_alone: false,
            snapshot_max_age: SignedDuration::from_mins(5),
            look_back: SignedDuration::from_mins(5),
            company_row: None,
            product_name: "Business Central".to_owned(),
            failpoints: Failpoints::default(),
            clock: Clock::default(),
            enqueue_size: 1000,
        }
    }
}

/// What an installation is made of.
#[derive(Clone)]
pub struct InstallationParts {
    /// The Business Central company.
    pub company: CompanyId,
    /// Mappings and tables.
    pub catalogue: Arc<Catalogue>,
    /// Choices of the installation.
    pub switches: Switches,
    /// Client of Business Central.
    pub business_central: Arc<dyn System>,
    /// Client of Dataverse.
    pub dataverse: Arc<dyn System>,
    /// The store.
    pub store: Store,
    /// Times and limits.
    pub options: EngineOptions,
}

/// One company of Business Central and one organization of Dataverse that are kept in step.
pub struct Installation {
    parts: InstallationParts,
    /// Facts read so far.
    facts: Arc<Facts>,
}

impl Installation {
    /// An installation of these parts.
    pub fn new(parts: InstallationParts) -> Self {
        Self { facts: Arc::new(Facts::new(parts.options.company_row)), parts }
    }

    /// The same installation with other mappings; what was read of both systems stays known.
    pub(crate) fn with_catalogue(&self, catalogue: Catalogue) -> Self {
        let parts = InstallationParts { catalogue: Arc::new(catalogue), ..self.parts.clone() };
        Self { parts, facts: Arc::clone(&self.facts) }
    }

    /// The Business Central company.
    pub fn company(&self) -> CompanyId {
        self.parts.company
    }

    /// Mappings and tables.
    pub fn catalogue(&self) -> &Catalogue {
        &self.parts.catalogue
    }

    /// Choices of the installation.
    pub fn switches(&self) -> &Switches {
        &self.parts.switches
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// Times and limits.
    pub fn options(&self) -> &EngineOptions {
        &self.parts.options
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.parts.options.clock.now()
    }

    /// The client of a side.
    pub fn system(&self, side: Side) -> &dyn System {
        match side {
            Side::BusinessCentral => self.parts.business_central.as_ref(),
            Side::Dataverse => self.parts.dataverse.as_ref(),
        }
    }

    /// A table of a side.
    ///
    /// # Errors
    /// [`EngineError::SetUp`] when the catalogue does not have it.
    pub(crate) fn table(&self, side: Side, name: &str) -> Result<Arc<Table>, EngineError> {
        let table = match side {
            Side::BusinessCentral => self.catalogue().business_central_table(name),
            Side::Dataverse => self.catalogue().dataverse_table(name),
        };
        table.cloned().ok_or_else(|| EngineError::SetUp(format!("the catalogue has no table {name} of {side}")))
    }

    /// The rows of a table of Dataverse that meet a filter.
    ///
    /// # Errors
    /// When the catalogue lacks the table, or Dataverse fails.
    pub(crate) async fn find_rows(
        &self,
        table: &str,
        filter: &Filter,
        columns: &[&str],
    ) -> Result<Vec<Record>, EngineError> {
        let table = self.table(Side::Dataverse, table)?;
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        Ok(self.system(Side::Dataverse).find(&table, filter, &columns).await?)
    }
}
