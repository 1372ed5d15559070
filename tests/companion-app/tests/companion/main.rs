//! The companion app, held to the language, to the catalogue and to the simulator.

#![allow(clippy::unwrap_used, missing_docs)]

mod app;
mod catalogue;
