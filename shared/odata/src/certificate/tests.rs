use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use p12_keystore::{
    Certificate as PfxCertificate, EncryptionAlgorithm, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
};
use rcgen::{CertificateParams, KeyPair as Generated, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::Value;

use super::*;

/// A certificate that ends in 4096, and its key.
struct Made {
    der: Vec<u8>,
    certificate: String,
    key: Generated,
}

impl Made {
    fn of(key: Generated) -> Self {
        let certificate = CertificateParams::default().self_signed(&key).expect("a certificate");
        Self { der: certificate.der().to_vec(), certificate: certificate.pem(), key }
    }

    fn rsa() -> Self {
        Self::of(Generated::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key"))
    }

    fn pem(&self) -> String {
        format!("{}{}", self.certificate, self.key.serialize_pem())
    }

    fn pfx(&self, password: &str, encryption: EncryptionAlgorithm, mac: MacAlgorithm) -> String {
        let key = PrivateKey::from_der(&self.key.serialize_der()).expect("a key");
        let certificate = PfxCertificate::from_der(&self.der).expect("a certificate");
        let mut store = KeyStore::new();
        store.add_entry("couplet", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("1", key, [certificate])));
        let writer = store.writer(password).encryption_algorithm(encryption).mac_algorithm(mac);
        STANDARD.encode(writer.write().expect("a PFX"))
    }
}

fn problem(text: &str) -> CertificateError {
    Certificate::read(text, None).expect_err("nothing to sign with")
}

#[test]
fn an_assertion_names_client_endpoint_and_certificate_and_is_signed_with_its_key() {
    let made = Made::rsa();
    let now: Timestamp = "2026-11-29T12:00:00Z".parse().expect("an instant");
    let certificate = Certificate::read(&made.pem(), None).expect("a certificate");
    let assertion = certificate.assertion("client", "https://login/t/oauth2/v2.0/token", now).expect("an assertion");
    let parts: Vec<&str> = assertion.split('.').collect();
    let json =
        |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("Base64")).expect("JSON") };
    assert_eq!(
        json(parts[0]),
        json!({"alg": "RS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(digest(&SHA256, &made.der))})
    );
    let claims = json(parts[1]);
    for (name, expected) in [
        ("aud", json!("https://login/t/oauth2/v2.0/token")),
        ("iss", json!("client")),
        ("sub", json!("client")),
        ("nbf", json!(now.as_second() - 300)),
        ("exp", json!(now.as_second() + 600)),
    ] {
        assert_eq!(claims[name], expected, "{name}");
    }
    let (_, parsed) = X509Certificate::from_der(&made.der).expect("a certificate");
    let public =
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, parsed.public_key().subject_public_key.data.clone());
    let signature = URL_SAFE_NO_PAD.decode(parts[2]).expect("Base64");
    let signed = format!("{}.{}", parts[0], parts[1]);
    public.verify(signed.as_bytes(), &signature).expect("signed with the key of the certificate");
    let again = certificate.assertion("client", "https://login/t/oauth2/v2.0/token", now).expect("an assertion");
    assert_ne!(assertion, again, "each has an id of its own");
}

#[test]
fn pem_and_pfx_are_read_in_any_order_and_form() {
    let (made, other) = (Made::rsa(), Made::rsa());
    let key = made.key.serialize_pem();
    let modern = made.pfx("hunter2", EncryptionAlgorithm::PbeWithHmacSha256AndAes256, MacAlgorithm::HmacSha256);
    let old = made.pfx("", EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc, MacAlgorithm::HmacSha1);
    let wrapped: String = old.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\r\n").collect();
    for (text, password) in [
        (made.pem(), None),
        (format!("{key}{}", made.certificate), None),
        (format!("Bag Attributes\r\n{}{}{key}", other.certificate, made.certificate).replace('\n', "\r\n"), None),
        (made.pem(), Some("ignored")),
        (modern.clone(), Some("hunter2")),
        (old, None),
        (wrapped, Some("")),
    ] {
        assert!(is_certificate(&text));
        let read = Certificate::read(&text, password).expect("a certificate");
        assert_eq!(read.thumbprint, URL_SAFE_NO_PAD.encode(digest(&SHA256, &made.der)));
        assert!(!format!("{read:?}").contains("key"), "{read:?}");
    }
    for password in [None, Some(""), Some("hunter3")] {
        assert_eq!(Certificate::read(&modern, password).expect_err("locked"), CertificateError::Locked);
    }
}

#[test]
fn what_cannot_sign_is_named_with_its_remedy() {
    let (made, other) = (Made::rsa(), Made::rsa());
    let curve = Made::of(Generated::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key"));
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIC\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_eq!(problem(&made.certificate), CertificateError::NoKey);
    assert_eq!(problem(&made.key.serialize_pem()), CertificateError::NoCertificate);
    assert_eq!(problem(&format!("{}{encrypted}", made.certificate)), CertificateError::EncryptedKey);
    assert_eq!(problem(&format!("{}{}", made.certificate, other.key.serialize_pem())), CertificateError::OtherKey);
    assert_eq!(problem(&curve.pem()), CertificateError::UnsuitableKey);
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let garbled = problem(&format!("{garbled}{}", made.key.serialize_pem()));
    assert!(matches!(garbled, CertificateError::Damaged(_)), "{garbled}");
    let cut = made.pem().replace("-----END CERTIFICATE-----", "");
    assert!(matches!(problem(&cut), CertificateError::Damaged(_)));
    assert_eq!(problem("bm9uZQ=="), CertificateError::Locked);
}

#[test]
fn a_certificate_signs_in_its_own_time_alone() {
    let key = Generated::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2026, 12, 31);
    let pem = params.self_signed(&key).expect("a certificate").pem() + &key.serialize_pem();
    let certificate = Certificate::read(&pem, None).expect("a certificate");
    let at = |time: &str| certificate.assertion("c", "e", time.parse().expect("an instant")).err();
    let (begins, ends) = (certificate.begins, certificate.ends());
    for (time, expected) in [
        ("2025-12-31T23:54:59Z", Some(CertificateError::NotYet(begins))),
        ("2025-12-31T23:55:00Z", None),
        ("2026-06-01T00:00:00Z", None),
        ("2026-12-30T23:59:59Z", None),
        ("2026-12-31T00:00:00Z", Some(CertificateError::Ended(ends))),
    ] {
        assert_eq!(at(time), expected, "{time}");
    }
}

#[test]
fn a_secret_is_no_certificate() {
    for secret in ["hunter2", "aB3~q8Q~_.-kfj3kf9dkw0fkl2kf", &"M".repeat(499), &"~".repeat(600)] {
        assert!(!is_certificate(secret), "{secret}");
    }
}

proptest::proptest! {
    /// No text is too strange to be read or refused.
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,300}", mark in "(-----BEGIN (CERTIFICATE|PRIVATE KEY)-----)?") {
        let text = format!("{mark}{text}");
        let _ = is_certificate(&text);
        let _ = Certificate::read(&text, Some("hunter2"));
    }
}
