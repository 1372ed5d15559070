//! A restored or exchanged system stops its jobs until a person chooses.
