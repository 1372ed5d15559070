//! Lines of released orders on their way to Dataverse (S117 to S120).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::{TransferredField, Travel};
use couplet_model::table::Side;
use couplet_model::{MappingName, Record, RecordId, Table, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::amounts::{PriceForm, line_amounts};
use super::write_ins::{WriteIn, write_in};
use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::merged_fields::{transfer_both_ways, was_changed};
use crate::mappings::order_names::{LINE_NUMBER, ORDERS};
use crate::mappings::order_standing::{COLUMNS, Standing};
use crate::mappings::posted_invoice_lines::{Objects, Units, missing_prices};
use crate::mappings::rules::{
    AfterWrite, BatchRules, Context, Obstacle, Transferring, WrittenBeside, put_same, set, set_on_create,
};
use crate::mappings::sales_documents::as_moments;

/// Columns of a line in Dataverse that tell what Business Central alone decides: its number, and what was shipped of it.
const OWN: [&str; 2] = [LINE_NUMBER, "quantityshipped"];

/// An order that lines belong to.
struct Order {
    includes_tax: bool,
    /// Whether its order in Dataverse takes no change any more.
    is_over: bool,
    price_list: Option<Uuid>,
}

/// The orders of lines, by their ids in Business Central.
async fn orders_of(installation: &Installation, lines: &[&Record]) -> Result<HashMap<Uuid, Order>, EngineError> {
    let documents: BTreeSet<RecordId> =
        lines.iter().filter_map(|line| line.get("documentId").as_guid().map(RecordId)).collect();
    let documents: Vec<RecordId> = documents.into_iter().collect();
    let (company, name) = (installation.company(), MappingName::from(ORDERS));
    let coupled = installation.store().couplings_by_id(company, &name, Side::BusinessCentral, &documents).await?;
    let rows: Vec<RecordId> = coupled.values().map(|coupling| coupling.dataverse_id.into()).collect();
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let table = installation.table(Side::Dataverse, "salesorder")?;
    let columns: Vec<String> = COLUMNS.into_iter().chain(["pricelevelid"]).map(str::to_owned).collect();
    let found = installation.system(Side::Dataverse).fetch(&table, &rows, &columns).await?;
    let rows: HashMap<RecordId, Record> = found.into_iter().map(|row| (row.id, row)).collect();
    let table = installation.table(Side::BusinessCentral, "Sales Header")?;
    let columns = ["pricesIncludeTax", "fullyShipped"].map(str::to_owned);
    let found = installation.system(Side::BusinessCentral).fetch(&table, &documents, &columns).await?;
    let of = |order: &Record| {
        let row = rows.get(&coupled.get(&order.id)?.dataverse_id.into())?;
        let is_shipped = order.get("fullyShipped").as_bool() == Some(true);
        let known = Order {
            includes_tax: order.get("pricesIncludeTax").as_bool() == Some(true),
            is_over: Standing::of(row).is_some_and(|standing| standing.is_over(is_shipped)),
            price_list: row.get("pricelevelid").as_guid(),
        };
        Some((order.id.0, known))
    };
    Ok(found.iter().filter_map(of).collect())
}

pub(super) struct Prepared {
    business_central: Arc<Table>,
    table: Arc<Table>,
    orders: HashMap<Uuid, Order>,
    objects: Objects,
    units: Units,
    write_in: WriteIn,
    prices: PriceForm,
    has_unit_groups: bool,
}

impl Prepared {
    /// Reads what some lines need.
    pub async fn of(context: Context<'_>, lines: &[Transferring<'_>]) -> Result<Self, EngineError> {
        let installation = context.installation;
        let sources: Vec<&Record> = lines.iter().map(|line| line.source).collect();
        let objects = Objects::of(installation, &sources).await?;
        Ok(Self {
            business_central: Arc::clone(&context.mapping.business_central),
            table: Arc::clone(&context.mapping.dataverse),
            orders: orders_of(installation, &sources).await?,
            units: Units::of(installation, &objects).await?,
            objects,
            write_in: write_in(installation).await?,
            prices: PriceForm::of(installation).await?,
            has_unit_groups: installation.switches().unit_groups,
        })
    }

    fn order_of(&self, line: &Record) -> Option<&Order> {
        self.orders.get(&line.get("documentId").as_guid()?)
    }

    /// What the line sells: a product with its unit, or a text where only a write-in stands for it (S119, S120).
    fn name_product(&self, line: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let (source, table) = (line.source, &self.table);
        let product = match self.write_in.is_sold_by(source) {
            true => None,
            false => self.objects.product(source)?,
        };
        if line.creating {
            set_on_create(fields, table, "isproductoverridden", Value::Bool(product.is_none()))?;
        }
        let Some(product) = product else {
            if line.creating {
                set_on_create(fields, table, "productdescription", source.get("description").clone())?;
            }
            return Ok(());
        };
        let own = (&*self.business_central, "lineObjectNumber");
        transfer_both_ways(fields, own, (table, "productid"), reference("product", product))?;
        let Some(unit) = self.units.of_line(product, source)? else { return Ok(()) };
        if self.has_unit_groups {
            let own = (&*self.business_central, "unitOfMeasureCode");
            transfer_both_ways(fields, own, (table, "uomid"), reference("uom", unit))?;
        } else if line.creating {
            set_on_create(fields, table, "uomid", Value::Guid(unit))?;
        }
        Ok(())
    }
}

fn reference(table: &str, id: Uuid) -> Value {
    Value::Reference { table: Arc::from(table), id }
}

#[async_trait]
impl BatchRules for Prepared {
    fn adjust(&self, line: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let (source, table) = (line.source, &self.table);
        let order = self.order_of(source);
        if order.is_some_and(|order| order.is_over) {
            fields.clear();
            return match line.destination {
                Some(_) => Ok(()),
                None => Err(Obstacle::Ignore("its order is over in Dataverse".to_owned())),
            };
        }
        self.name_product(line, fields)?;
        as_moments(source, line.destination, fields);
        // What Business Central alone decides is no seller's to change.
        for field in fields.iter_mut().filter(|field| OWN.contains(&field.destination.name.as_str())) {
            field.travel = Travel::OneWay;
        }
        let amounts = line_amounts(source, order.is_some_and(|order| order.includes_tax), self.prices);
        put_same(fields, "priceperunit", &Value::Decimal(amounts.price));
        set(fields, table, "tax", Value::Decimal(amounts.tax))?;
        let held = |column: &str| line.destination.and_then(|there| there.get(column).as_decimal()).unwrap_or_default();
        // What the volume takes off is Dataverse's own (S75).
        let by_volume = held("volumediscountamount") * source.get("quantity").as_decimal().unwrap_or_default();
        let by_hand = (amounts.discount - by_volume).max(Decimal::ZERO).normalize();
        // It depends on prices and quantities as well, so that it travels whenever it differs; but what a seller has changed
        // meanwhile is brought across first.
        let is_of_a_seller = line
            .destination
            .is_some_and(|there| was_changed(line, Side::Dataverse, table, there, "manualdiscountamount"));
        for field in fields.iter_mut().filter(|field| field.destination.name == "manualdiscountamount") {
            field.desired = Value::Decimal(by_hand);
            if !is_of_a_seller {
                field.travel = Travel::OneWay;
            }
        }
        Ok(())
    }

    /// Gives the price list a price for what it lacks (S112, S114).
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        for record in records.iter_mut() {
            record.beside = Ok(WrittenBeside::default());
        }
        let list_of = |line: &Record| self.order_of(line)?.price_list;
        missing_prices::write(context, &list_of, records).await;
    }
}
