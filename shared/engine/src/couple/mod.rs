//! What a person asks for: records are named or matched, a request is taken down as a task, and its records are put into the
//! queue, page by page. What becomes of each of them is decided where all records are synchronized.

mod asking;
mod asking_again;
mod choosing;
mod gathering;
mod looking_for_deleted;
mod match_fields;
mod match_report;
mod matching;
mod naming;
mod orphans;
mod resolving;

pub use asking::{RequestReport, RequestStatus};
pub(crate) use asking_again::ask_again;
pub use choosing::Meant;
pub use looking_for_deleted::LostPair;
pub use match_fields::MatchChoices;
pub use match_report::{MatchReport, MatchedRecord, NamedRow};
pub use naming::Named;
pub use orphans::{Orphan, OrphanReport};
