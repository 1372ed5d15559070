//! The embedded cloud: what of AWS the functions need, in one process, with the functions' own handlers.

pub mod cloud;
pub mod data_folder;
pub mod door;
pub mod event_source;
pub mod recovery;
pub mod scheduler;

pub use cloud::{EmbeddedCloud, EmbeddedCloudError};
pub use couplet_embedded_cloud::dynamodb;
pub use couplet_embedded_cloud::{EmbeddedDynamoDb, StorageTrouble};
pub use data_folder::{DataFolder, DataFolderError};
pub use door::Door;
pub use event_source::{Drained, EventSource, EventSourceOptions};
pub use recovery::{InterruptedRun, Messages, recover};
pub use scheduler::{Timer, timers};
