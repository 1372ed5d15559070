//! Records of other mappings whose partners hold something about a pair that a person has ended (S31).

use couplet_model::message::{Direction, MESSAGE_FORMAT, SyncOptions};
use couplet_model::table::Side;
use couplet_model::{Counters, MappingName, RecordId, RecordMessage};

use super::batch::{Batch, Stop};

impl Batch<'_> {
    /// Has other mappings look at their records of the same ids, as far as these are coupled: without the pair that has ended their
    /// rules may let them leave. It may be repeated, and costs one read of the store for each such mapping.
    pub(super) async fn look_at_what_hangs_on(&self, records: &[RecordId]) -> Result<(), Stop> {
        let engine = self.engine;
        let hanging = self.mapping.rules.hang_on_pairs().iter().map(|name| MappingName::from(*name));
        for name in hanging.filter(|_| !records.is_empty()) {
            // A mapping that does not run here holds nothing.
            if engine.mapping(&name).is_err() {
                continue;
            }
            let side = Side::BusinessCentral;
            let coupled = engine.store().couplings_by_id(engine.company(), &name, side, records).await?;
            let message = |record: &RecordId| RecordMessage {
                v: MESSAGE_FORMAT,
                company: engine.company(),
                mapping: name.clone(),
                direction: Direction::ToDataverse,
                record: *record,
                job: self.job.clone(),
                run: self.run,
                options: SyncOptions::default(),
                snapshot: None,
                replay: None,
                wish: None,
            };
            let messages: Vec<RecordMessage> =
                records.iter().filter(|record| coupled.contains_key(*record)).map(message).collect();
            if messages.is_empty() {
                continue;
            }
            let (count, none) = (messages.len() as u64, Counters::default());
            engine.store().add_to_run(engine.company(), &self.job, self.run, count, none, none).await?;
            engine.queue.send(messages).await?;
        }
        Ok(())
    }
}
