//! Addresses of the settings: parsed as the HTTP client parses them, encrypted unless they lead to this machine, and with
//! nothing in them that does not belong there.

use url::{Host, Url};

/// An address as it is used: scheme, host, port if it is no usual one, and the path without a slash at its end.
fn text_of(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/'))
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An address to which a token or a secret is sent.
fn parsed(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "not an address".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("not an address".to_owned());
    }
    if url.scheme() == "http" && !is_this_machine(&url) {
        return Err("not encrypted; use https".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address with a user in it; leave out what stands before the @".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("an address with a query; set {}", text_of(&url)));
    }
    Ok(url)
}

/// A text to show: what stands before the @ of an address may be a password.
pub(super) fn without_user(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("//") else { return text.to_owned() };
    let authority = rest.find(['/', '?', '#']).map_or(rest, |end| &rest[..end]);
    match authority.rfind('@') {
        Some(at) => format!("{scheme}//…{}", &rest[at..]),
        None => text.to_owned(),
    }
}

/// The address of a service that is a host alone: the Dataverse environment, or what gives tokens.
pub(super) fn host_alone(text: &str) -> Result<String, String> {
    let url = parsed(text)?;
    let host = url.origin().ascii_serialization();
    match url.path().trim_end_matches('/') {
        "" => Ok(host),
        path => Err(format!("an address with the path {path}, which does not belong there; set {host}")),
    }
}

/// An address as a person gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenAddress {
    /// The scheme and the host, with nothing behind them.
    pub address: String,
    /// What stood behind the host and was left out.
    pub left_out: Option<String>,
}

/// Reads an address as a person gives it: blanks around it do not count, `https://` is put in front where no scheme stands there, and
/// what stands behind the host is left out (S281, S286). A blank one stays blank.
///
/// # Errors
/// What is wrong with it, to be read behind "is".
pub fn given(text: &str) -> Result<Option<GivenAddress>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let mut url = Url::parse(&whole).map_err(|_| "not an address".to_owned())?;
    let behind = whole.find("://").map_or("", |at| &whole[at + 3..]);
    let behind = behind.find(['/', '?', '#']).map_or("", |at| &behind[at..]).trim_end_matches('/');
    let left_out = (!behind.is_empty()).then(|| behind.to_owned());
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    Ok(Some(GivenAddress { address: host_alone(url.as_str())?, left_out }))
}

/// The address of an environment of Business Central, from the host alone, the host with the version of its API, or the
/// whole address of the environment as the admin centre shows it.
pub(super) fn environment(text: &str, tenant: &str, environment: &str) -> Result<String, String> {
    let url = parsed(text)?;
    let path = url.path().trim_end_matches('/');
    if path.is_empty() || path.eq_ignore_ascii_case("/v2.0") {
        let mut whole = url.clone();
        if let Ok(mut segments) = whole.path_segments_mut() {
            segments.clear().extend(["v2.0", tenant, environment]);
        }
        return Ok(text_of(&whole));
    }
    // What follows the environment, such as /api/v2.0, is added to every request anyhow.
    let upto_api = path.to_ascii_lowercase().find("/api/").map_or(path, |at| &path[..at]);
    let mut ending = url.clone();
    ending.set_path(upto_api);
    let last = ending.path().rsplit('/').next().unwrap_or_default().to_owned();
    let mut named = url.clone();
    named.set_path("");
    if let Ok(mut segments) = named.path_segments_mut() {
        segments.push(environment);
    }
    if last.eq_ignore_ascii_case(named.path().trim_start_matches('/')) {
        return Ok(text_of(&ending));
    }
    Err(format!(
        "an address with the path {path}, which does not belong there; set {}, or the address up to and including the \
         environment {environment}",
        url.origin().ascii_serialization()
    ))
}

/// The address of the door for change notifications, ending in a slash. It may lie behind other servers, at a path of theirs.
pub(super) fn door(text: &str) -> Result<String, String> {
    Ok(format!("{}/", text_of(&parsed(text)?)))
}

/// The address of a queue; an emulator's may be anywhere and without encryption.
pub(super) fn queue(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if url.has_host() => Ok(text.to_owned()),
        _ => Err("not an address".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f29_an_address_is_encrypted_has_no_user_and_nothing_behind_its_host() {
        for (text, expected) in [
            ("https://contoso.crm4.dynamics.com", Ok("https://contoso.crm4.dynamics.com")),
            ("https://contoso.crm4.dynamics.com/", Ok("https://contoso.crm4.dynamics.com")),
            ("HTTPS://Contoso.crm4.dynamics.com:443//", Ok("https://contoso.crm4.dynamics.com")),
            ("https://contoso.example:8443", Ok("https://contoso.example:8443")),
            ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080")),
            ("http://127.9.9.9:8080", Ok("http://127.9.9.9:8080")),
            ("http://[::1]:8080", Ok("http://[::1]:8080")),
            ("http://localhost:8080", Ok("http://localhost:8080")),
            ("http://contoso.example", Err("not encrypted")),
            ("http://127.0.0.1.example.org", Err("not encrypted")),
            ("http://localhost.example.org", Err("not encrypted")),
            ("http://127.0.0.1@example.org", Err("not encrypted")),
            ("https://user:word@contoso.example", Err("with a user in it")),
            ("https://user@contoso.example", Err("with a user in it")),
            (
                "https://contoso.example/myOrg",
                Err("path /myOrg, which does not belong there; set https://contoso.example"),
            ),
            ("https://contoso.example/api/data/v9.2", Err("set https://contoso.example")),
            ("https://contoso.example/main.aspx?appid=1", Err("with a query")),
            ("https://contoso.example/#x", Err("with a query")),
            ("ftp://contoso.example", Err("not an address")),
            ("contoso.example", Err("not an address")),
            ("https://", Err("not an address")),
            ("https://con toso.example", Err("not an address")),
        ] {
            let read = host_alone(text);
            match expected {
                Ok(address) => assert_eq!(read.as_deref(), Ok(address), "{text}"),
                Err(part) => assert!(read.as_ref().is_err_and(|problem| problem.contains(part)), "{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn the_address_of_the_door_ends_in_a_slash() {
        for (text, expected) in [
            ("https://abc.lambda-url.eu-west-1.on.aws/", Ok("https://abc.lambda-url.eu-west-1.on.aws/")),
            ("https://contoso.example/couplet//", Ok("https://contoso.example/couplet/")),
            ("http://127.0.0.1:7357", Ok("http://127.0.0.1:7357/")),
            ("http://contoso.example", Err("not encrypted")),
            ("https://contoso.example/?code=1", Err("with a query")),
        ] {
            let read = door(text);
            match expected {
                Ok(address) => assert_eq!(read.as_deref(), Ok(address), "{text}"),
                Err(part) => assert!(read.as_ref().is_err_and(|problem| problem.contains(part)), "{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn c_118_c_119_s281_s286_an_address_is_trimmed_gets_its_scheme_and_loses_what_is_behind_its_host() {
        for (text, expected) in [
            ("", Ok(None)),
            ("  ", Ok(None)),
            ("test.dynamics.com", Ok(Some(("https://test.dynamics.com", None)))),
            (" https://somedomain.dynamics.com/ ", Ok(Some(("https://somedomain.dynamics.com", None)))),
            (
                "contoso.crm4.dynamics.com/main.aspx?appid=1",
                Ok(Some(("https://contoso.crm4.dynamics.com", Some("/main.aspx?appid=1")))),
            ),
            ("https://contoso.example/api/data/v9.2/", Ok(Some(("https://contoso.example", Some("/api/data/v9.2"))))),
            ("http://127.0.0.1:8080", Ok(Some(("http://127.0.0.1:8080", None)))),
            ("http://somedomain.dynamics.com", Err("not encrypted; use https")),
            ("http://test1.com", Err("not encrypted; use https")),
            ("https://user:word@contoso.example", Err("with a user in it")),
            ("ftp://contoso.example", Err("not an address")),
            ("con toso", Err("not an address")),
        ] {
            match (given(text), expected) {
                (Ok(read), Ok(expected)) => {
                    let read = read.as_ref().map(|given| (given.address.as_str(), given.left_out.as_deref()));
                    assert_eq!(read, expected, "{text}");
                }
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{text}: {problem}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn f29_business_central_is_named_by_its_host_or_up_to_its_environment() {
        let whole = "https://api.businesscentral.dynamics.com/v2.0/contoso.com/Production";
        for (text, expected) in [
            ("https://api.businesscentral.dynamics.com", Ok(whole)),
            ("https://api.businesscentral.dynamics.com/", Ok(whole)),
            ("https://api.businesscentral.dynamics.com/v2.0", Ok(whole)),
            (
                "https://api.businesscentral.dynamics.com/V2.0/",
                Ok("https://api.businesscentral.dynamics.com/v2.0/contoso.com/Production"),
            ),
            (whole, Ok(whole)),
            (
                "https://api.businesscentral.dynamics.com/v2.0/Production",
                Ok("https://api.businesscentral.dynamics.com/v2.0/Production"),
            ),
            ("https://api.businesscentral.dynamics.com/v2.0/contoso.com/Production/api/v2.0", Ok(whole)),
            ("https://erp.example:7048/production", Ok("https://erp.example:7048/production")),
            ("https://erp.example/BC", Err("path /BC, which does not belong there; set https://erp.example, or")),
            ("http://erp.example/Production", Err("not encrypted")),
        ] {
            let read = environment(text, "contoso.com", "Production");
            match expected {
                Ok(address) => assert_eq!(read.as_deref(), Ok(address), "{text}"),
                Err(part) => assert!(read.as_ref().is_err_and(|problem| problem.contains(part)), "{text}: {read:?}"),
            }
        }
        let spaced = environment("https://erp.example", "contoso.com", "My Sandbox");
        assert_eq!(spaced.as_deref(), Ok("https://erp.example/v2.0/contoso.com/My%20Sandbox"));
    }
}
