//! The worlds that the end-to-end tests stand on.

pub use couplet_worlds::*;
