//! What a client of Dataverse needs to know, with the sizes the service allows.

use std::collections::BTreeMap;

use couplet_odata::{Connections, Credential};

/// Page size the service allows at most.
const PAGE_SIZE: u32 = 5000;
/// Records per bulk message: the documented starting point.
const BULK_SIZE: usize = 1000;
/// Operations the service takes in one batch.
const BATCH_SIZE: usize = 1000;
/// Requests at once: far below the 52 the service refuses at, enough to hide its latency.
const CONCURRENCY: usize = 8;

/// Where Dataverse is and how to enter.
#[derive(Clone, Debug)]
pub struct DataverseSettings {
    /// The environment, such as `https://contoso.crm4.dynamics.com`.
    pub url: String,
    /// Base of the token endpoint, such as `https://login.microsoftonline.com`.
    pub authority: String,
    /// Tenant id or domain.
    pub tenant: String,
    /// Application id.
    pub client_id: String,
    /// What it proves itself with, or where that is kept.
    pub credential: Credential,
    /// Rows per page, at most 5000.
    pub page_size: u32,
    /// Records per bulk message, at most 1000.
    pub bulk_size: usize,
    /// Operations per batch, at most 1000: for updates that are guarded by a version, and for deletes. Batches run side
    /// by side but each works in sequence, so smaller ones are more requests and less time.
    pub batch_size: usize,
    /// Requests under way at once.
    pub concurrency: usize,
    /// The connections it is reached over; both systems may share theirs.
    pub connections: Connections,
    /// Navigation properties that do not follow the rule, by `table.column` or `table.column.target`. What is missing
    /// here is learned from the service once it refuses a name.
    pub navigation: BTreeMap<String, String>,
}

impl DataverseSettings {
    /// Settings with the service's own sizes.
    pub fn new(
        url: impl Into<String>,
        authority: impl Into<String>,
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        credential: impl Into<Credential>,
    ) -> Self {
        Self {
            url: url.into(),
            authority: authority.into(),
            tenant: tenant.into(),
            client_id: client_id.into(),
            credential: credential.into(),
            page_size: PAGE_SIZE,
            bulk_size: BULK_SIZE,
            batch_size: BATCH_SIZE,
            concurrency: CONCURRENCY,
            connections: Connections::default(),
            navigation: BTreeMap::new(),
        }
    }
}
