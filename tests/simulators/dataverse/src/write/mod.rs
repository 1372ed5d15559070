//! Every change to rows goes through a session: checks, defaults, business rules, and the events that webhooks tell about.

mod check;
pub(crate) mod currency;
mod delete;
mod owners;
mod session;

pub use session::{Changes, Event, Message, Session};
