//! The full synchronization of the whole installation: what is recommended for each mapping, and a plan that is carried out line
//! by line. The plan is one item of the store, which every step changes on condition that it is as it was read; tasks carry it on.

mod lines;
mod plan;
mod reviewing;

pub use lines::LineReport;
pub use plan::{Advanced, FullSyncStatus};
pub use reviewing::FullSyncChoice;
