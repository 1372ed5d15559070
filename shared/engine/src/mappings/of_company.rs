//! Rows of Dataverse that belong to the company: its id, and its team as the owner of new ones (R257, R258, S263).

use std::sync::Arc;

use couplet_model::decision::TransferredField;
use couplet_model::outcome::DataFailure;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Table, Value};

use super::rules::{AfterWrite, Context, set, set_on_create};
use crate::bulk::write_all;
use crate::facts::CompanyRow;

/// Column of the company's id.
const COMPANY: &str = "bcbi_companyid";

/// Gives a row its company, and a new one without a salesperson the company's team as owner; later the owner is left alone.
pub(crate) fn own(
    fields: &mut Vec<TransferredField>,
    table: &Table,
    company: Option<CompanyRow>,
    creating: bool,
) -> Result<(), DataFailure> {
    let Some(company) = company else { return Ok(()) };
    set(fields, table, COMPANY, Value::Guid(company.id.0))?;
    let has_owner = fields.iter().any(|field| field.destination.name == "ownerid");
    if creating
        && !has_owner
        && let Some(team) = company.owning_team
    {
        let owner = Value::Reference { table: Arc::from("team"), id: team };
        set_on_create(fields, table, "ownerid", owner)?;
    }
    Ok(())
}

/// Rows from which records were created belong to the company from now on.
pub(crate) async fn claim(
    context: Context<'_>,
    table: &Table,
    company: Option<CompanyRow>,
    records: &mut [AfterWrite<'_>],
) {
    let Some(company) = company.map(|company| company.id.0) else { return };
    let mut claimed: Vec<&mut AfterWrite<'_>> = records
        .iter_mut()
        .filter(|record| record.created && record.source.get(COMPANY).as_guid() != Some(company))
        .collect();
    let writes: Vec<Write> = claimed
        .iter()
        .map(|record| {
            let values: Values = [(Arc::from(COMPANY), Value::Guid(company))].into();
            Write::update(record.source.id, None, values)
        })
        .collect();
    let results = write_all(context.installation.system(Side::Dataverse), table, &writes).await;
    // `write_all` gives one result per write.
    for (record, result) in claimed.iter_mut().zip(results) {
        if let Err(error) = result {
            record.beside = Err(error);
        }
    }
}
