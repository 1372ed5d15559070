//! Applying a batch of records of the queue, in bulk: read couplings and sources; admit; transfer and decide against the
//! base; write; store and release.
//!
//! Every record ends in exactly one way: stored with an outcome, or returned to the queue.

pub(crate) mod admission;
mod taking_places;
pub(crate) mod transferring;

mod acting;
mod batch;
mod committing;
mod coupling_after;
mod coupling_only;
mod deciding;
mod deleting;
mod documents;
mod ending;
mod hanging_on_pairs;
mod header_lines;
mod intending;
mod isolating;
mod keeping_pairs;
mod leaving_company;
mod leaving_lines;
mod likeness;
mod lines;
mod making_room;
mod matching;
mod mending;
mod merging;
mod moving;
mod opening_documents;
mod options;
mod parting;
mod queue;
mod reading_destinations;
mod reading_sources;
mod recording;
mod releasing;
mod stages;
mod ways_out;
mod wishes;
mod writing;

pub(crate) use leaving_company::gives_company;
pub(crate) use mending::remedies;

#[cfg(test)]
mod tests;
