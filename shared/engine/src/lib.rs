//! The use cases of Couplet: find changes and enqueue them, and apply batches of records.
//!
//! The functions of the bundle are doors to this crate. It reaches both systems through the port
//! [`couplet_model::System`], keeps its memory in [`couplet_store::Store`] and hands work on through [`RecordsQueue`].

mod belonging;
#[cfg(test)]
mod bench;
mod bulk;
mod claims;
mod connection;
mod couple;
mod engine;
mod error;
mod evidence;
mod facts;
mod failpoints;
mod find;
mod full_sync;
mod halt;
mod holding;
mod installation;
mod jobs;
mod mappings;
mod memory;
mod notifications;
mod partners;
mod plan;
mod ports;
mod record_history;
mod replaying;
mod retry;
mod revisions;
mod run;
mod switching_orders;
mod switching_units;
mod sync;
mod trust;
mod waiting;

pub use connection::{Currencies, Disabled};
pub use couple::{
    LostPair, MatchChoices, MatchReport, MatchedRecord, Meant, Named, NamedRow, Orphan, OrphanReport, RequestReport,
    RequestStatus,
};
pub use engine::{Engine, EngineParts};
pub use error::EngineError;
pub use failpoints::{Failpoint, Failpoints};
pub use find::found::RunMode;
pub use full_sync::{Advanced, FullSyncChoice, FullSyncStatus, LineReport};
pub use halt::Halt;
pub use installation::{EngineOptions, Installation, InstallationParts};
pub use jobs::JobPlan;
pub use mappings::unit_switch::{OldProduct, RefusedProduct};
pub use notifications::{Door, EarlyReport, EarlyStart, SubscriptionsStatus};
pub use ports::{BatchReport, Delivery, Disposition, GroupReport, QueueError, RecordsQueue, TasksQueue};
pub use record_history::RecordStory;
pub use replaying::GivenUp;
pub use revisions::{ChangeError, StandingMappings};
pub use run::{RunReport, RunRequest, RunStatus};
pub use switching_units::{UnitSwitch, UnitSwitchStep};
