//! Certificates of applications, made for one test.

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

/// A certificate with its private key.
pub struct Certified {
    /// The certificate, as it is registered with an application.
    pub der: Vec<u8>,
    /// The certificate in PEM.
    pub certificate: String,
    /// The private key in PEM.
    pub key: String,
}

impl Certified {
    /// A certificate that holds.
    pub fn new() -> Self {
        Self::until(4096)
    }

    /// A certificate that ends with the first day of a year.
    pub fn until(year: i32) -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("an RSA key");
        let mut parameters = CertificateParams::default();
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = parameters.self_signed(&key).expect("a certificate");
        Self { der: certificate.der().to_vec(), certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Both in one text.
    pub fn pem(&self) -> String {
        format!("{}{}", self.certificate, self.key)
    }
}

impl Default for Certified {
    fn default() -> Self {
        Self::new()
    }
}
