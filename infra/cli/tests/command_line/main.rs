//! The built command, as people call it: one program of tests, because each would hold both simulated systems anew.

#[path = "../aws/mod.rs"]
mod aws;
#[path = "../command/mod.rs"]
mod command;

mod asking;
mod bad_input;
mod broken;
mod connection;
mod console;
#[cfg(unix)]
mod ends;
mod full_sync;
mod mapping_rules;
mod mappings;
mod matching;
mod restored;
mod setup;
mod stack;
mod work;
