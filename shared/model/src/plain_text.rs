//! Formatted text as plain text: what people wrote with the editor of Sales, for a system that knows no formats (S146).

/// Elements whose end is the end of a line.
const LINES: [&str; 9] = ["p", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6"];
/// Names of the characters from 160 on, as HTML calls them.
const LATIN: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute \
    micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil \
    Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute \
    Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute \
    icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";
/// Other names that editors use.
const OTHERS: [(&str, char); 14] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bull", '•'),
    ("hellip", '…'),
    ("euro", '€'),
];
/// Longest name between `&` and `;`.
const LONGEST_NAME: usize = 8;

/// The text without its tags. Paragraphs and what else stands on lines of its own end with a line feed, the whole is trimmed,
/// and then named and numbered characters are put in their places. What is no tag, such as `a < b`, stays.
pub fn plain(formatted: &str) -> String {
    decoded(without_tags(formatted).trim())
}

fn without_tags(formatted: &str) -> String {
    let mut text = String::with_capacity(formatted.len());
    let mut rest = formatted;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        let tail = &rest[at..];
        match tag(tail) {
            Some((name, is_end, length)) => {
                let is_line = is_end && LINES.iter().any(|line| name.eq_ignore_ascii_case(line));
                let is_block = is_end && name.eq_ignore_ascii_case("div");
                let ends_already = text.is_empty() || text.ends_with('\n');
                if is_line || name.eq_ignore_ascii_case("br") || is_block && !ends_already {
                    text.push('\n');
                }
                rest = &tail[length..];
            }
            None => {
                text.push('<');
                rest = &tail[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// The tag a text begins with: its name, whether it ends an element, and how long it is.
fn tag(text: &str) -> Option<(&str, bool, usize)> {
    let inner = text.strip_prefix('<')?;
    if inner.starts_with("!--") {
        return Some(("", false, text.find("-->").map_or(text.len(), |at| at + 3)));
    }
    let (inner, is_end) = inner.strip_prefix('/').map_or((inner, false), |inner| (inner, true));
    if !inner.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let name = inner.split(|part: char| !part.is_ascii_alphanumeric()).next().unwrap_or_default();
    // Quoted values of attributes may hold anything.
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '>') => return Some((name, is_end, at + 1)),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

fn decoded(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let named = tail.find(';').filter(|end| *end <= LONGEST_NAME).and_then(|end| {
            let character = character(&tail[..end])?;
            Some((character, end + 1))
        });
        match named {
            Some((character, length)) => {
                decoded.push(character);
                rest = &tail[length..];
            }
            None => {
                decoded.push('&');
                rest = tail;
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

/// The character with a name or a number.
fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).map(without_width);
    }
    let latin = || (160_u32..).zip(LATIN.split_whitespace()).find(|(_, known)| *known == name);
    let other = OTHERS.iter().find(|(known, _)| *known == name).map(|(_, character)| *character);
    other.or_else(|| latin().and_then(|(code, _)| char::from_u32(code))).map(without_width)
}

/// A blank that does not break is a blank.
fn without_width(character: char) -> char {
    if character == '\u{a0}' { ' ' } else { character }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s146_paragraphs_become_lines_tags_go_and_characters_come_back() {
        for (formatted, expected) in [
            ("Call first", "Call first"),
            ("<p>Call first</p><p>then ship</p>", "Call first\nthen ship"),
            ("<div class=\"ck-content\"><p>Call <b>first</b></p></div>", "Call first"),
            ("<div>one</div><div>two</div>", "one\ntwo"),
            ("<div><p>one</p></div><div><p>two</p></div>", "one\ntwo"),
            ("one<br>two<br />three<BR/>four", "one\ntwo\nthree\nfour"),
            ("<ul><li>one</li><li>two</li></ul>", "one\ntwo"),
            ("<a href=\"x>y\">link</a>", "link"),
            ("<!-- hidden -->shown", "shown"),
            ("  <p> blanks </p>  ", "blanks"),
            ("a < b & c > d", "a < b & c > d"),
            ("5 <6 &lt;7", "5 <6 <7"),
            ("<no end", "<no end"),
            ("Tom &amp; Jerry, AT&T; &lt;b&gt;", "Tom & Jerry, AT&T; <b>"),
            ("K&ouml;ln&nbsp;f&#252;r&#x20AC;", "Köln für€"),
            ("&amp;lt;", "&lt;"),
            ("&#0;&#xD800;&toolonganame;", "\0&#xD800;&toolonganame;"),
            ("", ""),
        ] {
            assert_eq!(plain(formatted), expected, "{formatted}");
        }
    }

    proptest! {
        #[test]
        fn text_without_tags_and_ampersands_stays_as_it_is(text in "[^<&]*") {
            prop_assert_eq!(plain(&text), text.trim());
        }

        #[test]
        fn nothing_breaks_it(text in any::<String>(), tags in "[<>/&;a-z\"' !-]{0,40}") {
            let _ = plain(&format!("{text}{tags}"));
        }
    }
}
