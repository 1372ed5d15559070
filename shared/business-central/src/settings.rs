//! What a client of Business Central needs to know, with the sizes the service allows.

use couplet_model::ids::CompanyId;
use couplet_odata::{Connections, Credential};

/// Page size of the service.
const PAGE_SIZE: u32 = 20_000;
/// Operations the service takes in one batch.
const BATCH_SIZE: usize = 100;
/// Requests the service processes at once for one user; more would only wait.
const CONCURRENCY: usize = 5;

/// Where Business Central is and how to enter.
#[derive(Clone, Debug)]
pub struct BusinessCentralSettings {
    /// Address up to the environment, such as
    /// `https://api.businesscentral.dynamics.com/v2.0/{tenant}/{environment}`.
    pub url: String,
    /// Base of the token endpoint, such as `https://login.microsoftonline.com`.
    pub authority: String,
    /// Tenant id or domain.
    pub tenant: String,
    /// Application id.
    pub client_id: String,
    /// What it proves itself with, or where that is kept.
    pub credential: Credential,
    /// The company to work in.
    pub company: CompanyId,
    /// Records per page, at most 20,000.
    pub page_size: u32,
    /// Operations per batch, at most 100.
    pub batch_size: usize,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Whether the companion app is published in the environment.
    pub companion: bool,
    /// The connections it is reached over; both systems may share theirs.
    pub connections: Connections,
}

impl BusinessCentralSettings {
    /// Settings with the service's own sizes and the companion app in use.
    pub fn new(
        url: impl Into<String>,
        authority: impl Into<String>,
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        credential: impl Into<Credential>,
        company: CompanyId,
    ) -> Self {
        Self {
            url: url.into(),
            authority: authority.into(),
            tenant: tenant.into(),
            client_id: client_id.into(),
            credential: credential.into(),
            company,
            page_size: PAGE_SIZE,
            batch_size: BATCH_SIZE,
            concurrency: CONCURRENCY,
            companion: true,
            connections: Connections::default(),
        }
    }
}
