//! What tests stand on, written once: both simulated systems, clients of them, and installations of Couplet between them.
//!
//! - [`Systems`]: the two simulators, with one company. [`feed`] and its neighbours read a system through its port.
//! - [`World`]: an engine with a queue that is worked by hand. Nothing moves unless a test says so.
//! - [`Installed`]: the application on the embedded cloud, as functions have it.
//! - [`Notified`]: the same with a door at which both systems tell of changes.
//! - [`Home`]: a data folder in which one process works after the other.

mod asking;
mod catalogues;
mod certified;
mod dying;
mod home;
mod installed;
mod killing;
mod notified;
mod proxy;
mod queue;
mod reading;
mod restoring;
mod sales;
mod selling;
mod settings;
mod systems;
mod world;

pub use asking::chosen;
pub use catalogues::catalogue_with;
pub use certified::Certified;
pub use dying::{Life, Moment};
pub use home::{Home, Process};
pub use installed::Installed;
pub use killing::Killing;
pub use notified::Notified;
pub use proxy::{Disturbance, Foreign, Passing, Proxy};
pub use queue::{HandQueue, HandTasks};
pub use reading::{Feed, LOOK_BACK, columns, failures, feed, values};
pub use settings::{business_central_settings, dataverse_settings, settings, settings_to_nowhere};
pub use systems::{NOTHING, Systems};
pub use world::{Tally, World, WorldOptions};
