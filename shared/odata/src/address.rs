//! Addresses: the root of an API, and whether a link that a server or a store gave stays under it. Our token goes nowhere
//! else.

use reqwest::Url;
use serde_json::Value as Json;

/// An address that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an address of an API")]
pub struct NoAddress(String);

/// The root of one API, such as `https://contoso.crm.dynamics.com/api/data/v9.2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRoot {
    url: Url,
    /// Its path in small letters, without a slash at its end.
    path: String,
    /// Of Business Central: the path up to the version, and what follows the tenant.
    around_tenant: Option<(String, String)>,
}

impl ApiRoot {
    /// Reads the root from the settings.
    ///
    /// # Errors
    /// When the text is not an `http` or `https` address of a host.
    pub fn parse(text: &str) -> Result<Self, NoAddress> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| NoAddress(text.escape_debug().to_string()))?;
        let path = url.path().trim_end_matches('/').to_ascii_lowercase();
        let around_tenant = around_tenant(&path);
        Ok(Self { url, path, around_tenant })
    }

    /// The link as an address, if it has the scheme, the host and the port of this root and a path under its own. Both
    /// services take paths whatever their case. Business Central knows a tenant by its id, by its domains and by the token
    /// alone: its links may name it otherwise than the settings, or not at all, and the token is the same.
    pub fn own(&self, link: &str) -> Option<Url> {
        let link = Url::parse(link).ok()?;
        let same_origin = link.scheme() == self.url.scheme()
            && link.host() == self.url.host()
            && link.port_or_known_default() == self.url.port_or_known_default();
        let without_user = link.username().is_empty() && link.password().is_none();
        let path = link.path().to_ascii_lowercase();
        let below = is_below(&path, &self.path)
            || self.around_tenant.as_ref().is_some_and(|(before, after)| {
                let rest = path.strip_prefix(before.as_str()).unwrap_or_default();
                let behind_tenant = rest.strip_prefix('/').and_then(|rest| {
                    let (tenant, _) = rest.split_once('/')?;
                    names_a_tenant(tenant).then(|| &rest[tenant.len()..])
                });
                is_below(rest, after) || behind_tenant.is_some_and(|rest| is_below(rest, after))
            });
        (same_origin && without_user && below).then_some(link)
    }
}

/// A tenant's id or domain. Anything else, such as an encoded slash, could mean another path to a gateway on the way.
fn names_a_tenant(segment: &str) -> bool {
    !segment.is_empty() && segment.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}

fn is_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What stands before and behind the tenant in `/v2.0/<tenant>/<environment>/api/…`, with or without a tenant.
fn around_tenant(path: &str) -> Option<(String, String)> {
    let (before, rest) = path.split_once("/v2.0/")?;
    let (names, route) = rest.split_once("/api/")?;
    let environment = match names.split('/').collect::<Vec<_>>()[..] {
        [environment] | [_, environment] => environment,
        _ => return None,
    };
    Some((format!("{before}/v2.0"), format!("/{environment}/api/{route}")))
}

impl std::fmt::Display for ApiRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&place_of(self.url.as_str()))
    }
}

/// The link with that name in an answer.
pub(crate) fn link_in<'a>(page: &'a Json, name: &str) -> Option<&'a str> {
    page.get(name).and_then(Json::as_str)
}

/// Where a link leads, fit for messages and logs: without user and query, which may hold secrets and values of records.
pub fn place_of(link: &str) -> String {
    match Url::parse(link) {
        Ok(url) if url.has_host() => {
            format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/'))
        }
        _ => "no address".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f27_a_link_is_ours_only_under_our_own_root() {
        let root = ApiRoot::parse("https://contoso.crm.dynamics.com/api/data/v9.2").expect("a root");
        for (link, is_ours) in [
            ("https://contoso.crm.dynamics.com/api/data/v9.2/accounts?$deltatoken=1", true),
            ("https://CONTOSO.crm.dynamics.com/API/data/v9.2/accounts", true),
            ("https://contoso.crm.dynamics.com:443/api/data/v9.2/accounts", true),
            ("https://contoso.crm.dynamics.com/api/data/v9.2?x", true),
            ("https://contoso.crm.dynamics.com/api/data/v9.20/accounts", false),
            ("https://contoso.crm.dynamics.com/api/data/v9.2/../v9.1/accounts", false),
            ("https://contoso.crm.dynamics.com/api/data/v9.2/%2e%2e/v9.1/accounts", false),
            ("https://contoso.crm.dynamics.com/accounts", false),
            ("https://contoso.crm.dynamics.com", false),
            ("https://former.crm.dynamics.com/api/data/v9.2/accounts?$deltatoken=1", false),
            ("https://contoso.crm.dynamics.com.example/api/data/v9.2/accounts", false),
            ("https://contoso.crm.dynamics.com:8443/api/data/v9.2/accounts", false),
            ("https://contoso.crm.dynamics.com@example.org/api/data/v9.2/accounts", false),
            ("https://example.org\\@contoso.crm.dynamics.com/api/data/v9.2/accounts", false),
            ("https://user:word@contoso.crm.dynamics.com/api/data/v9.2/accounts", false),
            ("http://contoso.crm.dynamics.com/api/data/v9.2/accounts", false),
            ("ftp://contoso.crm.dynamics.com/api/data/v9.2/accounts", false),
            ("//contoso.crm.dynamics.com/api/data/v9.2/accounts", false),
            ("/api/data/v9.2/accounts", false),
            ("", false),
        ] {
            assert_eq!(root.own(link).is_some(), is_ours, "{link}");
        }
    }

    #[test]
    fn f27_a_link_of_business_central_is_ours_however_it_names_the_tenant() {
        let host = "https://api.businesscentral.dynamics.com";
        for configured in ["/v2.0/contoso.com/Production", "/v2.0/Production"] {
            let root = ApiRoot::parse(&format!("{host}{configured}/api/v2.0")).expect("a root");
            for (path, is_ours) in [
                ("/v2.0/contoso.com/Production/api/v2.0/companies(1)/items?$skiptoken=1", true),
                ("/v2.0/Production/api/v2.0/companies(1)/items", true),
                ("/v2.0/9d4c2f6e-0000-4000-8000-000000000001/production/api/v2.0/companies(1)/items", true),
                ("/v2.0/contoso.com/Sandbox/api/v2.0/companies(1)/items", false),
                ("/v2.0/Sandbox/api/v2.0/companies(1)/items", false),
                ("/v2.0/contoso.com/Production/api/v2.00/companies(1)/items", false),
                ("/v2.0/contoso.com/Production/api/couplet/integration/v1.0/companies(1)/items", false),
                ("/v2.0/contoso.com/more/Production/api/v2.0/companies(1)/items", false),
                ("/v2.0/contoso.com/../Sandbox/api/v2.0/companies(1)/items", false),
                ("/v1.0/contoso.com/Production/api/v2.0/companies(1)/items", false),
                ("/v2.0//Production/api/v2.0/companies(1)/items", false),
                ("/v2.0/a%2fb/Production/api/v2.0/companies(1)/items", false),
                ("/v2.0/a%2F..%2FSandbox/Production/api/v2.0/companies(1)/items", false),
                ("/v2.0/a%5cb/Production/api/v2.0/companies(1)/items", false),
                ("/v2.0/../Production/api/v2.0/companies(1)/items", false),
                ("/Production/api/v2.0/companies(1)/items", false),
            ] {
                assert_eq!(root.own(&format!("{host}{path}")).is_some(), is_ours, "{path} under {configured}");
            }
            let elsewhere =
                "https://api.businesscentral.example/v2.0/contoso.com/Production/api/v2.0/companies(1)/items";
            assert!(root.own(elsewhere).is_none());
        }
    }

    #[test]
    fn f27_a_root_is_an_address_of_a_host() {
        for text in ["", "contoso.crm.dynamics.com", "ftp://contoso/", "https://", "file:///etc", "data:text/plain,x"] {
            assert!(ApiRoot::parse(text).is_err(), "{text}");
        }
        let root = ApiRoot::parse("https://contoso.example/").expect("a root");
        assert!(root.own("https://contoso.example/anything").is_some());
    }

    #[test]
    fn f27_a_place_holds_neither_user_nor_query() {
        for (link, place) in [
            ("https://u:p@h.test:8443/a/b?$filter=name eq 'Jo'#x", "https://h.test:8443/a/b"),
            ("https://h.test/a\u{1b}[31m", "https://h.test/a%1B[31m"),
            ("nonsense", "no address"),
        ] {
            assert_eq!(place_of(link), place);
        }
    }
}
