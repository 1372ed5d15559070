//! What a person asks for: records are named, a request is taken down as a task, and its records are put into the queue, page by
//! page. What becomes of each of them is decided where all records are synchronized.

mod asking;
mod naming;

pub use asking::{RequestReport, RequestStatus};
pub use naming::Named;
