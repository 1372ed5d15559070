//! The client of Dataverse: the Web API behind the port [`couplet_model::system::System`].

mod acting;
mod body;
mod changes;
mod clearing;
mod clearing_form;
mod client;
mod facts;
mod feed;
mod filters;
mod learned;
mod looking;
mod metadata;
mod options;
mod prepared;
mod reading;
mod rows;
mod sending;
mod settings;
mod subscriptions;
mod writing;

pub use client::{DataverseClient, WhoAmI};
pub use looking::{ApplicationUser, Privilege, Role, Solution, TableSetUp};
pub use settings::DataverseSettings;
