//! POSTEDSALESLINE-INV: product, unit and price of the lines of posted invoices, and the line that takes up what rounding leaves
//! (S184 to S191, decision 0047).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::comparing::folded;
use couplet_model::decision::TransferredField;
use couplet_model::ids::derived_id;
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, MappingName, Record, RecordId, SystemError, Table, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::posted_invoices::PriceLists;
use super::rules::{
    AfterWrite, BatchRules, Context, MappingRules, Obstacle, Transferring, WrittenBeside, is_usable, set, set_on_create,
};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;

/// The mappings of items and resources, by the type of a line.
const MAPPINGS: [(&str, &str); 2] = [("Item", "ITEM-PRODUCT"), ("Resource", "RESOURCE-PRODUCT")];
/// Digits of a unit price without tax: the precision that Business Central has for unit amounts by default.
const UNIT_AMOUNT_DIGITS: u32 = 5;
/// What the balancing line is called.
const ROUNDING: &str = "Rounding";
/// Pricing method "Currency Amount" and quantity selling option "No Control" of a price.
const PRICING: [(&str, i64); 2] = [("pricingmethodcode", 1), ("quantitysellingcode", 1)];

pub(crate) struct PostedInvoiceLines;

#[async_trait]
impl MappingRules for PostedInvoiceLines {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        &[
            "sequence",
            "type",
            "lineObjectNumber",
            "description",
            "unitOfMeasureCode",
            "currencyCode",
            "pricesIncludeTax",
            "netAmount",
            "netAmountIncludingTax",
        ]
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        let installation = context.installation;
        let new: Vec<&Record> = sources.iter().filter(|record| record.creating).map(|record| record.source).collect();
        let objects = Objects::of(installation, &new).await?;
        let units = Units::of(installation, &objects).await?;
        let lists = PriceLists::of(installation, new.iter().map(|line| line.get("currencyCode"))).await?;
        Ok(Box::new(Prepared { table: Arc::clone(&context.mapping.dataverse), objects, units, lists }))
    }
}

/// The products of items and resources.
pub(crate) struct Objects(HashMap<(&'static str, String), Uuid>);

impl Objects {
    /// The products of the items and resources on some lines.
    pub async fn of(installation: &Installation, lines: &[&Record]) -> Result<Self, EngineError> {
        let mut products = HashMap::new();
        for (kind, mapping) in MAPPINGS {
            let numbers: BTreeSet<String> = lines
                .iter()
                .filter(|line| line.get("type") == &Value::text(kind))
                .filter_map(|line| line.get("lineObjectNumber").as_text().map(str::to_owned))
                .collect();
            if numbers.is_empty() {
                continue;
            }
            let numbers: Vec<String> = numbers.into_iter().collect();
            let name = MappingName::from(mapping);
            let found = installation.store().couplings_by_key(installation.company(), &name, &numbers).await?;
            let usable = found.into_iter().filter(|(_, coupling)| is_usable(coupling));
            let row = |(number, coupling): (String, couplet_model::Coupling)| {
                ((kind, folded(&number)), RecordId::from(coupling.dataverse_id).0)
            };
            products.extend(usable.map(row));
        }
        Ok(Self(products))
    }

    /// The product of a line; `None` for what is no product in Dataverse, such as a comment or an account.
    pub fn product(&self, line: &Record) -> Result<Option<Uuid>, Obstacle> {
        let kind = MAPPINGS.into_iter().find(|(kind, _)| line.get("type") == &Value::text(*kind));
        let (Some((kind, mapping)), Some(number)) = (kind, line.get("lineObjectNumber").as_text()) else {
            return Ok(None);
        };
        match self.0.get(&(kind, folded(number))) {
            Some(product) => Ok(Some(*product)),
            None => {
                let dependency =
                    Dependency { mapping: mapping.into(), side: Side::BusinessCentral, key: number.to_owned() };
                Err(Obstacle::Wait(Need { dependency, field: format!("{kind} No."), value: number.to_owned() }))
            }
        }
    }

    /// The same for a line of an invoice that is new in Dataverse, where nothing may be blocked (S172).
    pub fn of_new(&self, line: &Record) -> Result<Option<Uuid>, Obstacle> {
        if line.get("blocked").as_bool() == Some(true) {
            let (kind, number) = (line.get("type"), line.get("lineObjectNumber"));
            let message = format!(
                "Blocked must be No for {kind} {number} before an invoice with it is created in Dataverse (E34): unblock it until then"
            );
            return Err(DataFailure::of_field("Blocked", message).into());
        }
        self.product(line)
    }
}

/// The units of products: the default one, and with unit groups those of the group by name.
struct Units {
    /// Default unit and unit group of each product.
    products: HashMap<Uuid, (Option<Uuid>, Option<Uuid>)>,
    /// With unit groups, the units of a group by their folded names.
    by_name: Option<HashMap<(Uuid, String), Uuid>>,
}

impl Units {
    async fn of(installation: &Installation, objects: &Objects) -> Result<Self, EngineError> {
        let products: HashSet<RecordId> = objects.0.values().map(|id| RecordId(*id)).collect();
        let products: Vec<RecordId> = products.into_iter().collect();
        let mut units = Self { products: HashMap::new(), by_name: None };
        if products.is_empty() {
            return Ok(units);
        }
        let table = installation.table(Side::Dataverse, "product")?;
        let columns: Vec<String> = ["defaultuomid", "defaultuomscheduleid"].map(str::to_owned).into_iter().collect();
        let found = installation.system(Side::Dataverse).fetch(&table, &products, &columns).await?;
        let of = |row: &Record| (row.get("defaultuomid").as_guid(), row.get("defaultuomscheduleid").as_guid());
        units.products = found.iter().map(|row| (row.id.0, of(row))).collect();
        if installation.switches().unit_groups {
            let groups: BTreeSet<Uuid> = units.products.values().filter_map(|(_, group)| *group).collect();
            let groups = groups.into_iter().map(Value::Guid).collect();
            let filter = Filter::all(vec![Condition::one_of("uomscheduleid", groups)]);
            let rows = installation.find_rows("uom", &filter, &["name", "uomscheduleid"]).await?;
            let named = |row: &Record| {
                Some(((row.get("uomscheduleid").as_guid()?, folded(row.get("name").as_text()?)), row.id.0))
            };
            units.by_name = Some(rows.iter().filter_map(named).collect());
        }
        Ok(units)
    }

    /// The unit of a line: the product's own, or with unit groups the one that the line names (S188).
    fn of_line(&self, product: Uuid, line: &Record) -> Result<Option<Uuid>, DataFailure> {
        let (unit, group) = self.products.get(&product).copied().unwrap_or_default();
        let (Some(by_name), Some(code)) = (&self.by_name, line.get("unitOfMeasureCode").as_text()) else {
            return Ok(unit);
        };
        let found = group.and_then(|group| by_name.get(&(group, folded(code))));
        found.copied().map(Some).ok_or_else(|| {
            let message = format!(
                "unit {code} of {} {} is not in the unit group of its product (E43): synchronize the units of the item or resource",
                line.get("type"),
                line.get("lineObjectNumber")
            );
            DataFailure::of_field("Unit of Measure Code", message)
        })
    }
}

struct Prepared {
    table: Arc<Table>,
    objects: Objects,
    units: Units,
    lists: PriceLists,
}

#[async_trait]
impl BatchRules for Prepared {
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let (line, table) = (record.source, &self.table);
        let amount = |column: &str| line.get(column).as_decimal().unwrap_or_default();
        let tax = amount("netAmountIncludingTax") - amount("netAmount");
        set(fields, table, "lineitemnumber", line.get("sequence").clone())?;
        set(fields, table, "tax", Value::Decimal(tax))?;
        let quantity = amount("quantity");
        if line.get("pricesIncludeTax").as_bool() == Some(true) && !quantity.is_zero() {
            let price = amount("unitPrice") - (tax / quantity).round_dp(UNIT_AMOUNT_DIGITS);
            set(fields, table, "priceperunit", Value::Decimal(price))?;
        }
        if !record.creating {
            return Ok(());
        }
        match self.objects.product(line)? {
            Some(product) => {
                set_on_create(fields, table, "isproductoverridden", Value::Bool(false))?;
                set_on_create(fields, table, "productid", Value::Guid(product))?;
                if let Some(unit) = self.units.of_line(product, line)? {
                    set_on_create(fields, table, "uomid", Value::Guid(unit))?;
                }
            }
            None => {
                set_on_create(fields, table, "isproductoverridden", Value::Bool(true))?;
                let [number, description] =
                    ["lineObjectNumber", "description"].map(|name| line.get(name).as_text().unwrap_or_default());
                let description = format!("{number} {description}.");
                set_on_create(fields, table, "productdescription", Value::text(description.trim()))?;
            }
        }
        Ok(())
    }

    /// Gives the price list a price for what it lacks, and the invoice a line for what rounding left.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            record.beside = Ok(WrittenBeside::default());
        }
        if let Err(error) = self.write_prices(context, records).await {
            fail(records, &error, |record| record.created);
        }
        self.write_rounding(context, records).await;
    }
}

/// Notes of records that what follows their write failed.
fn fail(records: &mut [AfterWrite<'_>], error: &SystemError, which: impl Fn(&AfterWrite<'_>) -> bool) {
    for record in records.iter_mut().filter(|record| which(record)) {
        record.beside = Err(error.clone());
    }
}

impl Prepared {
    /// Creates the prices that are missing in the lists of the lines' currencies (S189).
    async fn write_prices(&self, context: Context<'_>, records: &[AfterWrite<'_>]) -> Result<(), SystemError> {
        let installation = context.installation;
        let mut wanted: HashMap<(Uuid, Uuid, Uuid), Decimal> = HashMap::new();
        for record in records.iter().filter(|record| record.created) {
            let id = |column: &str| record.desired(column).and_then(Value::as_guid);
            let price = record.desired("priceperunit").and_then(Value::as_decimal).unwrap_or_default();
            let list = self.lists.of_currency(record.source.get("currencyCode")).ok();
            if let (Some(list), Some(product), Some(unit)) = (list, id("productid"), id("uomid"))
                && price > Decimal::ZERO
            {
                wanted.entry((list, product, unit)).or_insert(price);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let Ok(table) = installation.table(Side::Dataverse, "productpricelevel") else { return Ok(()) };
        let of = |pick: fn(&(Uuid, Uuid, Uuid)) -> Uuid| -> Vec<Value> {
            let ids: BTreeSet<Uuid> = wanted.keys().map(pick).collect();
            ids.into_iter().map(Value::Guid).collect()
        };
        let filter = Filter::all(vec![
            Condition::one_of("pricelevelid", of(|key| key.0)),
            Condition::one_of("productid", of(|key| key.1)),
        ]);
        let columns: Vec<String> = ["pricelevelid", "productid", "uomid"].map(str::to_owned).into_iter().collect();
        let system = installation.system(Side::Dataverse);
        for price in system.find(&table, &filter, &columns).await? {
            let id = |column: &str| price.get(column).as_guid();
            if let (Some(list), Some(product), Some(unit)) = (id("pricelevelid"), id("productid"), id("uomid")) {
                wanted.remove(&(list, product, unit));
            }
        }
        let writes: Vec<Write> = wanted
            .iter()
            .map(|((list, product, unit), price)| {
                let role = format!("price in {list} by {unit}");
                let id = derived_id(installation.company(), &context.mapping.name, &role, RecordId(*product));
                let mut values: Values = [
                    (Arc::from("pricelevelid"), Value::Guid(*list)),
                    (Arc::from("productid"), Value::Guid(*product)),
                    (Arc::from("uomid"), Value::Guid(*unit)),
                    (Arc::from("amount"), Value::Decimal(*price)),
                ]
                .into();
                values.extend(PRICING.map(|(column, option)| (Arc::from(column), Value::Int(option))));
                Write::create(Some(id), values)
            })
            .collect();
        write_all(system, &table, &writes).await.into_iter().find_map(Result::err).map_or(Ok(()), Err)
    }

    /// Writes the balancing line of invoices whose prices include tax (S191).
    async fn write_rounding(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let mut left: HashMap<Uuid, (Decimal, bool)> = HashMap::new();
        let document = |record: &AfterWrite<'_>| record.source.get("documentId").as_guid();
        let invoice = |record: &AfterWrite<'_>| record.desired("invoiceid").and_then(Value::as_guid);
        let mut invoices: HashMap<Uuid, Uuid> = HashMap::new();
        for record in records.iter().filter(|record| record.source.get("pricesIncludeTax").as_bool() == Some(true)) {
            let Some(document) = document(record) else { continue };
            let is = |column: &str| record.desired(column).and_then(Value::as_decimal).unwrap_or_default();
            let gross = record.source.get("netAmountIncludingTax").as_decimal().unwrap_or_default();
            let entry = left.entry(document).or_default();
            entry.0 += gross - (is("priceperunit") * is("quantity") + is("tax") - is("manualdiscountamount"));
            entry.1 |= record.created;
            invoices.extend(invoice(record).map(|invoice| (document, invoice)));
        }
        let due: Vec<(Uuid, Uuid, Decimal)> = left
            .into_iter()
            .filter(|(_, (amount, is_new))| *is_new && !amount.is_zero())
            .filter_map(|(document, (amount, _))| Some((document, *invoices.get(&document)?, amount)))
            .collect();
        let writes: Vec<Write> = due
            .iter()
            .map(|(document, invoice, amount)| {
                let (company, name) = (context.installation.company(), &context.mapping.name);
                let id = derived_id(company, name, ROUNDING, RecordId(*document));
                let invoice = Value::Reference { table: Arc::from("invoice"), id: *invoice };
                let values = [
                    ("invoiceid", invoice),
                    ("isproductoverridden", Value::Bool(true)),
                    ("ispriceoverridden", Value::Bool(true)),
                    ("productdescription", Value::text(ROUNDING)),
                    ("quantity", Value::Decimal(Decimal::ONE)),
                    ("priceperunit", Value::Decimal(*amount)),
                ];
                Write::create(Some(id), values.map(|(column, value)| (Arc::from(column), value)).into())
            })
            .collect();
        let results = write_all(context.installation.system(Side::Dataverse), &self.table, &writes).await;
        // `write_all` gives one result per write.
        for ((of, ..), result) in due.iter().zip(results) {
            if let Err(error) = result {
                fail(records, &error, |record| document(record) == Some(*of));
            }
        }
    }
}

#[cfg(test)]
mod tests;
