//! Query text: options, percent-encoding, conditions, and the splitting of long lists.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that may stand unencoded in the query part; everything else is encoded, so that no gateway reads
/// `&`, `+`, `#`, quotes or brackets in its own way.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'(')
    .remove(b')')
    .remove(b',')
    .remove(b'\'')
    .remove(b':')
    .remove(b'@')
    .remove(b'*')
    .remove(b'/');

/// A text as it stands in a query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// The options of a query in the order they are sent; empty ones are left out.
#[derive(Clone, Debug, Default)]
pub struct Query {
    options: Vec<(&'static str, String)>,
}

impl Query {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// With an option, unless its text is empty.
    #[must_use]
    pub fn option(mut self, name: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.options.push((name, text));
        }
        self
    }

    /// The columns to read.
    #[must_use]
    pub fn select<T: AsRef<str>>(self, columns: &[T]) -> Self {
        let columns: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        self.option("$select", columns.join(","))
    }

    /// The address with the encoded options.
    pub fn on(&self, url: &str) -> String {
        let mut text = url.to_owned();
        for (position, (name, value)) in self.options.iter().enumerate() {
            text.push(if position == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.push_str(&encode(value));
        }
        text
    }
}

/// Conditions joined with `and`; blank ones are left out.
pub fn all_of<T: AsRef<str>>(conditions: &[T]) -> String {
    let conditions: Vec<&str> = conditions.iter().map(AsRef::as_ref).filter(|text| !text.is_empty()).collect();
    conditions.join(" and ")
}

/// `column eq a or column eq b`, in brackets when there is more than one literal.
pub fn any_equal(column: &str, literals: &[String]) -> String {
    let terms: Vec<String> = literals.iter().map(|literal| format!("{column} eq {literal}")).collect();
    if terms.len() > 1 { format!("({})", terms.join(" or ")) } else { terms.concat() }
}

/// Cuts a list into runs of at most `count` members whose encoded length with `overhead` for each stays within `length`.
/// A single member is never cut, however long it is.
pub fn split(members: &[String], count: usize, length: usize, overhead: usize) -> Vec<&[String]> {
    let mut runs = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (position, member) in members.iter().enumerate() {
        let size = encode(member).len() + overhead;
        if position > start && (position - start >= count || used + size > length) {
            runs.push(&members[start..position]);
            (start, used) = (position, 0);
        }
        used += size;
    }
    if start < members.len() {
        runs.push(&members[start..]);
    }
    runs
}

/// Every way to take one text of each list, joined with `and`: how several split conditions become whole filters.
pub fn combine(parts: &[Vec<String>]) -> Vec<String> {
    parts.iter().fold(vec![String::new()], |filters, part| {
        filters.iter().flat_map(|filter| part.iter().map(move |text| all_of(&[filter, text]))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn options_are_encoded_and_empty_ones_left_out() {
        let url = Query::new()
            .select(&["name", "_ownerid_value"])
            .option("$filter", "name eq 'A&B + 100%'")
            .option("$orderby", "")
            .on("http://h/accounts");
        assert_eq!(url, "http://h/accounts?$select=name,_ownerid_value&$filter=name%20eq%20'A%26B%20%2B%20100%25'");
        assert_eq!(Query::new().on("http://h/x"), "http://h/x");
    }

    #[test]
    fn lists_are_split_by_count_and_by_length() {
        let members: Vec<String> = (0..5).map(|number| format!("m{number}")).collect();
        let sizes = |count, length| split(&members, count, length, 8).iter().map(|run| run.len()).collect::<Vec<_>>();
        assert_eq!(sizes(2, 1000), [2, 2, 1]);
        assert_eq!(sizes(100, 30), [3, 2]);
        assert_eq!(sizes(100, 1), [1, 1, 1, 1, 1]);
        assert!(split(&[], 2, 10, 0).is_empty());
    }

    #[test]
    fn split_conditions_combine_to_whole_filters() {
        let parts = vec![vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]];
        assert_eq!(combine(&parts), ["a and c", "b and c"]);
        assert_eq!(combine(&[]), [""]);
        assert_eq!(any_equal("id", &["1".into(), "2".into()]), "(id eq 1 or id eq 2)");
        assert_eq!(any_equal("id", &["1".into()]), "id eq 1");
    }

    proptest! {
        #[test]
        fn splitting_loses_nothing(members in proptest::collection::vec("\\PC{0,12}", 0..60), count in 1_usize..9, length in 1_usize..80) {
            let runs = split(&members, count, length, 3);
            prop_assert!(runs.iter().all(|run| !run.is_empty() && run.len() <= count));
            prop_assert_eq!(runs.concat(), members);
        }
    }
}
