//! The operator's console: pages about jobs, runs and records, and the acts that people carry out on them.
//!
//! The pages are made here, as text, and work without a script. What they show and what they do comes through one port,
//! [`Operator`]; who implements it decides where that is: this machine, a deployed stack, or a process that works.

mod act;
mod acts;
mod chart;
mod guard;
mod layout;
mod links;
mod operator;
mod pages;
mod router;
mod tables;
mod times;

pub use act::{Act, BadForm};
pub use guard::{Guard, LARGEST_BODY};
pub use operator::{
    Answer, Conflict, Counts, DeadLetters, Done, Failures, JobLine, Jobs, Listed, MappingDetails, MappingLine,
    Mappings, Operator, Overview, Pairs, Refusal, Search, Story, SystemRequests, Waiting,
};
pub use router::router;
