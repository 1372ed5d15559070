//! What every function needs around the engine: settings, wiring, handlers, telemetry.
//!
//! The functions and the embedded cloud call the very same [`handlers`]; a function's `main` names one of them and
//! nothing more.

pub mod aws_failure;
pub mod check;
pub mod configuration;
pub mod door;
mod function_url;
pub mod handlers;
pub mod held_back;
pub mod lambda;
pub mod metrics;
pub mod queue;
pub mod replay;
pub mod secrets;
pub mod telemetry;
pub mod wiring;

pub use configuration::{ConfigurationError, Settings};
pub use door::Notifications;
pub use held_back::{Held, HeldBack};
pub use metrics::Metrics;
pub use queue::{SqsRecordsQueue, SqsTasksQueue};
pub use wiring::{Application, Cloud, Retries, StartError, Systems};
