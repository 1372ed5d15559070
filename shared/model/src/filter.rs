//! Conditions on the columns of one table: sent to a system as a query, or judged here on a record.

use crate::comparing::same;
use crate::record::Record;
use crate::value::Value;

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Equal to the one value.
    Equal,
    /// Different from the one value.
    NotEqual,
    /// Equal to one of the values; an empty list matches nothing (D12).
    In,
    /// Greater than the one value.
    Greater,
    /// Greater than or equal to the one value.
    GreaterOrEqual,
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Column by wire name.
    pub column: String,
    /// Comparison.
    pub operator: Operator,
    /// What it is compared with; exactly one value except for [`Operator::In`].
    pub values: Vec<Value>,
}

impl Condition {
    /// A column equal to a value.
    pub fn equal(column: impl Into<String>, value: Value) -> Self {
        Self { column: column.into(), operator: Operator::Equal, values: vec![value] }
    }

    /// A column equal to one of several values.
    pub fn one_of(column: impl Into<String>, values: Vec<Value>) -> Self {
        Self { column: column.into(), operator: Operator::In, values }
    }

    /// Whether the record is known to meet the condition.
    pub fn matches(&self, record: &Record) -> bool {
        self.holds(record) == Some(true)
    }

    /// Whether the record meets the condition; `None` when its column is unknown. Text compares without case, as both
    /// systems do.
    pub fn holds(&self, record: &Record) -> Option<bool> {
        record.known(&self.column).map(|actual| self.accepts(actual))
    }

    fn accepts(&self, actual: &Value) -> bool {
        let equal = |value: &Value| match (actual.as_text(), value.as_text()) {
            (Some(a), Some(b)) => same(a, b),
            _ => actual == value,
        };
        match self.operator {
            Operator::Equal | Operator::In => self.values.iter().any(equal),
            Operator::NotEqual => !self.values.iter().any(equal),
            Operator::Greater => self.values.iter().any(|value| order(actual, value).is_some_and(|o| o.is_gt())),
            Operator::GreaterOrEqual => self.values.iter().any(|value| order(actual, value).is_some_and(|o| o.is_ge())),
        }
    }
}

fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::DateTime(a), Value::DateTime(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        _ => Some(a.as_decimal()?.cmp(&b.as_decimal()?)),
    }
}

/// Conditions that hold together; an empty filter admits every record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// All of them must hold.
    pub conditions: Vec<Condition>,
}

impl Filter {
    /// A filter of these conditions.
    pub fn all(conditions: Vec<Condition>) -> Self {
        Self { conditions }
    }

    /// Whether the record meets every condition.
    pub fn matches(&self, record: &Record) -> bool {
        self.conditions.iter().all(|condition| condition.matches(record))
    }

    /// The first condition the record does not meet.
    pub fn first_unmet(&self, record: &Record) -> Option<&Condition> {
        self.conditions.iter().find(|condition| !condition.matches(record))
    }

    /// Whether nothing can match: some condition lists no values at all.
    pub fn is_impossible(&self) -> bool {
        self.conditions.iter().any(|condition| condition.values.is_empty())
    }

    /// Names of the columns the filter looks at.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(|condition| condition.column.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordId;
    use crate::record::Values;
    use uuid::Uuid;

    fn record(values: &[(&str, Value)]) -> Record {
        let values: Values = values.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        Record { id: RecordId(Uuid::from_u128(1)), version: None, modified: None, values, unreadable: None }
    }

    #[test]
    fn conditions_hold_together() {
        let filter = Filter::all(vec![
            Condition::equal("blocked", Value::Bool(false)),
            Condition::one_of("company", vec![Value::Guid(Uuid::from_u128(9)), Value::Null]),
        ]);
        assert!(filter.matches(&record(&[("blocked", Value::Bool(false)), ("company", Value::Null)])));
        assert!(
            !filter.matches(&record(&[("blocked", Value::Bool(false))])),
            "an unknown column is not known to match"
        );
        assert!(
            filter.matches(&record(&[("blocked", Value::Bool(false)), ("company", Value::Guid(Uuid::from_u128(9)))]))
        );
        assert!(!filter.matches(&record(&[("blocked", Value::Bool(true))])));
        assert!(
            !filter.matches(&record(&[("blocked", Value::Bool(false)), ("company", Value::Guid(Uuid::from_u128(8)))]))
        );
    }

    #[test]
    fn d12_an_empty_list_matches_nothing() {
        let filter = Filter::all(vec![Condition::one_of("id", vec![])]);
        assert!(!filter.matches(&record(&[("id", Value::Guid(Uuid::from_u128(1)))])));
        assert!(filter.is_impossible());
    }
}
