//! The paging cookie of next links.

use uuid::Uuid;

use crate::store::Row;
use crate::wire::error::{ApiError, ApiResult};

/// The paging cookie: opaque to clients, but of the shape that the service has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cookie {
    /// Page this cookie leads to.
    pub page: usize,
    /// Last row of the page before.
    pub last: Uuid,
    /// Rows before this page, for when the last row is gone.
    pub offset: usize,
    /// Paging of a change tracking answer.
    pub tracking: bool,
}

fn bad() -> ApiError {
    ApiError::new(400, "0x80060888", "The paging cookie is not valid.")
}

fn attribute(text: &str, name: &str) -> Option<String> {
    let start = text.find(&format!("{name}=\""))? + name.len() + 2;
    text[start..].split_once('"').map(|(value, _)| value.to_owned())
}

/// The page, from 1, that the decoded text of a cookie leads to.
pub(crate) fn page_number(text: &str) -> ApiResult<usize> {
    attribute(text, "pagenumber").and_then(|page| page.parse().ok()).filter(|page| *page > 0).ok_or_else(bad)
}

impl Cookie {
    /// Percent-encoded text for `$skiptoken`.
    pub fn text(&self, path: &str) -> String {
        let key = path.trim_end_matches('s');
        let inner = format!(
            "<cookie page=\"{}\" offset=\"{}\"><{key}id last=\"{{{}}}\" first=\"{{{}}}\" /></cookie>",
            self.page - 1,
            self.offset,
            self.last,
            self.last
        );
        let inner = encode(&encode(&inner));
        let tracking = if self.tracking { "True" } else { "False" };
        encode(&format!("<cookie pagenumber=\"{}\" pagingcookie=\"{inner}\" istracking=\"{tracking}\" />", self.page))
    }

    /// Reads the decoded text.
    pub fn parse(text: &str) -> ApiResult<Self> {
        let inner = attribute(text, "pagingcookie").ok_or_else(bad)?;
        let inner = crate::wire::path::decode(&crate::wire::path::decode(&inner, false), false);
        let number = |text: Option<String>| text.and_then(|text| text.parse::<usize>().ok()).ok_or_else(bad);
        Ok(Self {
            page: page_number(text)?,
            last: attribute(&inner, "last").and_then(|id| crate::store::guid(&id)).ok_or_else(bad)?,
            offset: number(attribute(&inner, "offset"))?,
            tracking: attribute(text, "istracking").as_deref() == Some("True"),
        })
    }

    /// Where the page starts in a sorted result: behind the last row of the page before, or by count when that row is gone.
    pub fn position(&self, sorted: &[&Row]) -> usize {
        let guess = self.offset.min(sorted.len());
        if guess > 0 && sorted[guess - 1].id == self.last {
            return guess;
        }
        sorted.iter().position(|row| row.id == self.last).map_or(guess, |at| at + 1)
    }
}

/// Encodes everything that is not a letter or a digit.
pub(crate) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
