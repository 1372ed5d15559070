//! The client against the simulated service.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../world/mod.rs"]
mod world;

mod acting;
mod faults;
mod reading;
mod writing;
