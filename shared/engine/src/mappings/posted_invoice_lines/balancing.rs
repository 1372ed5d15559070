//! The line that takes up what rounding leaves, so that an invoice comes to the same total on both sides (S191).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use couplet_model::facts::ColumnFact;
use couplet_model::ids::derived_id;
use couplet_model::record::Values;
use couplet_model::shape::shape;
use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use couplet_model::table::{FieldType, Side};
use couplet_model::{Condition, Filter, Record, RecordId, SystemError, Table, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::invoices::{Invoice, Invoices};
use crate::bulk::write_all;
use crate::mappings::rules::{AfterWrite, Context};

/// What the balancing line is called.
const ROUNDING: &str = "Rounding";

/// What is known of the balance of invoices before their lines are written.
pub(super) struct Balancing {
    table: Arc<Table>,
    /// The form in which lines keep prices.
    price: ColumnFact,
    /// How many lines each invoice has.
    counts: HashMap<Uuid, usize>,
}

/// The lines of an invoice that were written, or found equal.
#[derive(Default)]
struct Sums {
    /// What the invoice charges for them in Business Central.
    gross: Decimal,
    /// What each of them comes to in Dataverse as long as nothing is rounded.
    unrounded: HashMap<RecordId, Decimal>,
    /// How many of them are new.
    new: usize,
    includes_tax: bool,
}

impl Sums {
    fn add(&mut self, record: &AfterWrite<'_>) {
        let is = |column: &str| record.desired(column).and_then(Value::as_decimal).unwrap_or_default();
        self.gross += record.source.get("netAmountIncludingTax").as_decimal().unwrap_or_default();
        let unrounded = is("priceperunit") * is("quantity") + is("tax") - is("manualdiscountamount");
        self.unrounded.insert(record.destination, unrounded);
        self.new += usize::from(record.created);
        self.includes_tax |= record.source.get("pricesIncludeTax").as_bool() == Some(true);
    }

    /// Whether the invoice has to be looked at: one whose prices include tax always, because theirs are rounded; others
    /// where they do not add up; and one whose other lines came earlier, which may have been balanced without these.
    fn may_be_off(&self, invoice: &Invoice) -> bool {
        let is_off = self.unrounded.values().sum::<Decimal>() - invoice.discount != self.gross;
        self.new > 0 && (self.includes_tax || is_off || self.new < self.unrounded.len())
    }

    /// What they come to by the amounts that Dataverse shows; nothing where one is not known. A line that charges nothing,
    /// such as a comment, need not show one.
    fn rounded(&self, shown: &HashMap<RecordId, Option<Decimal>>) -> Option<Decimal> {
        let amount = |(line, unrounded): (&RecordId, &Decimal)| {
            shown.get(line).copied().flatten().or_else(|| unrounded.is_zero().then_some(Decimal::ZERO))
        };
        self.unrounded.iter().map(amount).sum()
    }
}

fn document_of(line: &Record) -> Option<Uuid> {
    line.get("documentId").as_guid()
}

impl Balancing {
    /// A balance of the invoices of lines that are about to be written.
    pub fn new<'r>(table: &Arc<Table>, price: ColumnFact, lines: impl Iterator<Item = &'r Record>) -> Self {
        let mut counts = HashMap::new();
        for document in lines.filter_map(document_of) {
            *counts.entry(document).or_default() += 1;
        }
        Self { table: Arc::clone(table), price, counts }
    }

    /// Gives invoices with new lines the balancing line that they need, brings one that stands up to date, or takes it away. An
    /// invoice of which a line is missing is left until that comes.
    pub async fn balance(&self, context: Context<'_>, invoices: &Invoices, records: &mut [AfterWrite<'_>]) {
        let mut sums: BTreeMap<Uuid, Sums> = BTreeMap::new();
        for record in records.iter() {
            if let Some(document) = document_of(record.source) {
                sums.entry(document).or_default().add(record);
            }
        }
        let due: Vec<(Uuid, &Invoice, Sums)> = sums
            .into_iter()
            .filter_map(|(document, sums)| {
                let invoice = invoices.of_document(document)?;
                let is_whole = self.counts.get(&document) == Some(&sums.unrounded.len());
                (is_whole && sums.may_be_off(invoice)).then_some((document, invoice, sums))
            })
            .collect();
        if due.is_empty() {
            return;
        }
        let failed = match self.write(context, &due).await {
            Ok(failed) => failed,
            Err(error) => due.iter().map(|(document, ..)| (*document, error.clone())).collect(),
        };
        for record in records.iter_mut() {
            if let Some(error) = document_of(record.source).and_then(|document| failed.get(&document)) {
                record.beside = Err(error.clone());
            }
        }
    }

    /// Reads what Dataverse made of the lines, and writes what that leaves; gives the invoices for which this failed.
    async fn write(
        &self,
        context: Context<'_>,
        due: &[(Uuid, &Invoice, Sums)],
    ) -> Result<HashMap<Uuid, SystemError>, SystemError> {
        let system = context.installation.system(Side::Dataverse);
        let named = due.iter().map(|(_, invoice, _)| reference(invoice)).collect();
        let filter = Filter::all(vec![Condition::one_of("invoiceid", named)]);
        let found = system.find(&self.table, &filter, &["extendedamount".to_owned()]).await?;
        let amounts: HashMap<RecordId, Option<Decimal>> =
            found.iter().map(|line| (line.id, line.get("extendedamount").as_decimal())).collect();
        let (mut of, mut writes) = (Vec::new(), Vec::new());
        for (document, invoice, sums) in due {
            let (company, name) = (context.installation.company(), &context.mapping.name);
            let id = derived_id(company, name, ROUNDING, RecordId(*document));
            // What is not known is not balanced.
            let Some(lines) = sums.rounded(&amounts) else { continue };
            let left = self.as_price(sums.gross - (lines - invoice.discount));
            if let Some(write) = correction(id, invoice, amounts.get(&id).copied(), left) {
                of.push(*document);
                writes.push(write);
            }
        }
        // `write_all` gives one result per write.
        let results = of.into_iter().zip(write_all(system, &self.table, &writes).await);
        let failed = results.filter_map(|(document, result)| Some((document, result.err()?)));
        Ok(failed.filter(|(_, error)| error.kind != SystemErrorKind::NotFound).collect())
    }

    /// An amount as the price of a line keeps it.
    fn as_price(&self, amount: Decimal) -> Decimal {
        shape(Value::Decimal(amount), &FieldType::Money, self.price).value.as_decimal().unwrap_or(amount)
    }
}

fn reference(invoice: &Invoice) -> Value {
    Value::Reference { table: Arc::from("invoice"), id: invoice.id }
}

/// What makes the balancing line come to an amount; nothing if it does. A line that stands has an amount, or one that is not
/// known.
fn correction(id: RecordId, invoice: &Invoice, standing: Option<Option<Decimal>>, left: Decimal) -> Option<Write> {
    match standing {
        None if left.is_zero() => None,
        Some(_) if left.is_zero() => Some(Write { action: WriteAction::Delete { id }, values: Values::new() }),
        Some(Some(amount)) if amount == left => None,
        _ => {
            let values = [
                ("invoiceid", reference(invoice)),
                ("isproductoverridden", Value::Bool(true)),
                ("ispriceoverridden", Value::Bool(true)),
                ("productdescription", Value::text(ROUNDING)),
                ("quantity", Value::Decimal(Decimal::ONE)),
                ("priceperunit", Value::Decimal(left)),
            ];
            Some(Write::create(Some(id), values.map(|(column, value)| (Arc::from(column), value)).into()))
        }
    }
}
