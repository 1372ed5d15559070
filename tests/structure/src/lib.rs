//! Reads the sources of the project. What they have to hold to is in this crate's tests.

pub mod circles;
pub mod codes;
pub mod dependencies;
pub mod sources;
pub mod tokens;
