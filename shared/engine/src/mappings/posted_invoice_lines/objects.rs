//! What lines of invoices sell: the products of items and resources, and the units of these.

use std::collections::{BTreeSet, HashMap, HashSet};

use couplet_model::comparing::folded;
use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::table::Side;
use couplet_model::{Condition, Filter, MappingName, Record, RecordId, Value};
use uuid::Uuid;

use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::rules::{Obstacle, is_usable};

/// The mappings of items and resources, by the type of a line.
const MAPPINGS: [(&str, &str); 2] = [("Item", "ITEM-PRODUCT"), ("Resource", "RESOURCE-PRODUCT")];

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
pub(crate) struct Units {
    /// Default unit and unit group of each product.
    products: HashMap<Uuid, (Option<Uuid>, Option<Uuid>)>,
    /// With unit groups, the units of a group by their folded names.
    by_name: Option<HashMap<(Uuid, String), Uuid>>,
}

impl Units {
    /// The units of the products of some items and resources.
    pub async fn of(installation: &Installation, objects: &Objects) -> Result<Self, EngineError> {
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
    pub fn of_line(&self, product: Uuid, line: &Record) -> Result<Option<Uuid>, DataFailure> {
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
