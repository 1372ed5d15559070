//! The bench the end-to-end tests stand on: both simulators, the embedded store, a queue worked by hand, and the engine.

mod home;
mod proxy;
mod queue;
mod restoring;
mod sales;
mod world;

pub use home::{Home, Process};
pub use proxy::{Disturbance, Foreign, Passing, Proxy};
pub use queue::{HandQueue, HandTasks};
pub use world::{Tally, World, WorldOptions};
