//! A Dataverse Web API on loopback that is faithful on the wire: real HTTP, real errors, the rules of Sales that matter, and everything that can go wrong.
//!
//! It shares no code with the clients it is used to prove. What it supports, refuses and does differently is listed in `tests/simulators/FIDELITY.md`.

mod admin;
mod api;
mod demo;
mod faults;
mod options;
mod query;
mod rules;
mod schema;
mod server;
mod simulator;
mod store;
mod webhooks;
mod wire;
mod world;
mod write;

pub use faults::{CutMoment, FaultRates, Faults, Poison, ServiceLimits};
pub use options::{Behaviour, DEMO_COMPANY_ID, DataverseOptions, DemoSize, Latency};
pub use schema::{CustomNavigation, Hidden, IgnoredClearings, Security};
pub use simulator::DataverseSimulator;
pub use simulator_platform::NotificationFaults;
pub use wire::error::ApiError;
pub use world::RequestLogEntry;
