//! How an application proves to the token endpoint who it is: by a secret, by a certificate, or by the token of somebody
//! the endpoint trusts.

use couplet_model::Clock;
use secrecy::{ExposeSecret, SecretString};

use crate::certificate::{Certificate, is_certificate};
use crate::client_secret::{ClientSecret, KeeperError};

/// How an assertion is named in a form (RFC 7523).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What an application proves itself with.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The secret, the certificate with its key, or the token.
    text: ClientSecret,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A secret, or a certificate: which of them, its text tells.
    Own { password: Option<ClientSecret> },
    /// A token of somebody else, which is sent as it is.
    Foreign,
}

/// Fields of a form.
pub(crate) type Fields = Vec<(&'static str, SecretString)>;

impl Credential {
    /// A certificate with its key, and the password of its PFX file if it has one.
    pub fn certificate(text: ClientSecret, password: Option<ClientSecret>) -> Self {
        Self { text, kind: Kind::Own { password } }
    }

    /// A token by which another service says who this is. Its keeper is asked each time.
    pub fn web_identity(token: ClientSecret) -> Self {
        Self { text: token, kind: Kind::Foreign }
    }

    /// What is kept: the secret, the certificate or the token.
    pub(crate) fn text(&self) -> &ClientSecret {
        &self.text
    }

    /// What it is, in words.
    pub(crate) fn name(&self, text: &SecretString) -> &'static str {
        match self.kind {
            Kind::Foreign => "web identity token",
            Kind::Own { .. } if is_certificate(text.expose_secret()) => "certificate",
            Kind::Own { .. } => "secret",
        }
    }

    /// The fields that prove it to an endpoint now.
    ///
    /// # Errors
    /// When it is a certificate and cannot be used.
    pub(crate) async fn proof(
        &self,
        text: &SecretString,
        client_id: &str,
        endpoint: &str,
        clock: &Clock,
    ) -> Result<Fields, KeeperError> {
        let assertion = match &self.kind {
            Kind::Foreign => text.clone(),
            Kind::Own { .. } if !is_certificate(text.expose_secret()) => {
                return Ok(vec![("client_secret", text.clone())]);
            }
            Kind::Own { password } => {
                let password = match password {
                    Some(password) => Some(password.get().await?),
                    None => None,
                };
                let password = password.as_ref().map(ExposeSecret::expose_secret);
                let assertion = Certificate::read(text.expose_secret(), password)
                    .and_then(|certificate| certificate.assertion(client_id, endpoint, clock.now()));
                let unusable = |error| KeeperError::Refused(format!("the certificate cannot be used: {error}"));
                SecretString::from(assertion.map_err(unusable)?)
            }
        };
        Ok(vec![("client_assertion_type", ASSERTION_TYPE.into()), ("client_assertion", assertion)])
    }
}

impl<T: Into<ClientSecret>> From<T> for Credential {
    fn from(secret: T) -> Self {
        Self { text: secret.into(), kind: Kind::Own { password: None } }
    }
}
