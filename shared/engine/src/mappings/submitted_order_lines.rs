//! SOLINE-ORDERDETAIL in one-way mode: the lines of orders that were submitted in Sales, with the comments below them
//! (S64 to S76).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::transfer::convert;
use couplet_model::{Record, RecordId, SystemError, Table, Value};
use uuid::Uuid;

use super::rules::{
    AfterWrite, BatchRules, Context, MappingRules, NothingSpecial, Obstacle, Transferring, WrittenBeside, set,
};
use super::sales_documents::{
    Document, NumberedLine, Objects, RowBeside, Sold, comment_lines, keep_rows, line_discount, numbered, texts_of,
};
use crate::error::EngineError;

pub(crate) struct SubmittedOrderLines;

/// Puts the lines of an order in order.
const PLACE: &str = "sequencenumber";
/// Names the order of a line in Dataverse.
const ORDER: &str = "salesorderid";
/// Names the order of a line in Business Central.
const DOCUMENT: &str = "documentId";

#[async_trait]
impl MappingRules for SubmittedOrderLines {
    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &[],
            Direction::FromDataverse => &[
                ORDER,
                PLACE,
                "productid",
                "uomid",
                "description",
                "productdescription",
                "volumediscountamount",
                "manualdiscountamount",
            ],
        }
    }

    fn ordered_by(&self, _: Direction) -> Option<&'static str> {
        Some(PLACE)
    }

    /// Lines have no numbers that people know them by.
    fn has_key(&self) -> bool {
        false
    }

    fn label(&self, _: Direction, source: &Record) -> Option<String> {
        let described = source.get("productdescription").as_text().or_else(|| source.get("productid").as_text());
        Some(match described {
            Some(described) => format!("{} ({described})", source.get(PLACE)),
            None => source.get(PLACE).to_string(),
        })
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        if sources.is_empty() || context.direction == Direction::ToDataverse {
            return Ok(Box::new(NothingSpecial));
        }
        let lines: Vec<&Record> = sources.iter().map(|one| one.source).collect();
        let objects = Objects::of(context.installation, &lines).await?;
        let mut orders: BTreeMap<Option<Uuid>, Vec<&Record>> = BTreeMap::new();
        for line in &lines {
            orders.entry(line.get(ORDER).as_guid()).or_default().push(line);
        }
        let mut prepared = HashMap::with_capacity(lines.len());
        for of_order in orders.into_values() {
            let sold = |line: &&Record| objects.of_line(line, Document::Order, "of this line");
            let all: Vec<Result<Sold, Obstacle>> = of_order.iter().map(sold).collect();
            let texts = of_order
                .iter()
                .zip(&all)
                .map(|(line, sold)| texts_of(line, sold.as_ref().ok().and_then(|sold| sold.description.as_deref())));
            let texts: Vec<_> = texts.collect();
            let descriptions: Vec<Option<String>> = texts.iter().map(|texts| texts.description.clone()).collect();
            let (places, _) = numbered(texts);
            for ((line, sold), (description, place)) in
                of_order.iter().zip(all).zip(descriptions.into_iter().zip(places))
            {
                prepared.insert(line.id, Line { sold, description, place });
            }
        }
        Ok(Box::new(Prepared { table: Arc::clone(&context.mapping.business_central), lines: prepared }))
    }
}

/// A line as Business Central will have it.
struct Line {
    sold: Result<Sold, Obstacle>,
    /// What it is described by, if not as what it sells.
    description: Option<String>,
    place: NumberedLine,
}

struct Prepared {
    table: Arc<Table>,
    lines: HashMap<RecordId, Line>,
}

#[async_trait]
impl BatchRules for Prepared {
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let Some(line) = self.lines.get(&record.source.id) else { return Ok(()) };
        let sold = line.sold.as_ref().map_err(Clone::clone)?;
        let table = &self.table;
        set(fields, table, "sequence", Value::Int(line.place.number))?;
        set(fields, table, "type", Value::text(sold.kind.as_str()))?;
        set(fields, table, "lineObjectNumber", Value::text(sold.number.as_str()))?;
        set(fields, table, "discountAmount", Value::Decimal(line_discount(record.source)))?;
        for (column, text) in [("description", &line.description), ("unitOfMeasureCode", &sold.unit)] {
            let field = table.column(column).map(|column| &column.field);
            if let (Some(text), Some(field)) = (text, field)
                && let Some(value) = convert(&Value::text(text.as_str()), field)
            {
                set(fields, table, column, value)?;
            }
        }
        Ok(())
    }

    /// Adds the comments below the lines; those of a line that is repeated are there already.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let (mut rows, mut owners): (Vec<RowBeside>, Vec<usize>) = (Vec::new(), Vec::new());
        for (at, record) in records.iter_mut().enumerate() {
            record.beside = Ok(WrittenBeside::default());
            let document = record.desired(DOCUMENT).and_then(Value::as_guid).map(RecordId);
            let (Some(line), Some(document)) = (self.lines.get(&record.source.id), document) else { continue };
            let comments = comment_lines(context, record.source.id, document, &line.place);
            owners.extend(std::iter::repeat_n(at, comments.len()));
            rows.extend(comments);
        }
        for (at, result) in owners.into_iter().zip(keep_rows(context, Document::Order, &rows).await) {
            if let Err(error) = result
                && records[at].beside.is_ok()
            {
                let message = format!("a comment below it could not be written: {}", error.message);
                records[at].beside = Err(SystemError { message, ..error });
            }
        }
    }
}
