//! Query options of a read: parsed once, then applied to the rows of a table.

pub(crate) mod filter;
mod options;
pub(crate) mod selection;

pub(crate) use options::{Expand, Query, pairs as filter_pairs};

#[cfg(test)]
mod laws;
