//! A lost or restored store makes no duplicates.
