//! What an identity has to know.

use couplet_model::table::Side;

use crate::connections::Connections;
use crate::credential::Credential;

/// Who talks to which system.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// The system, for error texts.
    pub side: Side,
    /// Base of the token endpoint, such as `https://login.microsoftonline.com`.
    pub authority: String,
    /// Tenant id or domain.
    pub tenant: String,
    /// Application id.
    pub client_id: String,
    /// What it proves itself with, or where that is kept.
    pub credential: Credential,
    /// Scope of the token.
    pub scope: String,
    /// Addresses under which the token is sent, and nowhere else.
    pub roots: Vec<String>,
    /// Requests that may be under way at once.
    pub concurrency: usize,
    /// The connections it is reached over.
    pub connections: Connections,
}
