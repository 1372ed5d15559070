//! Pauses are rounded up, and waiting for another worker is no attempt.
