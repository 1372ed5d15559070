//! A Business Central service on loopback: API v2.0 and the companion app's API, faithful on the wire.
//!
//! [`BusinessCentralSimulator::start`] opens a port on 127.0.0.1 and serves a company held in memory. Clients authenticate with
//! [`BusinessCentralSimulator::credentials`] at [`BusinessCentralSimulator::authority`] and speak to
//! [`BusinessCentralSimulator::url`]. Tests act as a person in the application through the `..._as_user` methods and make the
//! service misbehave through [`Faults`].

mod admin;
mod as_user;
mod cell;
mod demo;
mod documents;
mod errors;
mod etag;
mod faults;
mod metadata;
mod navigation;
mod options;
mod query;
mod records;
mod relations;
mod request_log;
mod schema;
mod server;
mod service;
mod simulator;
mod state_file;
mod store;
mod throttle;
mod webhooks;

pub use errors::ApiError;
pub use faults::{Faults, Moment, Poison, RandomFaults};
pub use options::{BusinessCentralOptions, DemoSize, Latency, Limits, TradeSize};
pub use request_log::{LoggedOperation, RequestLogEntry};
pub use service::Switches;
pub use simulator::BusinessCentralSimulator;
pub use simulator_platform::NotificationFaults;
pub use store::QuoteVersion;
