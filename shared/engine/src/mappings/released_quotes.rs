//! Quotes of Business Central that are released, and what is done to quotes beside writing them.

use couplet_model::record::Values;
use couplet_model::system::Action;
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, SystemError, Table, Value};

use crate::bulk::act_all;
use crate::installation::Installation;

/// The column that says whether a quote of Business Central is released.
pub(super) const STATUS: &str = "documentStatus";

/// Whether a quote of Business Central is released, and so takes no change.
pub(super) fn is_released(quote: &Record) -> bool {
    quote.get(STATUS) == &Value::text("Released")
}

/// Performs an action on quotes of Business Central, one result per quote.
pub(super) async fn act(
    installation: &Installation,
    table: &Table,
    name: &str,
    quotes: &[RecordId],
) -> Vec<Result<(), SystemError>> {
    let action = |record: &RecordId| Action { record: *record, name: name.to_owned(), parameters: Values::new() };
    let actions: Vec<Action> = quotes.iter().map(action).collect();
    act_all(installation.system(Side::BusinessCentral), table, &actions).await
}
