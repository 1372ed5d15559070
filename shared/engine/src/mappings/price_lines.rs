//! Lines of the default price list: one per product, found, created and corrected in bulk (S210, S211).

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, RecordId, SystemError, Table, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::rules::Context;
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::installation::Installation;

/// Role of the line in the default price list among the companions of a coupling.
pub(crate) const PRICE_LINE: &str = "price";
/// Pricing method "Currency Amount".
const CURRENCY_AMOUNT: i64 = 1;
/// Quantity selling option "No Control".
const NO_CONTROL: i64 = 1;

/// A line as it should be.
#[derive(Clone, Debug)]
pub(crate) struct PriceLine {
    /// The line, if it is known already.
    pub id: Option<Uuid>,
    /// The id it gets if it has to be created.
    pub new_id: Uuid,
    pub product: Uuid,
    /// Whether the product was created just now, so that no line of somebody else's can exist.
    pub product_is_new: bool,
    pub unit: Uuid,
    pub unit_group: Option<Uuid>,
    pub amount: Decimal,
}

/// Writer of lines of one price list.
pub(crate) struct PriceLines {
    table: Arc<Table>,
    price_list: Uuid,
}

impl PriceLines {
    pub fn new(installation: &Installation, price_list: Uuid) -> Result<Self, EngineError> {
        Ok(Self { table: installation.table(Side::Dataverse, "productpricelevel")?, price_list })
    }

    /// Writes the lines that are given; one result per place, with the id of the line written there.
    pub async fn write(
        &self,
        context: Context<'_>,
        lines: &[Option<PriceLine>],
    ) -> Vec<Result<Option<Uuid>, SystemError>> {
        let existing = match self.existing(context, lines).await {
            Ok(existing) => existing,
            Err(error) => {
                return lines.iter().map(|line| line.as_ref().map_or(Ok(None), |_| Err(error.clone()))).collect();
            }
        };
        let writes: Vec<Write> = lines
            .iter()
            .flatten()
            .map(|line| {
                let found = existing.get(&(line.product, line.unit)).copied();
                let id = line.id.or(found).unwrap_or(line.new_id);
                Write::create(Some(RecordId(id)), self.values(line))
            })
            .collect();
        let results = write_all(context.installation.system(Side::Dataverse), &self.table, &writes).await;
        let mut results = results.into_iter();
        lines
            .iter()
            .map(|line| match line {
                None => Ok(None),
                Some(_) => match results.next() {
                    Some(result) => result.map(|written| Some(written.id.0)),
                    // `write_all` gives one result per write.
                    None => Ok(None),
                },
            })
            .collect()
    }

    /// Lines that somebody made for products whose line is not known yet, by product and unit.
    async fn existing(
        &self,
        context: Context<'_>,
        lines: &[Option<PriceLine>],
    ) -> Result<HashMap<(Uuid, Uuid), Uuid>, SystemError> {
        let unknown = lines.iter().flatten().filter(|line| line.id.is_none() && !line.product_is_new);
        let products: Vec<Value> = unknown.map(|line| Value::Guid(line.product)).collect();
        if products.is_empty() {
            return Ok(HashMap::new());
        }
        let filter = Filter::all(vec![
            Condition::equal("pricelevelid", Value::Guid(self.price_list)),
            Condition::one_of("productid", products),
        ]);
        let columns = ["productid".to_owned(), "uomid".to_owned()];
        let rows = context.installation.system(Side::Dataverse).find(&self.table, &filter, &columns).await?;
        Ok(rows
            .iter()
            .filter_map(|row| Some(((row.get("productid").as_guid()?, row.get("uomid").as_guid()?), row.id.0)))
            .collect())
    }

    fn values(&self, line: &PriceLine) -> Values {
        let mut values: Values = [
            (Arc::from("pricelevelid"), Value::Guid(self.price_list)),
            (Arc::from("productid"), Value::Guid(line.product)),
            (Arc::from("uomid"), Value::Guid(line.unit)),
            (Arc::from("amount"), Value::Decimal(line.amount)),
            (Arc::from("pricingmethodcode"), Value::Int(CURRENCY_AMOUNT)),
            (Arc::from("quantitysellingcode"), Value::Int(NO_CONTROL)),
        ]
        .into();
        if let Some(group) = line.unit_group {
            values.insert(Arc::from("uomscheduleid"), Value::Guid(group));
        }
        values
    }
}
