//! What an order in Dataverse is told of the one that was made of it: number, occurrence and company (S100).

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, Value};

use super::from_dataverse::{Failed, Prepared};
use crate::bulk::write_all;
use crate::mappings::order_names::{OCCURRENCE, ORDER_NUMBER};
use crate::mappings::order_standing::Standing;
use crate::mappings::rules::{AfterWrite, Context};

impl Prepared {
    /// Writes the number of the order, its occurrence and the company into the order in Dataverse, where it lacks them. That is
    /// opened for it; an attempt that stops in between finds it pending and goes on.
    pub(super) async fn write_back(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        now: &HashMap<RecordId, Record>,
        failed: &mut Failed,
    ) {
        let lacking = records.iter().filter(|record| !failed.contains_key(&record.source.id)).filter_map(|record| {
            let values = self.lacking(record.source, now.get(&record.source.id)?);
            let is_pending = Standing::of(record.source) == Some(Standing::Pending);
            (!values.is_empty() || is_pending).then_some((record.source, values))
        });
        let lacking: Vec<(&Record, Values)> = lacking.collect();
        let system = context.installation.system(Side::Dataverse);
        let step = async |writes: Vec<(RecordId, Write)>, failed: &mut Failed| {
            let (of, writes): (Vec<RecordId>, Vec<Write>) =
                writes.into_iter().filter(|(order, _)| !failed.contains_key(order)).unzip();
            // `write_all` gives one result per write.
            let results = of.into_iter().zip(write_all(system, &self.dataverse, &writes).await);
            let errors: Vec<_> = results.filter_map(|(order, result)| Some((order, result.err()?))).collect();
            failed.extend(errors);
        };
        let closed =
            lacking.iter().filter(|(order, _)| Standing::of(order).is_some_and(|standing| !standing.is_open()));
        step(
            closed.map(|(order, _)| (order.id, Standing::Pending.write(order.id, order.version.clone()))).collect(),
            failed,
        )
        .await;
        let values = lacking.iter().filter(|(_, values)| !values.is_empty());
        step(values.map(|(order, values)| (order.id, Write::update(order.id, None, values.clone()))).collect(), failed)
            .await;
        step(lacking.iter().map(|(order, _)| (order.id, Standing::Submitted.write(order.id, None))).collect(), failed)
            .await;
    }

    /// What an order in Dataverse lacks of what names its order in Business Central.
    fn lacking(&self, order: &Record, there: &Record) -> Values {
        let company = self.company.map_or(Value::Null, |row| Value::Guid(row.id.0));
        let wanted = [
            (ORDER_NUMBER, there.get("number").clone()),
            (OCCURRENCE, there.get("documentOccurrence").clone()),
            ("bcbi_companyid", company),
        ];
        let is_lacking = |(column, value): &(&str, Value)| {
            let held = order.get(column);
            !value.is_null() && held != value && held.as_guid().is_none_or(|id| value.as_guid() != Some(id))
        };
        wanted.into_iter().filter(is_lacking).map(|(column, value)| (Arc::from(column), value)).collect()
    }
}
