//! The resource path: segments, keys and casts.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use uuid::Uuid;

use crate::store::guid;

/// One `name(key)` segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Text before the parenthesis.
    pub name: String,
    /// What stands in the parentheses.
    pub key: Option<KeyText>,
}

/// A key or an argument list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyText {
    /// `()`.
    Empty,
    /// `(guid)`.
    Id(Uuid),
    /// `(a=1,b='x')`, values as written but without quotes.
    Named(Vec<(String, KeyValue)>),
    /// Anything else.
    Unreadable(String),
}

/// One value of a named key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// Text, quotes removed and undoubled.
    pub text: String,
    /// It stood in quotes.
    pub quoted: bool,
}

/// A path and its query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// Segments after the service root.
    pub segments: Vec<Segment>,
    /// Query options in order, decoded.
    pub query: Vec<(String, String)>,
    /// The query as it was sent.
    pub raw_query: String,
}

impl Target {
    /// Reads `resource?query`, both still percent-encoded.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let segments = split_segments(path)
            .iter()
            .filter(|segment| !segment.is_empty())
            .map(|segment| Segment::parse(&decode(segment, false)))
            .collect();
        Self { segments, query: parse_query(query), raw_query: query.to_owned() }
    }

    /// A query option.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The parameter aliases, with their `@`.
    #[must_use]
    pub fn aliases(&self) -> HashMap<String, String> {
        self.query.iter().filter(|(key, _)| key.starts_with('@')).cloned().collect()
    }
}

impl Segment {
    /// Reads one decoded segment.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let Some((name, rest)) = text.split_once('(') else {
            return Self { name: text.to_owned(), key: None };
        };
        let inner = rest.strip_suffix(')').unwrap_or(rest).trim();
        let key = if inner.is_empty() {
            KeyText::Empty
        } else if let Some(id) = guid(inner) {
            KeyText::Id(id)
        } else {
            named(inner).map_or_else(|| KeyText::Unreadable(inner.to_owned()), KeyText::Named)
        };
        Self { name: name.to_owned(), key: Some(key) }
    }
}

fn named(text: &str) -> Option<Vec<(String, KeyValue)>> {
    let mut pairs = Vec::new();
    for part in outside_single_quotes(text, ',') {
        let (name, value) = part.split_once('=')?;
        let value = value.trim();
        let quoted = value.len() >= 2 && value.starts_with('\'') && value.ends_with('\'');
        let text = if quoted { value[1..value.len() - 1].replace("''", "'") } else { value.to_owned() };
        pairs.push((name.trim().to_owned(), KeyValue { text, quoted }));
    }
    Some(pairs)
}

/// Splits at a character outside of `'…'`.
#[must_use]
pub fn outside_single_quotes(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut quoted = false;
    let mut start = 0;
    for (at, character) in text.char_indices() {
        if character == '\'' {
            quoted = !quoted;
        } else if character == separator && !quoted {
            parts.push(&text[start..at]);
            start = at + character.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Slashes inside quotes (plain or encoded) or parentheses do not separate segments.
fn split_segments(path: &str) -> Vec<&str> {
    let bytes = path.as_bytes();
    let mut parts = Vec::new();
    let (mut quoted, mut start, mut at) = (false, 0, 0);
    while at < bytes.len() {
        if bytes[at] == b'\'' {
            quoted = !quoted;
        } else if bytes[at..].starts_with(b"%27") {
            quoted = !quoted;
            at += 2;
        } else if bytes[at] == b'/' && !quoted {
            parts.push(&path[start..at]);
            start = at + 1;
        }
        at += 1;
    }
    parts.push(&path[start..]);
    parts
}

fn parse_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name, true), decode(value, true))
        })
        .collect()
}

/// Percent-decodes; in a query `+` is a blank.
#[must_use]
pub fn decode(text: &str, query: bool) -> String {
    let plain = if query { text.replace('+', " ") } else { text.to_owned() };
    percent_decode_str(&plain).decode_utf8_lossy().into_owned()
}
