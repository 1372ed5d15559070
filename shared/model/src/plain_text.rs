//! Formatted text as plain text: what people wrote with the editor of Sales, for a system that knows no formats (S146).

/// Elements whose end is the end of a line.
const LINES: [&str; 9] = ["p", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6"];
/// How editors write a blank that does not break.
const BLANKS: [&str; 4] = ["&nbsp;", "&#160;", "&#xA0;", "&#xa0;"];

/// The text without its tags. Paragraphs and what else stands on lines of its own end with a line feed, the whole is trimmed,
/// and then named and numbered characters are put in their places. What is no tag, such as `a < b`, stays.
pub fn plain(formatted: &str) -> String {
    decoded(without_tags(formatted).trim())
}

/// Plain text as formatted text that shows it: what would be taken for tags and characters by name is written so that it is
/// not, and line feeds become breaks. [`plain`] takes it back.
pub fn formatted(plain: &str) -> String {
    let mut formatted = String::with_capacity(plain.len());
    let mut rest = plain.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '&' => formatted.push_str("&amp;"),
            '<' => formatted.push_str("&lt;"),
            '>' => formatted.push_str("&gt;"),
            // The line feed that follows says it.
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' | '\r' => formatted.push_str("<br>"),
            other => formatted.push(other),
        }
    }
    formatted
}

/// Whether formatted text says what plain text does: blanks around it and kinds of line ends aside.
pub fn says_the_same(formatted: &str, text: &str) -> bool {
    let lines = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
    lines(&plain(formatted)) == lines(text)
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

/// With named and numbered characters in their places. An editor's blank that does not break is a blank.
fn decoded(text: &str) -> String {
    let text = BLANKS.iter().fold(text.to_owned(), |text, blank| text.replace(blank, " "));
    html_escape::decode_html_entities(&text).into_owned()
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
            ("&#0;&#xD800;&toolonganame;", "&#0;&#xD800;&toolonganame;"),
            ("a&#160;b&#xA0;c&#xa0;d&amp;nbsp;\u{a0}", "a b c d&nbsp;"),
            ("&Scaron;koda &le; 5 &#128512;", "Škoda ≤ 5 😀"),
            ("", ""),
        ] {
            assert_eq!(plain(formatted), expected, "{formatted}");
        }
    }

    #[test]
    fn plain_text_is_shown_as_it_is() {
        for (text, expected) in [
            ("Ask Ann <ann@contoso.com>", "Ask Ann &lt;ann@contoso.com&gt;"),
            ("one\r\ntwo\nthree", "one<br>two<br>three"),
            ("Tom & Jerry &amp; all", "Tom &amp; Jerry &amp;amp; all"),
            ("", ""),
        ] {
            assert_eq!(formatted(text), expected);
            assert!(says_the_same(expected, text), "{text}");
        }
        assert!(!says_the_same("<p>Call</p>", "Call twice"));
    }

    proptest! {
        #[test]
        fn text_without_tags_and_ampersands_stays_as_it_is(text in "[^<&]*") {
            prop_assert_eq!(plain(&text), text.trim());
        }

        #[test]
        fn what_was_formatted_comes_back(text in any::<String>(), tags in "[<>/&;a-z\"' !\n-]{0,40}") {
            let text = format!("{tags}{text}").replace('\r', "").replace('\u{a0}', " ");
            prop_assert!(says_the_same(&formatted(&text), &text), "{:?} {:?}", formatted(&text), plain(&formatted(&text)));
        }

        #[test]
        fn nothing_breaks_it(text in any::<String>(), tags in "[<>/&;a-z\"' !-]{0,40}") {
            let _ = plain(&format!("{text}{tags}"));
        }
    }
}
