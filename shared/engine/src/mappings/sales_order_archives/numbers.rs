//! The numbers by which lines of orders in Dataverse are those of an archive. A line that a seller made bears its number only when
//! Business Central has told of it, which is too late for an order that is posted at once; its pair knows the number from the
//! beginning.

use std::collections::HashSet;

use couplet_model::{Condition, Filter, Record, RecordId, Value};
use uuid::Uuid;

use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::order_names::LINE_NUMBER;
use crate::mappings::sales_order_lines::numbers_of_pairs;

/// The lines of orders in Dataverse.
pub(super) struct NumberedLines {
    /// Order, number and line.
    pub numbered: Vec<(Uuid, i64, RecordId)>,
    /// Orders with coupled lines of which nobody knows the number.
    pub unnumbered: HashSet<Uuid>,
}

impl NumberedLines {
    /// The lines of some orders: one read, and none more for those that bear no number.
    pub async fn of(installation: &Installation, orders: impl Iterator<Item = Uuid>) -> Result<Self, EngineError> {
        let of_order = |id: Uuid| Value::Reference { table: "salesorder".into(), id };
        let orders: Vec<Value> = orders.map(of_order).collect();
        let mut lines = Self { numbered: Vec::new(), unnumbered: HashSet::new() };
        if orders.is_empty() {
            return Ok(lines);
        }
        let filter = Filter::all(vec![Condition::one_of("salesorderid", orders)]);
        let rows = installation.find_rows("salesorderdetail", &filter, &["salesorderid", LINE_NUMBER]).await?;
        let borne = |row: &Record| row.get(LINE_NUMBER).as_int().filter(|number| *number != 0);
        let bare: Vec<RecordId> = rows.iter().filter(|row| borne(row).is_none()).map(|row| row.id).collect();
        let known = numbers_of_pairs(installation, &bare).await?;
        for row in &rows {
            let Some(order) = row.get("salesorderid").as_guid() else { continue };
            match borne(row).or(known.get(&row.id).copied().flatten()) {
                Some(number) => lines.numbered.push((order, number, row.id)),
                None if known.contains_key(&row.id) => _ = lines.unnumbered.insert(order),
                None => {}
            }
        }
        Ok(lines)
    }
}
