//! Our own write, not yet committed, is never taken for a user's change.
