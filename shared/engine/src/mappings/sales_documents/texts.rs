//! The texts of a line from Sales in a document of Business Central: a description, and comment lines below it for what is
//! longer or has more than one line (S69 to S72).

use couplet_model::Record;

/// Longest description of a line in Business Central, in UTF-16 units.
pub(crate) const DESCRIPTION_LENGTH: usize = 100;

/// The texts of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    /// What the line itself is described by; `None`: as the item or resource is.
    pub description: Option<String>,
    /// What the comment lines below it say, in order.
    pub comments: Vec<String>,
}

/// The texts of a line; what an item or resource is described by is not said again, unlike what was only written in, which
/// the line has to say itself.
pub(crate) fn texts_of(line: &Record, described: Option<&str>) -> Texts {
    let text = |column: &str| line.get(column).as_text().unwrap_or_default();
    let (long, short) = (text("description"), text("productdescription"));
    let mut lines = long.lines().map(str::trim);
    let first = lines.next().filter(|first| !first.is_empty()).unwrap_or(short.trim());
    let mut all = pieces(first);
    let mut texts = Texts::default();
    match described {
        Some(described) if described.trim() == first => all.clear(),
        Some(_) => {}
        None if all.is_empty() => {}
        None => texts.description = Some(all.remove(0)),
    }
    texts.comments = all;
    texts.comments.extend(lines.flat_map(pieces));
    texts
}

/// A text in pieces that a description has room for. No letter is halved; blanks where a text is parted stay with it.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    let (mut pieces, mut piece, mut units) = (Vec::new(), String::new(), 0);
    for letter in text.chars() {
        let more = letter.len_utf16();
        if units + more > DESCRIPTION_LENGTH {
            pieces.push(std::mem::take(&mut piece));
            units = 0;
        }
        piece.push(letter);
        units += more;
    }
    if !piece.trim().is_empty() {
        pieces.push(piece);
    }
    pieces
}
