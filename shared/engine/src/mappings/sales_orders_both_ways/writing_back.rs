//! What an order in Dataverse is told of the one that was made of it: number, occurrence and company (S100), and the numbers of its
//! lines.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Record, RecordId, Table, Value};

use super::from_dataverse::{Failed, Prepared};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::mappings::order_names::{LINE_NUMBER, OCCURRENCE, ORDER_NUMBER};
use crate::mappings::order_standing::{Reason, Standing, as_system_error};
use crate::mappings::rules::{AfterWrite, Context};
use crate::mappings::sales_order_lines::numbers_of_pairs;

impl Prepared {
    /// Writes the number of the order, its occurrence and the company into the order in Dataverse, where it lacks them, and the
    /// numbers of lines into these. The order is opened for it; an attempt that stops in between finds it pending and goes on.
    pub(super) async fn write_back(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
        now: &HashMap<RecordId, Record>,
        failed: &mut Failed,
    ) {
        let lines = match self.numbers(context, records).await {
            Ok(lines) => lines,
            Err(error) => {
                let error = as_system_error(&error, Side::Dataverse);
                failed.extend(records.iter().map(|record| (record.source.id, error.clone())));
                return;
            }
        };
        let lacking = records.iter().filter(|record| !failed.contains_key(&record.source.id)).filter_map(|record| {
            let source = record.source;
            let values = self.lacking(source, now.get(&source.id)?);
            let is_pending = Standing::of(source) == Some(Standing::Pending);
            (!values.is_empty() || is_pending || lines.contains_key(&source.id)).then_some((source, values))
        });
        let lacking: Vec<(&Record, Values)> = lacking.collect();
        if lacking.is_empty() {
            return;
        }
        let details = match context.installation.table(Side::Dataverse, "salesorderdetail") {
            Ok(table) => table,
            Err(error) => {
                let error = as_system_error(&error, Side::Dataverse);
                failed.extend(lacking.iter().map(|(order, _)| (order.id, error.clone())));
                return;
            }
        };
        let system = context.installation.system(Side::Dataverse);
        let step = async |table: &Table, writes: Vec<(RecordId, Write)>, failed: &mut Failed| {
            let (of, writes): (Vec<RecordId>, Vec<Write>) =
                writes.into_iter().filter(|(order, _)| !failed.contains_key(order)).unzip();
            // `write_all` gives one result per write.
            let results = of.into_iter().zip(write_all(system, table, &writes).await);
            let errors: Vec<_> = results.filter_map(|(order, result)| Some((order, result.err()?))).collect();
            failed.extend(errors);
        };
        let closed =
            lacking.iter().filter(|(order, _)| Standing::of(order).is_some_and(|standing| !standing.is_open()));
        let opening =
            closed.map(|(order, _)| (order.id, Standing::Pending.write(order.id, order.version.clone(), None)));
        step(&self.dataverse, opening.collect(), failed).await;
        let of_lines = lacking.iter().flat_map(|(order, _)| {
            let lines = lines.get(&order.id).into_iter().flatten();
            lines.map(|(line, values)| (order.id, Write::update(*line, None, values.clone())))
        });
        step(&details, of_lines.collect(), failed).await;
        let values = lacking.iter().filter(|(_, values)| !values.is_empty());
        let values = values.map(|(order, values)| (order.id, Write::update(order.id, None, values.clone())));
        step(&self.dataverse, values.collect(), failed).await;
        let reason = |record: &&mut AfterWrite<'_>| {
            let reason = Reason::of(record.source, Some(&record.coupling.base), &self.dataverse)?;
            Some((record.source.id, reason))
        };
        let reasons: HashMap<RecordId, Reason> = records.iter().filter_map(reason).collect();
        let submitting = lacking
            .iter()
            .map(|(order, _)| (order.id, Standing::Submitted.write(order.id, None, reasons.get(&order.id).copied())));
        step(&self.dataverse, submitting.collect(), failed).await;
    }

    /// The numbers of lines in Business Central that the lines of orders lack, by the orders: should an order be posted before
    /// the next run tells of them, its archive finds its lines by these (S131).
    async fn numbers(
        &self,
        context: Context<'_>,
        records: &[&mut AfterWrite<'_>],
    ) -> Result<HashMap<RecordId, Vec<(RecordId, Values)>>, EngineError> {
        let of_orders = records.iter().filter_map(|record| self.unnumbered.get(&record.source.id));
        let lines: Vec<RecordId> = of_orders.flatten().copied().collect();
        let numbers = numbers_of_pairs(context.installation, &lines).await?;
        let of = |line: &RecordId| {
            let number = (*numbers.get(line)?)?;
            Some((*line, Values::from([(Arc::from(LINE_NUMBER), Value::Int(number))])))
        };
        let of_orders = self.unnumbered.iter().map(|(order, lines)| (*order, lines.iter().filter_map(of).collect()));
        Ok(of_orders.filter(|(_, lines): &(_, Vec<_>)| !lines.is_empty()).collect())
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
