//! The finding half of a run: read what changed, settle what needs no work, enqueue the rest, move the cursor.

pub(crate) mod checkpoint;
pub(crate) mod found;

mod directions;
mod finder;
pub(crate) mod gone;
mod left_over;
mod looking_behind;
mod named;
mod records;
mod source;
