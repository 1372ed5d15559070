//! Behaviour over real HTTP beyond rows.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../client/mod.rs"]
mod client;

mod customizing;
mod queries;
mod selling;
mod service;
mod webhooks;
