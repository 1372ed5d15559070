//! A failed full run stays a full one until it is done.
