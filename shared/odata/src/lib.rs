//! The OData v4 wire both systems speak. Knows requests, query text, batches and error bodies; knows no table.
//!
//! [`identity::Identity`] is the only way to the network: one application, its token, its connections and its
//! pauses. What both clients do with it, reading
//! and writing in bulk, is in [`reading`], [`writing`] and [`time_feed`]; everything else is text and parsing.

pub mod address;
pub mod answer;
mod certificate;
pub mod client_secret;
pub mod columns;
mod connections;
pub mod content;
mod credential;
mod error_body;
mod exchange;
pub mod fault;
pub mod filter_text;
pub mod identity;
mod identity_settings;
pub mod json_batch;
pub mod literal;
mod mark;
pub mod multipart;
pub mod pause;
pub mod query;
pub mod reading;
pub mod request;
mod signing_in;
pub mod sizes;
pub mod time_feed;
mod token;
mod transport;
pub mod writing;

pub use certificate::{Certificate, CertificateError};
pub use client_secret::{ClientSecret, KeeperError, SecretKeeper};
pub use connections::Connections;
pub use credential::Credential;
pub use fault::{error_of, kind_of};
pub use identity::Identity;
pub use identity_settings::IdentitySettings;
pub use pause::Pause;
pub use request::{BatchPart, Operation, Repeat, Reply, Request};
pub use sizes::{Load, Sizes};
