//! Whether a Dataverse environment answers at an address, asked without signing in, and where it says that applications sign in.

use std::path::Path;
use std::time::Duration;

use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Certificate, Client, StatusCode};

const LONGEST_ANSWER: Duration = Duration::from_secs(20);

/// What an environment says to somebody who has not signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Address that gives tokens.
    pub authority: Option<String>,
    /// The tenant of the environment.
    pub tenant: Option<String>,
}

/// Asks the Web API at this address for nothing, without a token. `ca_file` holds the certificates of a private authority.
///
/// # Errors
/// When nobody answers, or something else than Dataverse does: in one line, with what to do.
pub async fn reach(url: &str, ca_file: Option<&Path>) -> Result<Challenge, String> {
    let client = client(ca_file)?;
    let answer = client.get(format!("{url}/api/data/v9.2/")).send().await.map_err(|error| {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let cause = if error.is_timeout() { "time ran out".to_owned() } else { cause.to_string() };
        format!("nobody answers at {url} ({cause}): check the address, and the network and its proxy")
    })?;
    if answer.status() != StatusCode::UNAUTHORIZED {
        return Err(format!(
            "what answers at {url} is no Dataverse environment (status {}): take the address that the browser shows in Sales",
            answer.status().as_u16()
        ));
    }
    let said = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    Ok(said.map(challenge).unwrap_or_default())
}

fn client(ca_file: Option<&Path>) -> Result<Client, String> {
    let refused = |path: &Path, reason: String| format!("the certificates {} cannot be read: {reason}", path.display());
    let mut builder = Client::builder()
        .timeout(LONGEST_ANSWER)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("couplet/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|error| refused(path, error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| refused(path, error.to_string()))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| format!("cannot set up HTTPS: {error}"))
}

/// Reads `Bearer authorization_uri=https://AUTHORITY/TENANT/oauth2/authorize, resource_id=…`.
fn challenge(said: &str) -> Challenge {
    let uri = said.split([' ', ',']).find_map(|part| part.strip_prefix("authorization_uri="));
    let Some(url) = uri.and_then(|uri| url::Url::parse(uri.trim_matches('"')).ok()) else {
        return Challenge::default();
    };
    let tenant = url.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
    // These stand for any tenant.
    let is_one = !matches!(tenant, "" | "common" | "organizations");
    Challenge {
        authority: (url.scheme() == "https").then(|| url.origin().ascii_serialization()),
        tenant: is_one.then(|| tenant.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_says_where_its_applications_sign_in() {
        let own = "https://login.microsoftonline.us";
        for (said, authority, tenant) in [
            (
                "Bearer authorization_uri=https://login.microsoftonline.us/7f0a/oauth2/authorize, resource_id=https://x.crm9.dynamics.com/",
                Some(own),
                Some("7f0a"),
            ),
            ("Bearer authorization_uri=\"https://login.microsoftonline.us/7f0a\"", Some(own), Some("7f0a")),
            ("Bearer authorization_uri=https://login.microsoftonline.us/common/oauth2/authorize", Some(own), None),
            ("Bearer realm=x", None, None),
            ("Bearer authorization_uri=nothing", None, None),
            ("", None, None),
        ] {
            let found = challenge(said);
            assert_eq!((found.authority.as_deref(), found.tenant.as_deref()), (authority, tenant), "{said}");
        }
    }
}
