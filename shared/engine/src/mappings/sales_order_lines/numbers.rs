//! The numbers of lines as their pairs know them, also before Dataverse was told.

use std::collections::HashMap;

use couplet_model::table::Side;
use couplet_model::{MappingName, RecordId};

use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::order_names::LINES;

/// The numbers that the pairs of some lines in Dataverse know; a line that is not coupled has none.
pub(crate) async fn numbers_of_pairs(
    installation: &Installation,
    lines: &[RecordId],
) -> Result<HashMap<RecordId, Option<i64>>, EngineError> {
    if lines.is_empty() {
        return Ok(HashMap::new());
    }
    let table = installation.table(Side::BusinessCentral, "Sales Line")?;
    let (company, name) = (installation.company(), MappingName::from(LINES));
    let coupled = installation.store().couplings_by_id(company, &name, Side::Dataverse, lines).await?;
    let number = |pair: &couplet_model::Coupling| {
        let agreed = table.column("sequence").and_then(|column| pair.base.get(Side::BusinessCentral, column));
        agreed.and_then(|number| number.as_int()).filter(|number| *number != 0)
    };
    Ok(coupled.iter().map(|(line, pair)| (*line, number(pair))).collect())
}
