//! Unique keys that change hands: a record wants a key that another one still holds and is about to give up.
//!
//! Two item numbers that were swapped refuse each other for ever, in whatever order they are written, because product
//! numbers are unique. So a holder that is to get another key gets a made-up one first; then all of them can take theirs.
//! That serves every permutation, within a batch and across batches.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::message::{MESSAGE_FORMAT, SyncOptions};
use couplet_model::outcome::DataFailure;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::{
    Condition, Counters, Coupling, Filter, Outcome, Record, RecordId, RecordMessage, SystemError, Value,
};
use std::time::Duration;

use super::batch::{Batch, Stop};
use super::stages::Decided;

/// What is known of the record that holds a wanted key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    /// Nobody holds it any more.
    Nobody,
    /// A record that nobody coupled.
    Uncoupled(RecordId),
    /// A coupled record whose source is gone.
    Orphan(RecordId),
    /// A coupled record whose source has this very key.
    Rightful(RecordId),
    /// A coupled record whose source has another key by now.
    Leaving(RecordId),
}

/// A key as it is compared.
fn folded(value: &Value) -> String {
    value.to_string().trim().to_lowercase()
}

/// The made-up key of a holder: the same however often it is written, and nobody else's.
fn made_up_key(holder: RecordId) -> Value {
    Value::Text(format!("couplet-{holder}"))
}

impl Batch<'_> {
    /// Ends the records whose unique key was refused because another record has it: those whose holder is to give it up
    /// come again at once, with room made for them; the others fail and name the holder. Gives back those that clash for
    /// another reason.
    pub(super) async fn make_room(
        &mut self,
        clashing: Vec<(Decided, SystemError)>,
    ) -> Result<Vec<(Decided, SystemError)>, Stop> {
        let Some((source_column, column)) = self.mapping.rules.unique_column(self.direction) else {
            return Ok(clashing);
        };
        let mut others = Vec::new();
        let mut wanting: Vec<(Decided, Value, SystemError)> = Vec::new();
        for (record, error) in clashing {
            match wanted(&record, column) {
                Some(value) => wanting.push((record, value, error)),
                None => others.push((record, error)),
            }
        }
        if wanting.is_empty() {
            return Ok(others);
        }
        let holders = self.holders(&wanting, source_column, column).await?;
        let leaving: Vec<&(Record, Option<Coupling>, Holder)> =
            holders.values().filter(|(_, _, holder)| matches!(holder, Holder::Leaving(_))).collect();
        // First the messages: if this process dies after the next write, somebody still gives the holders their keys.
        self.send_for(leaving.iter().filter_map(|(_, coupling, _)| coupling.as_ref())).await?;
        let writes: Vec<Write> = leaving
            .iter()
            .map(|(record, _, _)| {
                let values: Values = [(Arc::from(column), made_up_key(record.id))].into();
                Write::update(record.id, record.version.clone(), values)
            })
            .collect();
        if !writes.is_empty() {
            for result in self.write_all(&writes).await {
                if let Err(error) = result {
                    tracing::debug!(mapping = %self.mapping.name, error = error.for_log(), "a holder kept its key for now");
                }
            }
        }
        let table = self.mapping.table(self.direction.destination()).caption();
        for (record, value, error) in wanting {
            let holder = holders.get(&folded(&value)).map_or(&Holder::Nobody, |(_, _, holder)| holder);
            let problem = match holder {
                Holder::Leaving(_) => {
                    let reason = couplet_model::Said::split(
                        format!("another {table} gives up {value} first"),
                        format!("another {table} gives up the key first"),
                    );
                    self.give_back(record.index, reason, Some(Duration::ZERO));
                    continue;
                }
                // It was given up between the two looks.
                Holder::Nobody if self.delivered[record.index].receive_count <= 1 => {
                    let reason = couplet_model::Said::split(
                        format!("another {table} has just given up {value}"),
                        format!("another {table} has just given up the key"),
                    );
                    self.give_back(record.index, reason, Some(Duration::ZERO));
                    continue;
                }
                Holder::Nobody => {
                    others.push((record, error));
                    continue;
                }
                Holder::Uncoupled(id) => {
                    format!("the {table} {id}, which is not coupled, has it; give that one another")
                }
                Holder::Orphan(id) => {
                    format!(
                        "the {table} {id} has it, whose record was deleted on the other side; delete it, or give it another"
                    )
                }
                Holder::Rightful(id) => format!("the {table} {id} has it and keeps it; give one of the two another"),
            };
            let message = format!("{value} must be unique among all {table}s: {problem} (EE13)");
            self.settle(record.settle(Outcome::Failed(DataFailure::of_field(column, message))));
        }
        Ok(others)
    }

    /// Who holds the wanted keys, by key.
    async fn holders(
        &self,
        wanting: &[(Decided, Value, SystemError)],
        source_column: &str,
        column: &str,
    ) -> Result<HashMap<String, (Record, Option<Coupling>, Holder)>, Stop> {
        let (engine, mapping) = (self.engine, self.mapping);
        let (source, destination) = (self.direction.source(), self.direction.destination());
        let wanted = wanting.iter().map(|(_, value, _)| value.clone()).collect();
        let filter = Filter::all(vec![Condition::one_of(column, wanted)]);
        let records =
            engine.system(destination).find(mapping.table(destination), &filter, &[column.to_owned()]).await?;
        let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
        let mut couplings = engine.store().couplings_by_id(engine.company(), &mapping.name, destination, &ids).await?;
        let sources: Vec<RecordId> = couplings.values().map(|coupling| coupling.id(source)).collect();
        let columns = [source_column.to_owned()];
        let present = engine.system(source).fetch(mapping.table(source), &sources, &columns).await?;
        let keys: HashMap<RecordId, Value> =
            present.into_iter().map(|record| (record.id, record.get(source_column).clone())).collect();
        let mut holders = HashMap::new();
        for record in records {
            let held = folded(record.get(column));
            let coupling = couplings.remove(&record.id);
            let key = coupling.as_ref().map(|coupling| keys.get(&coupling.id(source)));
            let holder = judge(record.id, &held, key);
            holders.insert(held, (record, coupling, holder));
        }
        Ok(holders)
    }

    /// Enqueues the sources of these pairs, unless they are in this batch already.
    async fn send_for(&self, couplings: impl Iterator<Item = &Coupling>) -> Result<(), Stop> {
        let here: Vec<RecordId> = self.delivered.iter().map(|delivered| delivered.message.record).collect();
        let source = self.direction.source();
        let messages: Vec<RecordMessage> = couplings
            .map(|coupling| coupling.id(source))
            .filter(|id| !here.contains(id))
            .map(|record| RecordMessage {
                v: MESSAGE_FORMAT,
                company: self.engine.company(),
                mapping: self.mapping.name.clone(),
                direction: self.direction,
                record,
                job: self.job.clone(),
                run: self.run,
                options: SyncOptions::default(),
                snapshot: None,
                replay: None,
                wish: None,
            })
            .collect();
        if messages.is_empty() {
            return Ok(());
        }
        let (engine, none) = (self.engine, Counters::default());
        let count = messages.len() as u64;
        engine.store().add_to_run(engine.company(), &self.job, self.run, count, none, none).await?;
        Ok(engine.queue.send(messages).await?)
    }
}

/// The unique key a record was to be written with.
fn wanted(record: &Decided, column: &str) -> Option<Value> {
    record.verdict.values()?.get(column).filter(|value| !value.is_null()).cloned()
}

/// Judges a holder by the key its source has: `None` where it has no coupling, `Some(None)` where the source is gone.
fn judge(holder: RecordId, held: &str, source_key: Option<Option<&Value>>) -> Holder {
    match source_key {
        None => Holder::Uncoupled(holder),
        Some(None) => Holder::Orphan(holder),
        Some(Some(key)) if folded(key) == held => Holder::Rightful(holder),
        Some(Some(_)) => Holder::Leaving(holder),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn f15_only_a_holder_whose_source_has_another_key_by_now_makes_room() {
        let id = RecordId(Uuid::from_u128(1));
        let (same, other) = (Value::text("A-1"), Value::text("A-2"));
        for (source, expected) in [
            (None, Holder::Uncoupled(id)),
            (Some(None), Holder::Orphan(id)),
            (Some(Some(&same)), Holder::Rightful(id)),
            (Some(Some(&other)), Holder::Leaving(id)),
        ] {
            assert_eq!(judge(id, "a-1", source), expected);
        }
        assert_eq!(made_up_key(id), made_up_key(id));
        assert_ne!(made_up_key(id), made_up_key(RecordId(Uuid::from_u128(2))));
    }
}
