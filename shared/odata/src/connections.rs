//! Connections over HTTPS, which several identities may share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use couplet_model::Said;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::Side;
use reqwest::{Certificate, Client};

use crate::transport::causes;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Load balancers of both systems drop idle connections after about a minute.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// Connections to any number of hosts. Clones share them, so that the certificates this machine trusts are read once, which takes
/// a good part of a function's start.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    ca_pem: Option<Arc<[u8]>>,
    client: Arc<OnceLock<Client>>,
}

impl Connections {
    /// Connections that trust these certificates, in PEM, beside the public ones; nothing is opened yet.
    pub fn trusting(ca_pem: Option<Vec<u8>>) -> Self {
        Self { ca_pem: ca_pem.map(Arc::from), client: Arc::default() }
    }

    /// The client of these connections, for one of the systems.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub(crate) fn open(&self, side: Side) -> Result<Client, SystemError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let refuse = |error: reqwest::Error| {
            let message = Said::safe(format!("cannot set up HTTPS: {}", causes(&error)));
            SystemError::new(side, SystemErrorKind::Protocol, "", message)
        };
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_CONNECTION)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("couplet/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &self.ca_pem {
            let certificates = Certificate::from_pem_bundle(pem).map_err(refuse)?;
            if certificates.is_empty() {
                let message = "the file of trusted certificates holds no certificate in PEM form";
                return Err(SystemError::new(side, SystemErrorKind::Protocol, "", message));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(refuse)?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}
