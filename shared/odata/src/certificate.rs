//! A certificate with its private key, and the assertion an application signs with it instead of showing a secret
//! (RFC 7523; Entra ID takes RSA keys alone).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use uuid::Uuid;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How long an assertion holds. It is used at once; Entra ID takes up to a day and advises minutes.
const ASSERTION_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// How far the clocks of this machine and of the token endpoint may be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);
/// Shortest key Entra ID takes, in bytes.
const LEAST_KEY_BYTES: usize = 256;
/// How the text of a PEM file begins, what is before it aside.
const PEM_MARK: &str = "-----BEGIN ";
/// A PFX in Base64 has at least this many letters; no client secret has.
const LEAST_PFX_LETTERS: usize = 500;

/// Why a certificate cannot be used. It repeats nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is no certificate in it.
    #[error("it holds no certificate: put the certificate and its private key into one PEM or PFX file")]
    NoCertificate,
    /// There is no key in it.
    #[error("it holds a certificate without its private key: put both into one PEM or PFX file")]
    NoKey,
    /// The key is encrypted.
    #[error(
        "its private key is encrypted, which works in a PFX file alone: decrypt it (openssl pkey), or make a PFX file of it"
    )]
    EncryptedKey,
    /// The key is of another kind.
    #[error("its private key is no RSA key of at least 2048 bits, and Entra ID takes no other")]
    UnsuitableKey,
    /// The key belongs to something else.
    #[error("its private key is not that of its certificate")]
    OtherKey,
    /// The text is damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// The PFX cannot be opened.
    #[error(
        "the PFX cannot be opened: its password is wrong or missing (certificate_password), or it is encrypted in a way that is not known"
    )]
    Locked,
    /// Its time is over.
    #[error(
        "it ended on {0}: make a new certificate, add it to the app registration in Entra ID, and put it in this one's place"
    )]
    Ended(Timestamp),
    /// Its time has not come.
    #[error("it begins on {0} only: check this machine's clock, or use the certificate before it")]
    NotYet(Timestamp),
    /// Nothing can be signed.
    #[error("nothing can be signed with its private key")]
    Unsigned,
}

/// A certificate that belongs to an application, with its private key.
pub struct Certificate {
    key: KeyPair,
    thumbprint: String,
    begins: Timestamp,
    ends: Timestamp,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("thumbprint", &self.thumbprint)
            .field("begins", &self.begins)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// Whether a text is a certificate, in PEM or as a PFX in Base64, and not a secret.
pub fn is_certificate(text: &str) -> bool {
    text.contains(PEM_MARK) || (text.len() >= LEAST_PFX_LETTERS && pfx_in(text).is_some())
}

fn pfx_in(text: &str) -> Option<Vec<u8>> {
    let letters: String = text.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    STANDARD.decode(letters).ok()
}

impl Certificate {
    /// Reads a certificate and its key: PEM, or a PFX in Base64 with its password, which may be none.
    ///
    /// # Errors
    /// When either is missing, unsuitable or unreadable.
    pub fn read(text: &str, password: Option<&str>) -> Result<Self, CertificateError> {
        if text.contains(PEM_MARK) {
            return Self::of_pem(text);
        }
        let pfx = pfx_in(text).ok_or(CertificateError::NoCertificate)?;
        let store = KeyStore::from_pkcs12(&pfx, password.unwrap_or_default(), Pkcs12ImportPolicy::Strict)
            .map_err(|_| CertificateError::Locked)?;
        let (_, chain) = store.private_key_chain().ok_or(CertificateError::NoKey)?;
        let leaf = chain.certs().first().ok_or(CertificateError::NoCertificate)?;
        let key = KeyPair::from_pkcs8(chain.key().as_der()).map_err(|_| CertificateError::UnsuitableKey)?;
        Self::of(&[leaf.as_der().to_vec()], key)
    }

    fn of_pem(text: &str) -> Result<Self, CertificateError> {
        let damaged = |error: rustls_pki_types::pem::Error| CertificateError::Damaged(error.to_string());
        let certificates: Result<Vec<Vec<u8>>, _> = CertificateDer::pem_slice_iter(text.as_bytes())
            .map(|found| found.map(|certificate| certificate.to_vec()))
            .collect();
        let certificates = certificates.map_err(damaged)?;
        if certificates.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        if text.contains("ENCRYPTED") {
            return Err(CertificateError::EncryptedKey);
        }
        let key = match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs8(key)) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
            Ok(PrivateKeyDer::Pkcs1(key)) => KeyPair::from_der(key.secret_pkcs1_der()),
            Ok(_) => return Err(CertificateError::UnsuitableKey),
            Err(rustls_pki_types::pem::Error::NoItemsFound) => return Err(CertificateError::NoKey),
            Err(error) => return Err(damaged(error)),
        };
        Self::of(&certificates, key.map_err(|_| CertificateError::UnsuitableKey)?)
    }

    /// The key with its certificate, among others of its chain.
    fn of(certificates: &[Vec<u8>], key: KeyPair) -> Result<Self, CertificateError> {
        if key.public_modulus_len() < LEAST_KEY_BYTES {
            return Err(CertificateError::UnsuitableKey);
        }
        for der in certificates {
            let (_, parsed) = X509Certificate::from_der(der)
                .map_err(|_| CertificateError::Damaged("a certificate in it is none".to_owned()))?;
            if *parsed.public_key().subject_public_key.data != *key.public_key().as_ref() {
                continue;
            }
            let at =
                |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).unwrap_or(Timestamp::MAX);
            let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, der));
            let validity = parsed.validity();
            return Ok(Self { key, thumbprint, begins: at(validity.not_before), ends: at(validity.not_after) });
        }
        Err(CertificateError::OtherKey)
    }

    /// When it ends.
    pub fn ends(&self) -> Timestamp {
        self.ends
    }

    /// What the application sends instead of a secret: a token that names it, for this endpoint, signed now.
    ///
    /// # Errors
    /// When the certificate is not valid now, or nothing can be signed.
    pub fn assertion(&self, client_id: &str, endpoint: &str, now: Timestamp) -> Result<String, CertificateError> {
        if now >= self.ends {
            return Err(CertificateError::Ended(self.ends));
        }
        if now + CLOCKS_APART < self.begins {
            return Err(CertificateError::NotYet(self.begins));
        }
        let header = json!({"alg": "RS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": endpoint,
            "iss": client_id,
            "sub": client_id,
            "jti": Uuid::new_v4(),
            "nbf": (now - CLOCKS_APART).as_second(),
            "iat": now.as_second(),
            "exp": (now + ASSERTION_LIFE).as_second(),
        });
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| CertificateError::Unsigned)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests;
