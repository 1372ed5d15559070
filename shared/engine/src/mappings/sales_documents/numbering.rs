//! Numbers of lines: 10000, 20000 and so on over lines and the comments below them, in the order of the document (S64).

use super::texts::Texts;

/// What two lines of Business Central are apart.
const STEP: i64 = 10_000;

/// A line with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberedLine {
    /// The number of the line.
    pub number: i64,
    /// The comments below it, each with its number.
    pub comments: Vec<(i64, String)>,
}

/// The lines of a document with their numbers, from their texts in order; and the number that the next line gets.
pub(crate) fn numbered(lines: Vec<Texts>) -> (Vec<NumberedLine>, i64) {
    let mut next = STEP;
    let mut take = || {
        let number = next;
        next += STEP;
        number
    };
    let numbered: Vec<NumberedLine> = lines
        .into_iter()
        .map(|texts| {
            let number = take();
            let comments = texts.comments.into_iter().map(|comment| (take(), comment)).collect();
            NumberedLine { number, comments }
        })
        .collect();
    (numbered, next)
}
