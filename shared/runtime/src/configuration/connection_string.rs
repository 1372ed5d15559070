//! Connection strings of Dataverse, as operators have them from the built-in integration and from tools: read, shown without
//! what is secret, and translated into settings, or refused with the reason and the way out (S300 to S308).

use std::fmt;

use secrecy::SecretString;

use super::addresses::host_alone;

/// Names whose values are secret, each as it is compared.
const SECRETS: [&str; 5] = ["password", "clientsecret", "secret", "accesstoken", "certificate"];
/// Names of an application's id.
const CLIENT_IDS: [&str; 3] = ["clientid", "appid", "applicationid"];
/// Names of the environment's address.
const ADDRESSES: [&str; 4] = ["url", "serviceuri", "service uri", "server"];

/// What is wrong with a connection string. It repeats no value, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionStringError {
    /// It is no list of pairs.
    #[error("part {0} of the connection string has no `=`: write Name=value, with a ; between two of them")]
    NoPair(usize),
    /// A part has no name.
    #[error("part {0} of the connection string has no name before its `=`")]
    NoName(usize),
    /// A quoted value has no end.
    #[error("the value of {0} in the connection string begins with a quote and does not end with one")]
    OpenQuote(String),
    /// A name comes twice.
    #[error("{0} comes twice in the connection string; leave one of them")]
    Twice(String),
    /// It says nothing.
    #[error("the connection string is empty")]
    Empty,
    /// What it asks for cannot be done.
    #[error("{0}")]
    Refused(String),
}

/// A connection string, part by part.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString {
    parts: Vec<(String, String)>,
}

/// What a connection string says in settings of Couplet.
#[derive(Debug)]
pub struct Translated {
    /// `dataverse.url`.
    pub url: String,
    /// The application's id, unless a placeholder stands for it.
    pub client_id: Option<String>,
    /// The application's secret, unless a placeholder stands for it.
    pub client_secret: Option<SecretString>,
    /// What else is to be known, each in a line.
    pub notes: Vec<String>,
}

impl ConnectionString {
    /// Reads a connection string: pairs of name and value, in any case and order, a value in quotes where it holds a `;`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, ConnectionStringError> {
        let mut parts: Vec<(String, String)> = Vec::new();
        let mut rest = text.trim();
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            let end = rest.find(';').unwrap_or(rest.len());
            if rest[..end].trim().is_empty() {
                rest = rest[end..].strip_prefix(';').unwrap_or_default().trim_start();
                continue;
            }
            let equals = rest[..end].find('=').ok_or(ConnectionStringError::NoPair(number))?;
            let name = rest[..equals].trim().to_owned();
            if name.is_empty() {
                return Err(ConnectionStringError::NoName(number));
            }
            let (value, left) = value_of(&name, rest[equals + 1..].trim_start())?;
            if parts.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                return Err(ConnectionStringError::Twice(name));
            }
            parts.push((name, value));
            rest = left;
        }
        if parts.is_empty() { Err(ConnectionStringError::Empty) } else { Ok(Self { parts }) }
    }

    /// The value of the first of these names that has one.
    fn value(&self, names: &[&str]) -> Option<&str> {
        let of = |name: &&str| self.parts.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        names.iter().find_map(of).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether the application proves itself by a certificate.
    pub fn is_certificate(&self) -> bool {
        self.value(&["authtype", "authenticationtype"]).is_some_and(|kind| kind.eq_ignore_ascii_case("certificate"))
    }

    /// The settings that say the same.
    ///
    /// # Errors
    /// When there are none: the way of signing in is one that Couplet does not have, or the address is none. The error names
    /// the way out.
    pub fn translated(&self) -> Result<Translated, ConnectionStringError> {
        let kind = self.value(&["authtype", "authenticationtype"]).unwrap_or_default();
        let application =
            "create an application user for an app registration with a client secret or a certificate, and give its id";
        let refused = |why: &str| Err(ConnectionStringError::Refused(format!("{why}: {application}")));
        match kind.to_ascii_lowercase().as_str() {
            "clientsecret" | "certificate" => {}
            "oauth" => {
                return refused(
                    "AuthType=OAuth signs in a person, by password or in a browser, and Couplet runs while nobody is there",
                );
            }
            "office365" if self.value(&["accesstoken"]).is_some() => {
                return refused(
                    "the connection string holds a token of an administrator, which ends within an hour or so",
                );
            }
            "office365" => {
                return refused("AuthType=Office365 signs in a person by password, which the service takes no longer");
            }
            "ad" | "ifd" => {
                return refused(
                    "AuthType=AD and AuthType=IFD are for Dynamics 365 on one's own servers, and Couplet signs in at Entra ID",
                );
            }
            "" => return refused("the connection string names no AuthType"),
            _ => return refused("the connection string names an AuthType that nobody knows"),
        }
        let address = self.value(&ADDRESSES).ok_or_else(|| {
            ConnectionStringError::Refused(
                "the connection string has no Url: add that of the environment, Url=https://….dynamics.com".to_owned(),
            )
        })?;
        let url = host_alone(address)
            .map_err(|problem| ConnectionStringError::Refused(format!("Url in the connection string is {problem}")))?;
        let mut notes = Vec::new();
        let client_id = self.value(&CLIENT_IDS).filter(|id| !is_placeholder(id)).map(str::to_owned);
        if client_id.is_none() {
            notes.push(
                "the application's id is no part of it: find it with the app registration in Entra ID".to_owned(),
            );
        }
        let is_certificate = self.is_certificate();
        let secret =
            self.value(&["clientsecret", "secret"]).filter(|secret| !is_placeholder(secret) && !is_certificate);
        if is_certificate {
            notes.push(
                "the certificate's private key is no part of it: name a PEM or PFX file that holds both in entra.certificate_file"
                    .to_owned(),
            );
        } else if secret.is_none() {
            notes.push("the secret is no part of it: make one for the app registration".to_owned());
        }
        if self.value(&["proxyversion"]).is_some() {
            notes.push("ProxyVersion is left out: the Web API has no versions of a client library".to_owned());
        }
        let known = |name: &str| {
            let names = [
                &CLIENT_IDS[..],
                &ADDRESSES,
                &["authtype", "authenticationtype", "proxyversion"],
                if is_certificate { &["certificate", "thumbprint", "storename"] } else { &["clientsecret", "secret"] },
            ];
            names.concat().iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        let others: Vec<&str> = self.parts.iter().map(|(name, _)| name.as_str()).filter(|name| !known(name)).collect();
        if !others.is_empty() {
            notes.push(format!("{} mean nothing here", others.join(", ")));
        }
        Ok(Translated { url, client_id, client_secret: secret.map(SecretString::from), notes })
    }
}

/// What is shown: every part but the secret ones; a placeholder is none.
impl fmt::Display for ConnectionString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.parts.iter().enumerate() {
            let is_secret = SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name));
            let shown = if is_secret && !value.is_empty() && !is_placeholder(value) { "…" } else { value };
            let separator = if at == 0 { "" } else { "; " };
            write!(formatter, "{separator}{name}={shown}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ConnectionString({self})")
    }
}

/// Whether a value stands for one that is kept elsewhere, such as `{CLIENTSECRET}`.
fn is_placeholder(value: &str) -> bool {
    let inner = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| !inner.is_empty() && inner.chars().all(|letter| letter.is_ascii_uppercase()))
}

/// The value at the beginning of a text, and what is behind its `;`. In quotes, two quotes are one.
fn value_of<'a>(name: &str, text: &'a str) -> Result<(String, &'a str), ConnectionStringError> {
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        let end = text.find(';').unwrap_or(text.len());
        return Ok((text[..end].trim_end().to_owned(), text[end..].strip_prefix(';').unwrap_or_default().trim_start()));
    };
    let open = || ConnectionStringError::OpenQuote(name.to_owned());
    let (mut value, mut rest) = (String::new(), &text[1..]);
    loop {
        let end = rest.find(quote).ok_or_else(open)?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(quote) {
            Some(more) => {
                value.push(quote);
                rest = more;
            }
            None => break,
        }
    }
    let rest = rest.trim_start();
    match rest.strip_prefix(';') {
        Some(left) => Ok((value, left.trim_start())),
        None if rest.is_empty() => Ok((value, rest)),
        None => Err(open()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn translated(text: &str) -> Result<Translated, String> {
        let parsed = ConnectionString::parse(text).map_err(|error| error.to_string())?;
        parsed.translated().map_err(|error| error.to_string())
    }

    #[test]
    fn s300_s303_a_client_secret_is_translated_whatever_order_and_case_its_parts_have() {
        let id = "9d1f6a54-5c3e-4a0b-8f57-0c6f1a2b3c4d";
        for (text, client_id, client_secret) in [
            (format!("AuthType=ClientSecret; Url=https://contoso.crm4.dynamics.com; ClientId={id}; ClientSecret=s3; ProxyVersion=100"), Some(id), Some("s3")),
            ("AuthType=ClientSecret; Url=https://contoso.crm4.dynamics.com/; ClientId={CLIENTID}; ClientSecret={CLIENTSECRET}; ProxyVersion=9".to_owned(), None, None),
            (format!("url=https://contoso.crm4.dynamics.com;secret=\"a;b\"\"c=d\";APPID={id};authtype=clientsecret;"), Some(id), Some("a;b\"c=d")),
            (format!("ServiceUri=https://contoso.crm4.dynamics.com;;ClientSecret=' x ' ;ApplicationId={id};AuthenticationType=ClientSecret"), Some(id), Some(" x ")),
            (format!("AuthType=ClientSecret;Url=https://contoso.crm4.dynamics.com;ClientId={id};ClientSecret=a=b=="), Some(id), Some("a=b==")),
        ] {
            let found = translated(&text).expect(&text);
            assert_eq!(found.url, "https://contoso.crm4.dynamics.com", "{text}");
            assert_eq!(found.client_id.as_deref(), client_id, "{text}");
            assert_eq!(found.client_secret.as_ref().map(ExposeSecret::expose_secret), client_secret, "{text}");
        }
    }

    #[test]
    fn s300_a_certificate_is_named_by_a_setting_of_its_own() {
        let url = "https://contoso.crm4.dynamics.com";
        for (parts, client_id) in [
            ("ClientId={CLIENTID}; Certificate={CERTIFICATE}; ProxyVersion=100", None),
            ("AppId=9; Thumbprint=AB12; StoreName=My", Some("9")),
            ("AppId=9; Certificate=MIIs3cret; ClientSecret=s3cret", Some("9")),
        ] {
            let found = translated(&format!("AuthType=Certificate; Url={url}; {parts}")).expect(parts);
            assert_eq!((found.url.as_str(), found.client_id.as_deref()), (url, client_id), "{parts}");
            assert!(found.client_secret.is_none(), "{parts}");
            assert!(found.notes.iter().any(|note| note.contains("entra.certificate_file")), "{:?}", found.notes);
            assert!(!found.notes.iter().any(|note| note.contains("s3cret") || note.contains("Thumbprint")));
        }
    }

    #[test]
    fn s300_s308_what_cannot_be_done_is_refused_with_the_way_out() {
        let url = "Url=https://contoso.crm4.dynamics.com;";
        for (text, words) in [
            (
                format!("{url} UserName=a@b.c; Password={{PASSWORD}}; AuthType=OAuth;AppId=1;RedirectUri=app://1"),
                "signs in a person",
            ),
            (format!("{url} UserName=a@b.c; Password={{PASSWORD}}; AuthType=Office365;"), "by password"),
            (format!("{url} AccessToken=abc; AuthType=Office365;"), "token of an administrator"),
            (format!("{url} UserName=a; Password={{PASSWORD}}; AuthType=AD;Domain=d;"), "own servers"),
            (format!("{url} UserName=a; Password={{PASSWORD}}; AuthType=IFD;HomeRealmUri= ;"), "own servers"),
            (format!("{url} ClientId=1"), "no AuthType"),
            (format!("{url} AuthType=Telepathy"), "nobody knows"),
        ] {
            let refused = translated(&text).expect_err(&text);
            assert!(refused.contains(words) && refused.contains("create an application user"), "{refused}");
        }
        for (url, words) in [
            ("", "has no Url"),
            ("Url=http://contoso.crm4.dynamics.com;", "not encrypted"),
            ("Url=https://contoso.crm4.dynamics.com/api/data;", "the path /api/data"),
            ("Url=contoso;", "not an address"),
        ] {
            let refused = translated(&format!("AuthType=ClientSecret;{url}ClientId=1;ClientSecret=2")).expect_err(url);
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn what_is_no_connection_string_is_told_without_its_values() {
        for (text, words) in [
            ("", "is empty"),
            (" ; ;", "is empty"),
            ("AuthType=ClientSecret; s3cret", "part 2 of the connection string has no `=`"),
            ("=s3cret", "no name before"),
            ("ClientSecret=\"s3cret", "ClientSecret in the connection string begins with a quote"),
            ("ClientSecret='s3cret' more", "ClientSecret in the connection string begins with a quote"),
            ("Url=a;url=s3cret", "url comes twice"),
        ] {
            let error = ConnectionString::parse(text).expect_err(text).to_string();
            assert!(error.contains(words) && !error.contains("s3cret"), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_shown_hides_secrets_and_keeps_placeholders() {
        let text = "AuthType=ClientSecret; Url=https://a.b; ClientId={CLIENTID}; ClientSecret=s3cret; Password=; AccessToken={TOKEN}; CERTIFICATE=MIIs3cret";
        let parsed = ConnectionString::parse(text).expect("a connection string");
        let shown = "AuthType=ClientSecret; Url=https://a.b; ClientId={CLIENTID}; ClientSecret=…; Password=; AccessToken={TOKEN}; CERTIFICATE=…";
        assert_eq!(parsed.to_string(), shown);
        assert_eq!(format!("{parsed:?}"), format!("ConnectionString({shown})"));
        let translated = format!("{:?}", parsed.translated().expect("settings"));
        assert!(!translated.contains("s3cret"), "{translated}");
    }

    proptest::proptest! {
        /// No text is too strange to be read or refused.
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            if let Ok(parsed) = ConnectionString::parse(&text) {
                let _ = parsed.translated();
                let _ = parsed.to_string();
            }
        }

        /// A value in quotes is read as it was meant, whatever stands in it.
        #[test]
        fn any_secret_travels_in_quotes(secret in "[^{}]{1,40}") {
            let quoted = secret.replace('"', "\"\"");
            let text = format!("AuthType=ClientSecret;ClientSecret=\"{quoted}\";Url=https://a.b;ClientId=1");
            let translated = translated(&text).expect("settings");
            let found = translated.client_secret.expect("a secret");
            proptest::prop_assert_eq!(found.expose_secret(), secret.as_str());
        }
    }
}
