//! JSON as it arrives: read strictly, and once more with what cannot be text marked, so that one damaged value does not
//! take a page along.

use serde_json::Value as Json;

/// Stands where a text holds what is no character: half of a surrogate pair, or bytes that are not UTF-8. Made of
/// noncharacters that nobody types, so that a text which holds it is known to be damaged.
const DAMAGE: &str = "\u{fdd0}\u{fdd1}\u{fdd0}";
/// Some services put it before their text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads JSON; `None` when it is none, or was cut short.
pub fn read_json(bytes: &[u8]) -> Option<Json> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    if let Ok(json) = serde_json::from_slice(bytes) {
        return Some(json);
    }
    let text = with_marks(bytes)?;
    serde_json::from_str(&text).ok()
}

/// Whether a value holds text that could not be read as it was sent.
pub fn is_damaged(json: &Json) -> bool {
    json.as_str().is_some_and(|text| text.contains(DAMAGE))
}

/// Bytes as text, with a mark for those that are none.
pub(crate) fn text_with_marks(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + DAMAGE.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push_str(DAMAGE);
        }
    }
    text
}

/// The text with a mark for all that is no character; `None` when there is nothing to mark.
fn with_marks(bytes: &[u8]) -> Option<String> {
    let text = text_with_marks(bytes);
    let mut marked = text.len() != bytes.len();
    let mut rest = text.as_str();
    let mut mended = String::new();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let length = match surrogate(escape) {
            Some(Half::First) if matches!(escape.get(6..).and_then(surrogate), Some(Half::Second)) => 12,
            Some(_) => {
                mended.push_str(DAMAGE);
                marked = true;
                rest = &escape[6..];
                continue;
            }
            // The backslash and the character behind it, which may be a backslash too.
            None => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&escape[..length]);
        rest = &escape[length..];
    }
    mended.push_str(rest);
    marked.then_some(mended)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

/// Which half of a surrogate pair the text begins with, as an escape.
fn surrogate(text: &str) -> Option<Half> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Half::First),
        0xdc00..=0xdfff => Some(Half::Second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn f17_half_a_surrogate_pair_damages_its_value_alone() {
        let bytes = br#"{"a":"x\ud83dy","b":"\ud83d\ude00","c":"\udc00","d":"\\ud800","e":["\ud800\ud800"],"f":1.10}"#;
        let json = read_json(bytes).expect("the rest is readable");
        for (name, damaged) in [("a", true), ("b", false), ("c", true), ("d", false), ("f", false)] {
            assert_eq!(is_damaged(&json[name]), damaged, "{name}");
        }
        assert!(is_damaged(&json["e"][0]));
        assert_eq!((&json["b"], &json["d"]), (&json!("😀"), &json!("\\ud800")));
        assert_eq!(json["f"].to_string(), "1.10");
    }

    #[test]
    fn f17_bytes_that_are_no_text_damage_their_value_alone() {
        let json = read_json(b"{\"a\":\"x\xffy\",\"b\":\"z\"}").expect("the rest is readable");
        assert!(is_damaged(&json["a"]) && !is_damaged(&json["b"]));
    }

    #[test]
    fn f18_what_was_cut_short_is_no_json() {
        for text in ["", "{\"value\":[{\"a\":\"\\ud8", "{\"value\":[", "<html>", "{\"a\":\"\\u\\ud800\"", "\\"] {
            assert_eq!(read_json(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read_json(b"\xef\xbb\xbf{}"), Some(json!({})));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_json(&bytes);
        }

        #[test]
        fn escapes_are_read_as_the_parser_reads_them(text in "(\\\\u[dD][89a-f][0-9a-f]{2}|\\\\\\\\|\\\\n|a|é){0,12}") {
            let quoted = format!("\"{text}\"");
            let strict = serde_json::from_str::<Json>(&quoted);
            let read = read_json(quoted.as_bytes()).expect("every escape is whole");
            prop_assert_eq!(strict.is_err(), is_damaged(&read));
        }
    }
}
