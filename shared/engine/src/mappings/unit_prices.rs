//! Lines of the default price list where products have several units: one for each unit of the product's unit group, at the
//! product's price times the quantity of the unit (S211).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use couplet_model::catalogue::usual_form;
use couplet_model::facts::ColumnFact;
use couplet_model::ids::derived_id;
use couplet_model::shape::shape;
use couplet_model::system::SystemError;
use couplet_model::table::{FieldType, Side};
use couplet_model::{Condition, Filter, MappingName, RecordId, Table, Value};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::price_lines::{PRICE_LINE, PriceLine, PriceLines};
use super::rules::Context;
use super::unit_owners::UNIT_GROUPS;
use crate::error::EngineError;
use crate::installation::Installation;

/// A unit that a product is sold in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PricedUnit {
    pub id: Uuid,
    pub group: Uuid,
    /// How many of the base unit it is.
    pub quantity: Decimal,
}

/// Writer of the lines of products by unit.
pub(crate) struct UnitPrices {
    lines: PriceLines,
    units: Arc<Table>,
    /// The form in which prices are kept.
    form: ColumnFact,
}

impl UnitPrices {
    /// Reads what the lines need: the list they stand in, and how many decimals a price has.
    pub async fn read(installation: &Installation) -> Result<Self, EngineError> {
        let products = installation.table(Side::Dataverse, "product")?;
        let facts = installation.table_facts(&products).await?;
        Ok(Self {
            lines: PriceLines::new(installation, installation.default_price_list().await?)?,
            units: installation.table(Side::Dataverse, "uom")?,
            form: facts.column("price").or(usual_form("product", "price")),
        })
    }

    /// The units of unit groups, by group.
    pub async fn units_of(
        &self,
        context: Context<'_>,
        groups: HashSet<Uuid>,
    ) -> Result<HashMap<Uuid, Vec<PricedUnit>>, SystemError> {
        let mut by_group: HashMap<Uuid, Vec<PricedUnit>> = HashMap::new();
        if groups.is_empty() {
            return Ok(by_group);
        }
        let filter =
            Filter::all(vec![Condition::one_of("uomscheduleid", groups.into_iter().map(Value::Guid).collect())]);
        let columns = ["uomscheduleid".to_owned(), "quantity".to_owned()];
        for unit in context.installation.system(Side::Dataverse).find(&self.units, &filter, &columns).await? {
            let (group, quantity) = (unit.get("uomscheduleid").as_guid(), unit.get("quantity").as_decimal());
            if let (Some(group), Some(quantity)) = (group, quantity) {
                by_group.entry(group).or_default().push(PricedUnit { id: unit.id.0, group, quantity });
            }
        }
        Ok(by_group)
    }

    /// The line of a product in one of its units. Whoever writes it first gives it the same id.
    pub fn line(
        &self,
        context: Context<'_>,
        product: Uuid,
        product_is_new: bool,
        unit: PricedUnit,
        price: Decimal,
    ) -> PriceLine {
        let amount = Value::Decimal(price.saturating_mul(unit.quantity));
        let amount = shape(amount, &FieldType::Money, self.form).value.as_decimal().unwrap_or_default();
        let namespace = MappingName::from(UNIT_GROUPS);
        PriceLine {
            id: None,
            new_id: derived_id(context.installation.company(), &namespace, PRICE_LINE, RecordId(unit.id)).0,
            product,
            product_is_new,
            unit: unit.id,
            unit_group: Some(unit.group),
            amount,
        }
    }

    /// Writes lines, each with the place of the record it belongs to; the unit of the line and its id, or what went wrong.
    pub async fn write(
        &self,
        context: Context<'_>,
        lines: Vec<(usize, PriceLine)>,
    ) -> Vec<(usize, Result<(Uuid, Uuid), SystemError>)> {
        let (places, lines): (Vec<usize>, Vec<Option<PriceLine>>) =
            lines.into_iter().map(|(place, line)| (place, Some(line))).unzip();
        let written = self.lines.write(context, &lines).await;
        let units = lines.iter().flatten().map(|line| line.unit);
        // One result per line.
        let written = places.into_iter().zip(units).zip(written);
        written.filter_map(|((place, unit), result)| Some((place, result.transpose()?.map(|id| (unit, id))))).collect()
    }
}
