//! Filters as several `$filter` texts, where lists are too long for one. What one condition looks like is each system's own.

use std::collections::HashSet;

use couplet_model::filter::{Condition, Filter};
use couplet_model::ids::RecordId;
use couplet_model::system::SystemError;

use crate::query::{all_of, any_equal, combine, split};

/// How one system writes a condition: texts that together find what meets it.
pub type Texts<'a> = &'a dyn Fn(&Condition) -> Result<Vec<String>, SystemError>;

/// The filters that together find all records that meet `filter`; one blank text when it has no condition.
///
/// # Errors
/// Those of `texts`.
pub fn whole_filters(filter: &Filter, texts: Texts<'_>) -> Result<Vec<String>, SystemError> {
    let parts = filter.conditions.iter().map(texts).collect::<Result<Vec<_>, _>>()?;
    Ok(combine(&parts))
}

/// One text for as much of the filter as fits in one; conditions with long or empty lists are left to the caller.
///
/// # Errors
/// Those of `texts`.
pub fn single_filter(filter: &Filter, texts: Texts<'_>) -> Result<String, SystemError> {
    let mut parts = Vec::new();
    for condition in &filter.conditions {
        if let [text] = texts(condition)?.as_slice() {
            parts.push(text.clone());
        }
    }
    Ok(all_of(&parts))
}

/// These ids, each once.
pub fn distinct(ids: &[RecordId]) -> impl Iterator<Item = RecordId> {
    let mut seen = HashSet::with_capacity(ids.len());
    ids.iter().copied().filter(move |id| seen.insert(*id))
}

/// `column eq a or column eq b` in chains of at most `count` terms and `length` encoded characters.
pub fn chains(column: &str, literals: &[String], count: usize, length: usize) -> Vec<String> {
    // Each term repeats the column between ` eq ` and ` or `, whose blanks are encoded.
    let overhead = column.len() + 18;
    split(literals, count, length, overhead).into_iter().map(|chain| any_equal(column, chain)).collect()
}

/// Terms joined by a word such as `or`, in brackets when there is more than one.
pub fn joined(terms: &[String], word: &str) -> String {
    if terms.len() > 1 { format!("({})", terms.join(&format!(" {word} "))) } else { terms.concat() }
}
