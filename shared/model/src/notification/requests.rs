//! A request at the door: a handshake, a notification that shows the secret, or something to be refused.

use std::collections::BTreeSet;

use serde::Deserialize;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::ids::CompanyId;
use crate::table::Side;

/// Part of the door's address behind which Business Central is expected.
pub const BUSINESS_CENTRAL: &str = "business-central";
/// Part of the door's address behind which Dataverse is expected.
pub const DATAVERSE: &str = "dataverse";
/// Bytes of a body at most. Dataverse leaves the large parts out beyond 256 KB, and Business Central names at most a thousand
/// records of one table.
pub const LARGEST_BODY: usize = 1024 * 1024;
/// Characters of a validation token at most.
const LONGEST_TOKEN: usize = 2048;
/// Characters of the name of a table at most.
const LONGEST_NAME: usize = 128;

/// What of a request counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotificationRequest<'a> {
    /// The verb.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// Value of the query's `validationToken`, decoded: Business Central asks whether the door wants to be told.
    pub validation_token: Option<&'a str>,
    /// Value of the query's `code`, decoded, or of the header of that name: the key of Dataverse's webhook.
    pub key: Option<&'a str>,
    /// The body; as much as was read of one that is too large.
    pub body: &'a [u8],
}

/// A table in which something changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangedTable {
    /// Where it is.
    pub side: Side,
    /// Its entity set in Business Central, its logical name in Dataverse.
    pub name: String,
}

/// What a request is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It asks for this token, and is given it as plain text.
    Handshake(String),
    /// It shows the secret, and tells of changes in these tables; in none when they are another company's.
    Accepted(BTreeSet<ChangedTable>),
    /// It is refused.
    Refused(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Nobody is told of anything behind this path.
    Path,
    /// Notifications are posted.
    Method,
    /// The body is larger than any notification.
    TooLarge,
    /// The body is no notification.
    Malformed,
    /// It does not show the secret.
    WrongKey,
}

impl Refusal {
    /// The HTTP status it is answered with. Business Central deletes a subscription for any of them, and the next renewal makes
    /// it again.
    pub fn status(self) -> u16 {
        match self {
            Self::Path => 404,
            Self::Method => 405,
            Self::TooLarge => 413,
            Self::Malformed => 400,
            Self::WrongKey => 403,
        }
    }

    /// The word for it in logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Path => "unknown path",
            Self::Method => "other method",
            Self::TooLarge => "too large",
            Self::Malformed => "no notification",
            Self::WrongKey => "wrong key",
        }
    }
}

/// Several notifications of Business Central in one request. Fields that nobody here reads are left out.
#[derive(Deserialize)]
struct Notices {
    value: Vec<Notice>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notice {
    #[serde(default)]
    client_state: Option<String>,
    resource: String,
}

/// What Dataverse sends.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExecutionContext {
    primary_entity_name: String,
}

/// Judges a request. `secret` is what Business Central shows as `clientState`, and Dataverse as its key; `company` is the one
/// whose records are synchronized here.
pub fn judge(request: &NotificationRequest<'_>, secret: &str, company: CompanyId) -> Verdict {
    // What stands before is the way to the door through other servers; what follows is the table, so that every subscription
    // has an address of its own.
    let system = request.path.split('/').find(|part| [BUSINESS_CENTRAL, DATAVERSE].contains(part));
    let verdict = match system {
        Some(BUSINESS_CENTRAL) => of_business_central(request, secret, company),
        Some(_) => of_dataverse(request, secret),
        None => Err(Refusal::Path),
    };
    verdict.unwrap_or_else(Verdict::Refused)
}

fn of_business_central(
    request: &NotificationRequest<'_>,
    secret: &str,
    company: CompanyId,
) -> Result<Verdict, Refusal> {
    // The documents do not say by which verb it asks.
    if let (Some(token), "POST" | "GET") = (request.validation_token, request.method) {
        let is_one =
            !token.is_empty() && token.chars().count() <= LONGEST_TOKEN && !token.chars().any(char::is_control);
        return is_one.then(|| Verdict::Handshake(token.to_owned())).ok_or(Refusal::Malformed);
    }
    posted(request)?;
    let Notices { value } = serde_json::from_slice(request.body).map_err(|_| Refusal::Malformed)?;
    // One request may hold notifications of several subscriptions. Those with another secret are nobody's of ours; refusing all
    // for them would end our own subscriptions as well.
    let shows = |notice: &Notice| is_secret(notice.client_state.as_deref().unwrap_or_default(), secret);
    let ours: Vec<Notice> = value.into_iter().filter(shows).collect();
    if ours.is_empty() {
        return Err(Refusal::WrongKey);
    }
    let mut tables = BTreeSet::new();
    for notice in ours {
        let (of, set) = company_and_set(&notice.resource).ok_or(Refusal::Malformed)?;
        if of == company {
            tables.insert(ChangedTable { side: Side::BusinessCentral, name: set.to_owned() });
        }
    }
    Ok(Verdict::Accepted(tables))
}

fn of_dataverse(request: &NotificationRequest<'_>, secret: &str) -> Result<Verdict, Refusal> {
    posted(request)?;
    if !is_secret(request.key.unwrap_or_default(), secret) {
        return Err(Refusal::WrongKey);
    }
    let context: ExecutionContext = serde_json::from_slice(request.body).map_err(|_| Refusal::Malformed)?;
    let name = context.primary_entity_name;
    is_name(&name)
        .then(|| Verdict::Accepted([ChangedTable { side: Side::Dataverse, name }].into()))
        .ok_or(Refusal::Malformed)
}

fn posted(request: &NotificationRequest<'_>) -> Result<(), Refusal> {
    if request.method != "POST" {
        Err(Refusal::Method)
    } else if request.body.len() > LARGEST_BODY {
        Err(Refusal::TooLarge)
    } else {
        Ok(())
    }
}

/// Whether a text is the secret. How long the answer takes tells nothing of the secret but its length. An empty secret is none,
/// and nobody shows it.
fn is_secret(shown: &str, secret: &str) -> bool {
    !secret.is_empty() && bool::from(shown.as_bytes().ct_eq(secret.as_bytes()))
}

/// Company and entity set of a resource such as `api/v2.0/companies({id})/items({id})`, or a whole address of one.
fn company_and_set(resource: &str) -> Option<(CompanyId, &str)> {
    const COMPANIES: &str = "companies(";
    let (_, rest) = resource.split_once(COMPANIES)?;
    let (id, rest) = rest.split_once(')')?;
    let set = rest.strip_prefix('/')?;
    let set = &set[..set.find(['(', '?', '/']).unwrap_or(set.len())];
    let id = Uuid::parse_str(id.trim_matches('\'')).ok()?;
    is_name(set).then_some((CompanyId(id), set))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST_NAME
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
