//! The new record of a natural key takes the place of a deleted one; swapped numbers arrive.
