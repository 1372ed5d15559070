//! The simulated service over HTTP, as its clients see it.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../client/mod.rs"]
mod client;

mod batches;
mod documents;
#[cfg(unix)]
mod f36_program;
mod f36_service_manners;
mod faults;
mod hosting;
mod orders;
mod prices;
mod records;
mod robustness;
mod strictness;
mod webhooks;
