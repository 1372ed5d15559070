//! Addresses of the pages.

use couplet_model::RecordId;
use couplet_model::table::Side;
use url::form_urlencoded::Serializer;

use crate::act::side_word;

/// An address with what it asks for; blanks are left out.
pub fn address(path: &str, query: &[(&str, &str)]) -> String {
    let mut serializer = Serializer::new(String::new());
    for (name, value) in query.iter().filter(|(_, value)| !value.is_empty()) {
        serializer.append_pair(name, value);
    }
    match serializer.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// The history of a record.
pub fn history(mapping: &str, side: Side, record: RecordId) -> String {
    address("/history", &[("mapping", mapping), ("side", side_word(side)), ("name", &record.to_string())])
}

/// Where a form leads back to: a page of ours, or the first one. The number of an earlier act is taken off.
pub fn back(text: &str) -> String {
    let is_ours = text.starts_with('/')
        && !text.starts_with("//")
        && !text.contains('\\')
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_ours {
        return "/".to_owned();
    }
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name != "act")
        .map(|(a, b)| (a.into(), b.into()))
        .collect();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    address(path, &pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_back_to_pages_of_ours_only() {
        for (text, leads) in [
            ("/conflicts", "/conflicts"),
            ("/conflicts?mapping=ITEM+UOM&act=7", "/conflicts?mapping=ITEM+UOM"),
            ("/history?name=a%26b&mapping=C", "/history?name=a%26b&mapping=C"),
            ("", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nSet-Cookie: x=y", "/"),
        ] {
            assert_eq!(back(text), leads, "{text}");
        }
    }

    #[test]
    fn what_an_address_asks_for_is_written_safely() {
        assert_eq!(address("/runs", &[("job", ""), ("x", "")]), "/runs");
        assert_eq!(address("/runs", &[("job", "Item & \"Co\"")]), "/runs?job=Item+%26+%22Co%22");
    }
}
