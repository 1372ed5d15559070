//! What the real service does and the simulator once did otherwise: found by clients that nobody here wrote, and by holding the
//! tables against their entity references.
#![allow(clippy::unwrap_used)]

#[path = "../client/mod.rs"]
mod client;
mod columns;
mod definitions;
mod relationships;
mod wire;
