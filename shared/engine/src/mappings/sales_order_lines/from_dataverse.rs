//! Lines of submitted orders on their way to Business Central (S103 to S107).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::{TransferredField, Travel};
use couplet_model::table::Side;
use couplet_model::{MappingName, Record, RecordId, Table, Value};
use uuid::Uuid;

use super::amounts::{PriceForm, discount_from, tax_factor};
use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::merged_fields::{transfer_both_ways, was_changed};
use crate::mappings::order_names::{LINE_NUMBER, ORDERS};
use crate::mappings::rules::{BatchRules, Context, Obstacle, Transferring, put_same, set_on_create};
use crate::mappings::sales_documents::{Document, Objects, as_days, line_discount, texts_of};

/// Decimal places of prices in Business Central.
const PRICE_DECIMALS: u32 = 5;
/// What Business Central computes anew of a line when only its quantity or its price changes.
const DISCOUNT: [(&str, &[&str]); 2] = [("quantity", &["discountAmount"]), ("unitPrice", &["discountAmount"])];

pub(super) struct Prepared {
    dataverse: Arc<Table>,
    table: Arc<Table>,
    objects: Objects,
    /// Orders in Dataverse whose orders in Business Central have prices that include tax.
    with_tax: BTreeSet<Uuid>,
    /// How lines keep prices in Dataverse.
    prices: PriceForm,
}

impl Prepared {
    /// Reads what some lines need.
    pub async fn of(context: Context<'_>, lines: &[Transferring<'_>]) -> Result<Self, EngineError> {
        let installation = context.installation;
        let sources: Vec<&Record> = lines.iter().map(|line| line.source).collect();
        let standing = lines.iter().filter(|line| line.destination.is_some()).map(|line| line.source);
        Ok(Self {
            dataverse: Arc::clone(&context.mapping.dataverse),
            table: Arc::clone(&context.mapping.business_central),
            objects: Objects::of(installation, &sources).await?,
            with_tax: with_tax(installation, standing).await?,
            prices: PriceForm::of(installation).await?,
        })
    }
}

/// The orders of some lines whose prices include tax in Business Central.
async fn with_tax<'r>(
    installation: &Installation,
    lines: impl Iterator<Item = &'r Record>,
) -> Result<BTreeSet<Uuid>, EngineError> {
    let rows: BTreeSet<RecordId> = lines.filter_map(|line| line.get("salesorderid").as_guid().map(RecordId)).collect();
    let rows: Vec<RecordId> = rows.into_iter().collect();
    if rows.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (company, name) = (installation.company(), MappingName::from(ORDERS));
    let coupled = installation.store().couplings_by_id(company, &name, Side::Dataverse, &rows).await?;
    let rows: HashMap<RecordId, Uuid> =
        coupled.into_iter().map(|(row, coupling)| (coupling.system_id.into(), row.0)).collect();
    let orders: Vec<RecordId> = rows.keys().copied().collect();
    if orders.is_empty() {
        return Ok(BTreeSet::new());
    }
    let table = installation.table(Side::BusinessCentral, "Sales Header")?;
    let columns = ["pricesIncludeTax".to_owned()];
    let found = installation.system(Side::BusinessCentral).fetch(&table, &orders, &columns).await?;
    let includes = found.iter().filter(|order| order.get("pricesIncludeTax").as_bool() == Some(true));
    Ok(includes.filter_map(|order| rows.get(&order.id).copied()).collect())
}

impl Prepared {
    /// Whether a line is there, and its product is the one that both sides agreed on.
    fn sells_what_it_did(&self, line: Transferring<'_>) -> bool {
        let product = self.dataverse.column("productid");
        let was_agreed =
            product.zip(line.base).is_some_and(|(column, base)| base.get(Side::Dataverse, column).is_some());
        let is_there = !line.creating && line.destination.is_some();
        is_there && was_agreed && !was_changed(line, Side::Dataverse, &self.dataverse, line.source, "productid")
    }

    /// Names the item or resource that a line sells; gives its unit.
    fn name_object(
        &self,
        line: Transferring<'_>,
        fields: &mut Vec<TransferredField>,
    ) -> Result<Option<String>, Obstacle> {
        let (source, table, own) = (line.source, &self.table, &*self.dataverse);
        let order = source.get("salesorderid").to_string();
        let sold = self.objects.of_line(source, Document::Order, &order)?;
        if line.creating {
            set_on_create(fields, table, "type", Value::text(sold.kind.as_str()))?;
        }
        match &sold.description {
            // A write-in says itself what it is (S71), and what stands for it is the setup's choice, once.
            None if line.creating => {
                set_on_create(fields, table, "lineObjectNumber", Value::text(sold.number.as_str()))?;
                if let Some(description) = texts_of(source, None).description {
                    set_on_create(fields, table, "description", Value::text(description))?;
                }
            }
            // It sold an item until now.
            None if was_changed(line, Side::Dataverse, own, source, "productid") => {
                let (kind, number) = (Value::text(sold.kind.as_str()), Value::text(sold.number.as_str()));
                transfer_both_ways(fields, (own, "productid"), (table, "type"), kind)?;
                transfer_both_ways(fields, (own, "productid"), (table, "lineObjectNumber"), number)?;
                if let Some(description) = texts_of(source, None).description {
                    transfer_both_ways(
                        fields,
                        (own, "productdescription"),
                        (table, "description"),
                        Value::text(description),
                    )?;
                }
            }
            None => {}
            Some(_) => {
                if !line.creating {
                    let kind = Value::text(sold.kind.as_str());
                    transfer_both_ways(fields, (own, "productid"), (table, "type"), kind)?;
                }
                let number = Value::text(sold.number.as_str());
                transfer_both_ways(fields, (own, "productid"), (table, "lineObjectNumber"), number)?;
            }
        }
        Ok(sold.unit)
    }

    /// Price and discount of a new line: Business Central adds the tax, which is known only when the line is there, where the prices
    /// of its order include tax.
    fn price_new(&self, source: &Record, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        fields.retain(|field| !["unitPrice", "discountAmount"].contains(&field.destination.name.as_str()));
        set_on_create(fields, &self.table, "priceWithoutTax", source.get("priceperunit").clone())?;
        let discount = line_discount(source);
        if !discount.is_zero() {
            set_on_create(fields, &self.table, "discountWithoutTax", Value::Decimal(discount))?;
        }
        Ok(())
    }

    /// Price and discount of a line that is there: such that it comes to what Dataverse shows. Business Central computes the
    /// discount anew when quantity or price change, so that it travels with these, unless somebody has changed it there.
    fn price_standing(&self, line: Transferring<'_>, there: &Record, fields: &mut [TransferredField]) {
        let source = line.source;
        let is_with_tax = source.get("salesorderid").as_guid().is_some_and(|order| self.with_tax.contains(&order));
        let factor = tax_factor(there, is_with_tax);
        let shown = source.get("priceperunit").as_decimal().unwrap_or_default();
        let gross = (shown * factor).round_dp(PRICE_DECIMALS).normalize();
        let is_changed = |column: &str| was_changed(line, Side::Dataverse, &self.dataverse, source, column);
        let is_theirs = |column: &str| was_changed(line, Side::BusinessCentral, &self.table, there, column);
        let was_agreed = self
            .dataverse
            .column("priceperunit")
            .is_some_and(|column| line.base.is_some_and(|base| base.get(Side::Dataverse, column).is_some()));
        let kept = there.get("unitPrice").as_decimal().filter(|_| was_agreed && !is_changed("priceperunit"));
        // What nobody changed stays, with the fraction of a cent that Dataverse does not keep.
        let desired = kept.filter(|_| !is_theirs("unitPrice")).unwrap_or(gross);
        put_same(fields, "unitPrice", &Value::Decimal(desired));
        // A price that was changed in Business Central alone is no matter of the discount: that is what both sides agreed on, less
        // what Dataverse takes off.
        let agreed = self.table.column("unitPrice").zip(line.base);
        let agreed = agreed.and_then(|(column, base)| base.get(Side::BusinessCentral, column)?.as_decimal());
        let price = kept.map_or(gross, |kept| agreed.filter(|_| is_theirs("unitPrice")).unwrap_or(kept));
        let discount = discount_from(source, price, factor, self.prices);
        let follows = (is_changed("quantity") || is_changed("priceperunit")) && !is_theirs("discountAmount");
        for field in fields.iter_mut().filter(|field| field.destination.name == "discountAmount") {
            field.desired = Value::Decimal(discount);
            if follows {
                field.travel = Travel::OneWay;
            }
        }
    }
}

#[async_trait]
impl BatchRules for Prepared {
    fn adjust(&self, line: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let (source, table, own) = (line.source, &self.table, &*self.dataverse);
        // The server numbers lines; a line keeps its number.
        let is_numbered = source.get(LINE_NUMBER).as_int().is_some_and(|number| number != 0);
        fields.retain(|field| field.destination.name != "sequence" || line.creating && is_numbered);
        let unit = match self.sells_what_it_did(line) {
            true => self.objects.unit_of_standing(source)?,
            false => self.name_object(line, fields)?,
        };
        if let Some(unit) = unit {
            transfer_both_ways(fields, (own, "uomid"), (table, "unitOfMeasureCode"), Value::text(unit))?;
        }
        as_days(source, fields);
        match line.destination.filter(|_| !line.creating) {
            None => self.price_new(source, fields)?,
            Some(there) => self.price_standing(line, there, fields),
        }
        Ok(())
    }

    fn travel_together(&self) -> &'static [(&'static str, &'static [&'static str])] {
        &DISCOUNT
    }
}
