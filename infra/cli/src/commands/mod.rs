//! One file per command.

mod asking;
mod check;
mod conflicts;
mod couplings;
mod errors;
mod full_sync;
mod hold;
mod init;
mod jobs;
mod logs;
mod mappings;
mod matching;
mod replay;
mod resume;
mod run;
mod serve;
mod switch_units;
mod waiting;

pub use asking::{couple, retry, skip, sync, uncouple, unskip};
pub use check::check;
pub use conflicts::conflicts;
pub use couplings::couplings;
pub use errors::errors;
pub use full_sync::full_sync;
pub use hold::{hold, release};
pub use init::init;
pub use jobs::{direction as direction_in_words, jobs, seconds};
pub use logs::logs;
pub use mappings::{field, mapping};
pub use matching::match_records;
pub use replay::{dead_letters, replay};
pub use resume::resume;
pub use run::run;
pub use serve::{jobs_until_stopped, serve};
pub use switch_units::switch_units;
pub use waiting::waiting;
