//! The simulated service over HTTP, as its clients see it.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../client/mod.rs"]
mod client;

mod choices;
#[cfg(unix)]
mod f36_program;
mod orders_and_quotes;
mod sales_rules;
mod wire;
