//! PAYMENT TERMS, SHIPMENT METHOD and SHIPPING AGENT: codes of Business Central as options of a choice column of accounts
//! (R223 to R235, S270 to S272).

use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::comparing::{folded, same};
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::DataFailure;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::{Choice, OPTION_LABELS, OPTION_NUMBER, Side};
use couplet_model::{Condition, Filter, Record, Table, Value};

use super::rules::{
    AfterWrite, BatchRules, Context, MappingRules, Match, NothingSpecial, Obstacle, Transferring, put_same, set,
};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::facts::ChoiceOption;

/// The column of Business Central that holds the code, in all three tables.
const CODE: &str = "code";
/// Longest code of the three tables, in UTF-16 units.
const CODE_LENGTH: usize = 10;

pub(crate) struct OptionCodes;

#[async_trait]
impl MappingRules for OptionCodes {
    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &[CODE],
            Direction::FromDataverse => &[],
        }
    }

    fn destination_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &[OPTION_LABELS, OPTION_NUMBER],
            Direction::FromDataverse => &[CODE],
        }
    }

    fn partner_key(&self, direction: Direction) -> Option<&'static str> {
        Some(match direction {
            Direction::ToDataverse => "that code as its label",
            Direction::FromDataverse => "that label as its code",
        })
    }

    /// The option that says the code in one of its languages; from Dataverse, the record with the label as its code.
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let choice = choice(context)?;
        match context.direction {
            Direction::ToDataverse => {
                let options = context.installation.read_options(&context.mapping.dataverse).await?;
                let code = |source: &&Record| source.get(CODE).as_text().unwrap_or_default().to_owned();
                Ok(sources.iter().map(|source| option_of(&options, &code(source), choice)).collect())
            }
            Direction::FromDataverse => {
                let code = |source: &Record| code_of(source.get(&choice.column));
                let codes = sources.iter().map(|source| Value::Text(code(source))).collect();
                let filter = Filter::all(vec![Condition::one_of(CODE, codes)]);
                let system = context.installation.system(Side::BusinessCentral);
                let records = system.find(&context.mapping.business_central, &filter, &[CODE.to_owned()]).await?;
                let of = |source: &&Record| {
                    let code = code(source);
                    let is_it = |record: &&Record| record.get(CODE).as_text().is_some_and(|own| same(own, &code));
                    Ok(records.iter().find(is_it).map(|record| record.id))
                };
                Ok(sources.iter().map(of).collect())
            }
        }
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        if sources.is_empty() {
            return Ok(Box::new(NothingSpecial));
        }
        Ok(match context.direction {
            Direction::ToDataverse => Box::new(ToDataverse {
                choice: choice(context)?.clone(),
                table: Arc::clone(&context.mapping.dataverse),
            }),
            Direction::FromDataverse => Box::new(FromDataverse {
                choice: choice(context)?.clone(),
                table: Arc::clone(&context.mapping.business_central),
            }),
        })
    }
}

/// The choice column of a mapping of options; loading the catalogue has seen to it that there is one.
fn choice(context: Context<'_>) -> Result<&Choice, EngineError> {
    let mapping = context.mapping;
    mapping.dataverse.choice.as_ref().ok_or_else(|| {
        EngineError::SetUp(format!("{} has rules of options and no choice column; give it one", mapping.name))
    })
}

/// The option of a code: the one that says it, or of several the one that says it in the language of Couplet's user.
fn option_of(options: &[ChoiceOption], code: &str, choice: &Choice) -> Match {
    let found: Vec<&ChoiceOption> = options.iter().filter(|option| option.says(code)).collect();
    let in_our_language = || found.iter().filter(|option| same(option.label.trim(), code.trim()));
    match (found.as_slice(), in_our_language().count()) {
        ([], _) => Ok(None),
        ([only], _) => Ok(Some(only.id)),
        (_, 1) => Ok(in_our_language().next().map(|option| option.id)),
        _ => {
            let numbers: Vec<String> = found.iter().map(|option| option.number.to_string()).collect();
            Err(DataFailure::of_field(
                "Code",
                format!(
                    "several options of the choice {} of {} are labelled {code}: {}; rename or remove all of them but one",
                    choice.column,
                    choice.table,
                    numbers.join(", ")
                ),
            ))
        }
    }
}

/// A label as a code: in capitals, and as long as a code may be (R227).
fn code_of(label: &Value) -> String {
    let label = label.as_text().unwrap_or_default();
    let mut length = 0;
    let fits = |letter: &char| {
        length += letter.len_utf16();
        length <= CODE_LENGTH
    };
    let cut: String = folded(label.trim()).chars().take_while(fits).collect();
    cut.trim_end().to_owned()
}

struct ToDataverse {
    choice: Choice,
    table: Arc<Table>,
}

#[async_trait]
impl BatchRules for ToDataverse {
    /// A label that says the code already, in other letters or in one of its languages, is left as people wrote it.
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let code = record.source.get(CODE).as_text().unwrap_or_default();
        let option = record.destination.and_then(|row| ChoiceOption::of(&self.choice, row));
        if let Some(option) = option.filter(|option| option.says(code)) {
            put_same(fields, &self.choice.column, &Value::Text(option.label));
        }
        Ok(())
    }

    /// Repeats options in the columns of documents that were found as they should be and are coupled only now, so that no
    /// write has done it (R230).
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let mut open: Vec<&mut AfterWrite<'_>> =
            records.iter_mut().filter(|record| !record.written && record.coupling.to_dataverse.is_none()).collect();
        let column: Arc<str> = Arc::from(self.choice.column.as_str());
        let label = |record: &AfterWrite<'_>| record.desired(&self.choice.column).cloned().unwrap_or(Value::Null);
        let writes: Vec<Write> = open
            .iter()
            .map(|record| {
                let values: Values = [(Arc::clone(&column), label(record))].into();
                Write::update(record.destination, None, values)
            })
            .collect();
        let results = write_all(context.installation.system(Side::Dataverse), &self.table, &writes).await;
        // `write_all` gives one result per write.
        for (record, result) in open.iter_mut().zip(results) {
            if let Err(error) = result {
                record.beside = Err(error);
            }
        }
    }
}

struct FromDataverse {
    choice: Choice,
    table: Arc<Table>,
}

impl BatchRules for FromDataverse {
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let code = code_of(record.source.get(&self.choice.column));
        if code.is_empty() {
            return Err(DataFailure::of_field(
                self.choice.column.clone(),
                "the option has no label to become a code; give it one",
            )
            .into());
        }
        set(fields, &self.table, CODE, Value::Text(code))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
