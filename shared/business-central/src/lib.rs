//! The client of Business Central: API v2.0 and Couplet's companion API behind the port
//! [`couplet_model::system::System`].

mod acting;
mod changes;
mod client;
mod entities;
mod filters;
mod prepared;
mod reading;
mod route;
mod sending;
mod settings;
mod subscriptions;
mod values;
mod writing;

pub use client::{BusinessCentralClient, Company};
pub use settings::BusinessCentralSettings;
