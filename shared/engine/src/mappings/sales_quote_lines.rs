//! Sales Quote Lines: what the lines of quotes sell in Business Central, and how they are described (S160, S161, decision 0053).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, SystemError, Table, Value};
use uuid::Uuid;

use super::released_quotes::{STATUS, act, is_released};
use super::rules::{BatchRules, Context, MappingRules, Obstacle, OnDeletion, Transferring, set_on_create};
use super::sales_documents::{Document, Objects, Texts, line_discount, numbered, texts_of};
use crate::error::EngineError;

/// The column by which the lines of a quote are put in order.
const SEQUENCE: &str = "sequencenumber";

pub(crate) struct SalesQuoteLines;

#[async_trait]
impl MappingRules for SalesQuoteLines {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        &[
            "quoteid",
            "productid",
            "uomid",
            SEQUENCE,
            "description",
            "productdescription",
            "volumediscountamount",
            "manualdiscountamount",
        ]
    }

    fn has_key(&self) -> bool {
        false
    }

    /// Lines leave with their quote.
    fn on_deletion(&self, _: Direction) -> OnDeletion {
        OnDeletion::Stay
    }

    fn ordered_by(&self, _: Direction) -> Option<&'static str> {
        Some(SEQUENCE)
    }

    async fn open_documents(&self, context: Context<'_>, documents: &[RecordId]) -> Vec<Result<(), SystemError>> {
        let installation = context.installation;
        let Some(quotes) = installation.catalogue().business_central_table("Sales Header (Quote)") else {
            return documents.iter().map(|_| Ok(())).collect();
        };
        let system = installation.system(Side::BusinessCentral);
        let there = match system.fetch(quotes, documents, &[STATUS.to_owned()]).await {
            Ok(there) => there,
            Err(error) => return documents.iter().map(|_| Err(error.clone())).collect(),
        };
        let released: Vec<RecordId> = there.iter().filter(|quote| is_released(quote)).map(|quote| quote.id).collect();
        let results = act(installation, quotes, "reopen", &released).await;
        // One result per quote.
        let refused = released.into_iter().zip(results).filter_map(|(quote, result)| Some((quote, result.err()?)));
        let closed: HashMap<RecordId, SystemError> = refused.collect();
        documents.iter().map(|quote| closed.get(quote).cloned().map_or(Ok(()), Err)).collect()
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let lines: Vec<&Record> = sources.iter().map(|record| record.source).collect();
        let is_new = sources.iter().any(|record| record.creating);
        let objects = Objects::of(context.installation, if is_new { &lines } else { &[] }).await?;
        let mut of_quotes: BTreeMap<Option<Uuid>, Vec<&Record>> = BTreeMap::new();
        for line in lines {
            of_quotes.entry(line.get("quoteid").as_guid()).or_default().push(line);
        }
        let mut made = HashMap::new();
        for mut lines in of_quotes.into_values() {
            lines.sort_by_key(|line| place_of(line));
            let texts: Vec<Texts> = lines.iter().map(|line| texts_by(&objects, line)).collect();
            let descriptions: Vec<Option<String>> = texts.iter().map(|texts| texts.description.clone()).collect();
            let (numbered, _) = numbered(texts);
            for ((line, number), description) in lines.into_iter().zip(numbered).zip(descriptions) {
                made.insert(line.id, Made { number: number.number, description });
            }
        }
        Ok(Box::new(Prepared { table: Arc::clone(&context.mapping.business_central), objects, made }))
    }
}

/// The lines of a quote in its order.
pub(super) fn in_order(lines: &[Record]) -> Vec<&Record> {
    let mut lines: Vec<&Record> = lines.iter().collect();
    lines.sort_by_key(|line| place_of(line));
    lines
}

fn place_of(line: &Record) -> (i64, RecordId) {
    (line.get(SEQUENCE).as_int().unwrap_or(i64::MAX), line.id)
}

/// The texts of a line of a quote: what a product is described by in Sales is always said below the line (S161).
pub(super) fn texts(line: &Record, described: Option<&str>) -> Texts {
    texts_of(line, described.map(|_| ""))
}

fn texts_by(objects: &Objects, line: &Record) -> Texts {
    let sold = objects.of_line(line, Document::Quote, "").ok();
    texts(line, sold.as_ref().and_then(|sold| sold.description.as_deref()))
}

/// A line that is made.
struct Made {
    number: i64,
    /// What it is described by, where that is not for the item or resource.
    description: Option<String>,
}

struct Prepared {
    table: Arc<Table>,
    objects: Objects,
    made: HashMap<RecordId, Made>,
}

#[async_trait]
impl BatchRules for Prepared {
    /// Lines of an active quote are not changed in Sales; once they are in Business Central, they are for that to work with
    /// (S154).
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        if !record.creating {
            fields.clear();
            return Ok(());
        }
        let (line, table) = (record.source, &self.table);
        let sold = self.objects.of_line(line, Document::Quote, "")?;
        set_on_create(fields, table, "type", Value::text(sold.kind.as_str()))?;
        set_on_create(fields, table, "lineObjectNumber", Value::text(sold.number.as_str()))?;
        if let Some(unit) = &sold.unit {
            set_on_create(fields, table, "unitOfMeasureCode", Value::text(unit.as_str()))?;
        }
        if let Some(made) = self.made.get(&line.id) {
            set_on_create(fields, table, "sequence", Value::Int(made.number))?;
            if let Some(description) = &made.description {
                set_on_create(fields, table, "description", Value::text(description.as_str()))?;
            }
        }
        let discount = line_discount(line);
        if !discount.is_zero() {
            set_on_create(fields, table, "discountAmount", Value::Decimal(discount))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
