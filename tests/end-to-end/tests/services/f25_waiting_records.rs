//! Records that wait are shown, with what would release them.
