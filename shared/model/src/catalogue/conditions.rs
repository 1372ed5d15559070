//! Filters as people write them: `statecode eq 0 and customertypecode in (3, 11)`, or the JSON of the catalogue.

use serde_json::Value as Json;

use super::files::ConditionFile;
use crate::table::Side;

/// What is wrong with a filter that a person wrote, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter is not understood at character {at}{}: {problem}", if rest.is_empty() { " (its end)".to_owned() } else { format!(" (\"{rest}\")") })]
pub struct ConditionProblem {
    /// The place, counted from 1.
    pub at: usize,
    /// What stands there, shortened.
    pub rest: String,
    /// What was expected instead.
    pub problem: String,
}

/// Letters of the text that are shown where it is not understood.
const SHOWN: usize = 20;

/// The conditions of a filter that a person wrote for a side. An empty text is a filter that admits everything.
///
/// # Errors
/// Where the text is not understood, and what was expected there.
pub fn read_conditions(text: &str, side: Side) -> Result<Vec<ConditionFile>, ConditionProblem> {
    let begin = text.trim_start();
    if begin.starts_with(['[', '{']) {
        return read_json(text);
    }
    let mut reader = Reader { text, at: 0 };
    let mut conditions = Vec::new();
    if begin.is_empty() {
        return Ok(conditions);
    }
    loop {
        conditions.push(reader.condition(side)?);
        reader.skip_spaces();
        if reader.rest().is_empty() {
            return Ok(conditions);
        }
        if !reader.takes_word("and") {
            return Err(reader.problem("conditions are joined by and; put texts with spaces in quotes"));
        }
    }
}

fn read_json(text: &str) -> Result<Vec<ConditionFile>, ConditionProblem> {
    let is_list = text.trim_start().starts_with('[');
    let read = if is_list {
        serde_json::from_str::<Vec<ConditionFile>>(text)
    } else {
        serde_json::from_str::<ConditionFile>(text).map(|one| vec![one])
    };
    read.map_err(|error| {
        let line: usize = text.split('\n').take(error.line().saturating_sub(1)).map(|line| line.len() + 1).sum();
        let at = floor(text, (line + error.column().saturating_sub(1)).min(text.len()));
        let reader = Reader { text, at };
        let said = error.to_string();
        reader.problem(said.rsplit_once(" at line ").map_or(said.as_str(), |(problem, _)| problem))
    })
}

/// The nearest place at which a letter begins.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Conditions as [`read_conditions`] takes them; what it cannot take is told in parentheses behind its condition.
pub fn in_words(conditions: &[ConditionFile]) -> String {
    conditions.iter().map(one_in_words).collect::<Vec<_>>().join(" and ")
}

fn one_in_words(condition: &ConditionFile) -> String {
    let name = condition.property.as_deref().or(condition.column.as_deref()).unwrap_or_default();
    let value = match &condition.value {
        Json::Array(values) => format!("({})", values.iter().map(value_in_words).collect::<Vec<_>>().join(", ")),
        one => value_in_words(one),
    };
    let when = match condition.only_if.as_deref() {
        Some("company_exists_in_dataverse") => " (once the company has a row in Dataverse)",
        _ => "",
    };
    format!("{name} {} {value}{when}", condition.op)
}

fn value_in_words(value: &Json) -> String {
    match value {
        Json::String(text) if text.starts_with('$') => text.clone(),
        Json::String(text) if text.contains('"') => format!("'{text}'"),
        Json::String(text) => format!("\"{text}\""),
        other => other.to_string(),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn problem(&self, problem: &str) -> ConditionProblem {
        ConditionProblem {
            at: self.text[..self.at].chars().count() + 1,
            rest: self.rest().chars().take(SHOWN).collect(),
            problem: problem.to_owned(),
        }
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// The letters up to the next one that ends a word.
    fn word(&mut self) -> &'t str {
        self.skip_spaces();
        let rest = self.rest();
        let ends =
            |letter: char| letter.is_whitespace() || matches!(letter, '(' | ')' | ',' | '"' | '\'' | '=' | '<' | '!');
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        let before = self.at;
        let found = self.word().eq_ignore_ascii_case(wanted);
        if !found {
            self.at = before;
            self.skip_spaces();
        }
        found
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    fn condition(&mut self, side: Side) -> Result<ConditionFile, ConditionProblem> {
        let name = self.word();
        if name.is_empty() {
            return Err(self.problem("the name of a field is expected, such as statecode"));
        }
        let op = self.operator()?;
        let value = if op == "in" { self.list()? } else { self.value()? };
        let (property, column) = match side {
            Side::BusinessCentral => (Some(name.to_owned()), None),
            Side::Dataverse => (None, Some(name.to_owned())),
        };
        Ok(ConditionFile { property, column, field: None, op: op.to_owned(), value, only_if: None })
    }

    fn operator(&mut self) -> Result<&'static str, ConditionProblem> {
        for (sign, op) in [("=", "eq"), ("<>", "ne"), ("!=", "ne")] {
            if self.takes(sign) {
                return Ok(op);
            }
        }
        for op in ["eq", "ne", "in"] {
            if self.takes_word(op) {
                return Ok(op);
            }
        }
        Err(self.problem("eq, ne or in is expected"))
    }

    fn list(&mut self) -> Result<Json, ConditionProblem> {
        if !self.takes("(") {
            return Err(self.problem("a list in parentheses is expected behind in, such as (1, 2)"));
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            if self.takes(")") {
                return Ok(Json::Array(values));
            }
            if !self.takes(",") {
                return Err(self.problem("a comma or the closing parenthesis is expected"));
            }
        }
    }

    fn value(&mut self) -> Result<Json, ConditionProblem> {
        for quote in ['"', '\''] {
            if self.takes(&quote.to_string()) {
                let Some(end) = self.rest().find(quote) else {
                    return Err(self.problem("the closing quote is missing"));
                };
                let text = self.rest()[..end].to_owned();
                self.at += end + quote.len_utf8();
                return Ok(Json::String(text));
            }
        }
        let word = self.word();
        match word {
            "" => Err(self.problem("a value is expected: a text in quotes, a number, true, false or null")),
            "null" => Ok(Json::Null),
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            _ => match serde_json::from_str::<serde_json::Number>(word) {
                Ok(number) => Ok(Json::Number(number)),
                Err(_) => Ok(Json::String(word.to_owned())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str, side: Side) -> Json {
        serde_json::to_value(read_conditions(text, side).expect(text)).expect("JSON")
    }

    #[test]
    fn a_filter_is_written_as_people_say_it_or_as_the_catalogue_does() {
        let cases = [
            ("", json!([])),
            ("statecode eq 0", json!([{"column": "statecode", "op": "eq", "value": 0}])),
            (
                "statecode=0 AND customertypecode in (3, 11)",
                json!([
                    {"column": "statecode", "op": "eq", "value": 0},
                    {"column": "customertypecode", "op": "in", "value": [3, 11]}
                ]),
            ),
            (
                "name <> 'Müller and Sons' and fax != null",
                json!([
                    {"column": "name", "op": "ne", "value": "Müller and Sons"},
                    {"column": "fax", "op": "ne", "value": null}
                ]),
            ),
            ("donotmail eq true", json!([{"column": "donotmail", "op": "eq", "value": true}])),
            (
                "bcbi_companyid in ($company_id, null)",
                json!([{"column": "bcbi_companyid", "op": "in", "value": ["$company_id", null]}]),
            ),
            (
                r#" [{"column": "statecode", "op": "eq", "value": 0}]"#,
                json!([{"column": "statecode", "op": "eq", "value": 0}]),
            ),
            (r#"{"column": "fax", "op": "eq", "value": null}"#, json!([{"column": "fax", "op": "eq", "value": null}])),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text, Side::Dataverse), expected, "{text}");
        }
        let of_business_central = json!([{"property": "blocked", "op": "eq", "value": " "}]);
        assert_eq!(read(r#"blocked eq " ""#, Side::BusinessCentral), of_business_central);
    }

    #[test]
    fn a_filter_in_words_is_read_as_the_same_filter() {
        for text in [
            "",
            "statecode eq 0 and customertypecode in (3, 11)",
            "name ne \"Müller and Sons\" and fax ne null",
            "name eq 'the \"best\"'",
            "donotmail eq true and companyid in ($company_id, null)",
        ] {
            let conditions = read_conditions(text, Side::Dataverse).expect(text);
            assert_eq!(in_words(&conditions), text);
            assert_eq!(read_conditions(&in_words(&conditions), Side::Dataverse).expect(text), conditions);
        }
    }

    #[test]
    fn what_is_not_understood_is_shown_at_its_place() {
        let cases = [
            ("statecode is 0", 11, "is 0", "eq, ne or in is expected"),
            ("statecode eq", 13, "", "a value is expected"),
            ("eq 0 eq 1", 4, "0 eq 1", "eq, ne or in is expected"),
            ("city eq New York", 13, "York", "put texts with spaces in quotes"),
            ("ö in (1 2)", 9, "2)", "a comma or the closing parenthesis"),
            ("city in Paris", 9, "Paris", "a list in parentheses"),
            ("city eq \"Paris", 10, "Paris", "the closing quote is missing"),
            ("city eq 1 and ", 15, "", "the name of a field is expected"),
            (r#"[{"column": "fax", "is": "eq"}]"#, 23, r#"": "eq"}]"#, "unknown field `is`"),
        ];
        for (text, at, rest, problem) in cases {
            let error = read_conditions(text, Side::Dataverse).expect_err(text);
            assert_eq!((error.at, error.rest.as_str()), (at, rest), "{text}: {error}");
            assert!(error.problem.contains(problem), "{text}: {error}");
        }
    }
}
