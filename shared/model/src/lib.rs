//! The rules and the words of Couplet, free of input and output: what a mapping is, how fields travel,
//! when a record is unchanged, modified or in conflict, and the port [`system::System`] both systems are reached through.

pub mod base;
pub mod catalogue;
pub mod clock;
pub mod comparing;
pub mod correlation;
pub mod coupling;
pub mod decision;
pub mod facts;
pub mod filter;
pub mod ids;
pub mod job;
pub mod matching;
pub mod message;
pub mod outcome;
pub mod own_writes;
pub mod pending;
pub mod plain_text;
pub mod record;
pub mod request;
pub mod retry_schedule;
pub mod said;
pub mod seen;
pub mod shape;
pub mod switches;
pub mod system;
pub mod table;
pub mod task;
pub mod transfer;
pub mod value;

pub use base::Base;
pub use catalogue::{ActiveMapping, Catalogue, CatalogueError};
pub use clock::Clock;
pub use coupling::{Coupling, CouplingState};
pub use filter::{Condition, Filter, Operator};
pub use ids::{CompanyId, DataverseId, MappingName, ProcessId, RecordId, ReplayId, RunId, SystemId};
pub use message::RecordMessage;
pub use outcome::{Counters, Outcome};
pub use pending::PendingWrite;
pub use record::{Change, Record, Version};
pub use retry_schedule::RetrySchedule;
pub use said::Said;
pub use switches::Switches;
pub use system::{RetryClass, System, SystemError};
pub use table::{Column, FieldType, Side, Table};
pub use value::Value;
