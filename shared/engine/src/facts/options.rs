//! The options of a choice column, as they are shown by the table of the column's options.

use std::sync::Arc;

use couplet_model::comparing::same;
use couplet_model::table::{Choice, OPTION_LABELS, OPTION_NUMBER};
use couplet_model::{Record, RecordId};

/// All options of a choice column.
pub(crate) type Options = Arc<Vec<ChoiceOption>>;

/// One option of a choice column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChoiceOption {
    /// The id of its row.
    pub id: RecordId,
    /// Its number.
    pub number: i64,
    /// Its label in the language of Couplet's user.
    pub label: String,
    /// Its labels in all languages.
    labels: Vec<String>,
}

impl ChoiceOption {
    /// The option of a row; `None` if the row has no number.
    pub fn of(choice: &Choice, row: &Record) -> Option<Self> {
        let text = |column: &str| row.get(column).as_text().unwrap_or_default().to_owned();
        let label = text(&choice.column);
        let all = text(OPTION_LABELS);
        let labels = all.lines().chain([label.as_str()]).filter(|label| !label.trim().is_empty());
        let labels = labels.map(str::to_owned).collect();
        Some(Self { id: row.id, number: row.get(OPTION_NUMBER).as_int()?, label, labels })
    }

    /// Whether one of its labels is this code, in any language and whatever the case of its letters.
    pub fn says(&self, code: &str) -> bool {
        self.labels.iter().any(|label| same(label.trim(), code.trim()))
    }
}
