//! Records of a run that fails half-way are not lost.
