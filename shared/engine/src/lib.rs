//! The use cases of Couplet: find changes and enqueue them, apply a batch of records, refresh item availability.
//!
//! The functions of the bundle are doors to this crate. It reaches both systems through the port
//! [`couplet_model::System`], keeps its memory in [`couplet_store::Store`] and hands work on through [`RecordsQueue`].

mod admission;
mod availability;
mod batch;
mod belonging;
mod blanking;
mod claims;
mod engine;
mod error;
mod evidence;
mod finding;
mod halt;
mod landscape;
mod likeness;
mod looking_behind;
mod naming;
mod partners;
mod place;
mod ports;
mod replaying;
mod retry;
mod rules;
mod run;
mod transferring;
mod trust;
mod waiting;

pub use engine::{Engine, EngineOptions, EngineParts, JobPlan};
pub use error::EngineError;
pub use halt::Halt;
pub use ports::{
    BatchReport, Checkpoint, Checkpoints, Delivery, Disposition, GroupReport, QueueError, RecordsQueue, TasksQueue,
};
pub use run::{RunMode, RunReport, RunRequest, RunStatus};
