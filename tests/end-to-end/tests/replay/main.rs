//! Replay of dead letters, on the embedded cloud between both simulators: nothing is lost, nothing comes twice, nothing
//! old comes back.

mod bench;
mod choosing;
mod coming_home;
mod deleting;
mod interrupting;
mod skipping;
