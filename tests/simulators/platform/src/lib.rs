//! What both simulated services stand on, written once: connections and HTTPS, the identity platform, the clock, planned and random
//! faults, and the tokens of `$filter`.
//!
//! Like the simulators, it shares no code with the clients that they are used to prove.

mod clock;
mod dice;
mod faults;
mod filter_tokens;
mod hosting;
mod identity;
mod notification_faults;
mod program;
mod tls;

pub use clock::{Clock, within_a_century};
pub use dice::{Dice, mix};
pub use faults::{RequestFault, RequestFaults, WritePlan};
pub use filter_tokens::{FilterToken, TokenError, filter_tokens};
pub use hosting::{Cut, Port, Running, Service, called_at};
pub use identity::{CheckedToken, Identity, Refusal, Registration, TOKEN_LIFETIME};
pub use notification_faults::{Delivering, Draws, NotificationFaults};
pub use program::{EndSignals, exit_code};
