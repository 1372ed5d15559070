//! Assertions: tokens by which a client says who it is, signed with its certificate or by an issuer that the application
//! trusts.

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::answers::refused;

/// Whom a token of another issuer has to be for.
const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// A certificate that is registered with the application.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    der: Vec<u8>,
    key: Vec<u8>,
}

/// Another issuer whose tokens for one subject stand for the application.
#[derive(Clone, Debug)]
pub(super) struct Trusted {
    pub issuer: String,
    pub subject: String,
    pub signer: Registered,
}

impl Registered {
    /// A certificate in DER.
    ///
    /// # Panics
    /// When it is none: only tests register one.
    pub fn new(der: &[u8]) -> Self {
        let (_, parsed) = X509Certificate::from_der(der).expect("a certificate in DER");
        Self { der: der.to_vec(), key: parsed.public_key().subject_public_key.data.to_vec() }
    }

    fn has_thumbprint(&self, algorithm: &'static Algorithm, thumbprint: &Value) -> bool {
        thumbprint.as_str() == Some(&*URL_SAFE_NO_PAD.encode(digest(algorithm, &self.der)))
    }

    fn signed(&self, header: &Value, signed: &str, signature: &[u8]) -> bool {
        let parameters: &'static RsaParameters = match header["alg"].as_str() {
            Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
            Some("PS256") => &RSA_PSS_2048_8192_SHA256,
            _ => return false,
        };
        UnparsedPublicKey::new(parameters, &self.key).verify(signed.as_bytes(), signature).is_ok()
    }
}

/// What an assertion is held against.
pub(super) struct Check<'a> {
    pub client: &'a str,
    pub tenant: &'a str,
    pub certificates: &'a [Registered],
    pub trusted: &'a [Trusted],
    pub now: Timestamp,
}

type Refused = (u16, Value);

impl Check<'_> {
    /// Whether the assertion says that its bearer is the client.
    ///
    /// # Errors
    /// The service's refusal.
    pub fn of(&self, assertion: &str) -> Result<(), Refused> {
        let parts: Vec<&str> = assertion.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { return Err(malformed()) };
        let signed = &assertion[..header.len() + 1 + claims.len()];
        let (Some(header), Some(claims), Ok(signature)) =
            (decoded(header), decoded(claims), URL_SAFE_NO_PAD.decode(signature))
        else {
            return Err(malformed());
        };
        if claims["iss"] == json!(self.client) {
            self.of_client(&header, &claims, signed, &signature)
        } else {
            self.of_another(&header, &claims, signed, &signature)
        }
    }

    fn of_client(&self, header: &Value, claims: &Value, signed: &str, signature: &[u8]) -> Result<(), Refused> {
        let named = self.certificates.iter().find(|certificate| {
            certificate.has_thumbprint(&SHA256, &header["x5t#S256"])
                || certificate.has_thumbprint(&SHA1_FOR_LEGACY_USE_ONLY, &header["x5t"])
        });
        let Some(certificate) = named else {
            return Err(refused(
                401,
                "invalid_client",
                700_027,
                "The certificate with identifier used to sign the client assertion is not registered on application.",
            ));
        };
        if !certificate.signed(header, signed, signature) {
            return Err(refused(401, "invalid_client", 700_027, "Client assertion failed signature validation."));
        }
        if claims["sub"] != claims["iss"] {
            return Err(refused(
                400,
                "invalid_client",
                700_021,
                "Client assertion application identifier doesn't match.",
            ));
        }
        let endpoint = format!("/{}/oauth2/v2.0/token", self.tenant);
        if !claims["aud"].as_str().is_some_and(|audience| audience.ends_with(&endpoint)) {
            return Err(refused(401, "invalid_client", 700_023, "Client assertion audience claim does not match."));
        }
        self.is_in_time(claims)
    }

    fn of_another(&self, header: &Value, claims: &Value, signed: &str, signature: &[u8]) -> Result<(), Refused> {
        let of_issuer: Vec<&Trusted> = self.trusted.iter().filter(|one| claims["iss"] == json!(one.issuer)).collect();
        let unmatched = |number, what: &str| {
            let text = format!("No matching federated identity record found for presented assertion {what}.");
            Err(refused(401, "invalid_client", number, &text))
        };
        if of_issuer.is_empty() {
            return unmatched(700_211, "issuer");
        }
        let Some(trusted) = of_issuer.into_iter().find(|one| claims["sub"] == json!(one.subject)) else {
            return unmatched(700_213, "subject");
        };
        let is_for_exchange = match &claims["aud"] {
            Value::Array(audiences) => audiences.contains(&json!(EXCHANGE_AUDIENCE)),
            audience => *audience == json!(EXCHANGE_AUDIENCE),
        };
        if !is_for_exchange {
            return unmatched(700_212, "audience");
        }
        if !trusted.signer.signed(header, signed, signature) {
            return Err(refused(401, "invalid_client", 5_006, "The assertion failed signature validation."));
        }
        self.is_in_time(claims)
    }

    fn is_in_time(&self, claims: &Value) -> Result<(), Refused> {
        let now = self.now.as_second();
        let begins = claims["nbf"].as_i64().or(claims["iat"].as_i64()).unwrap_or(i64::MIN);
        let in_time = claims["exp"].as_i64().is_some_and(|ends| now < ends) && begins <= now;
        let text = "Client assertion is not within its valid time range.";
        if in_time { Ok(()) } else { Err(refused(401, "invalid_client", 700_024, text)) }
    }
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn malformed() -> Refused {
    refused(400, "invalid_request", 50_027, "JWT token is invalid or malformed.")
}
