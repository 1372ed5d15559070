//! Writes in bulk: grouped by kind, one bulk message or batch for each thousand, and a bad record fails alone.

use couplet_model::system::{SystemError, Write, WriteAction};
use couplet_model::table::{Side, Table};
use couplet_odata::writing::{Outcome, all_settled, in_groups};

use crate::body::{body, targets};
use crate::client::DataverseClient;
use crate::prepared::{Prepared, Way, id_of, speaks_of_a_property};
use crate::sending::RowWriter;

impl DataverseClient {
    pub(crate) async fn write_all(&self, table: &Table, writes: &[Write]) -> Vec<Outcome> {
        if writes.is_empty() {
            return Vec::new();
        }
        let everything: Vec<usize> = (0..writes.len()).collect();
        let set = match self.prepare_names(table, writes).await {
            Ok(set) => set,
            Err(error) => return vec![Err(error); writes.len()],
        };
        let mut outcomes: Vec<Option<Outcome>> = vec![None; writes.len()];
        let may_learn = self.learned().may_learn_lookups(&table.name);
        self.write_some(table, &set, writes, &everything, &mut outcomes).await;
        // A lookup bound under a wrong name, perhaps: read the names once, and write again what failed for them.
        let misnamed: Vec<usize> = everything
            .into_iter()
            .filter(|place| matches!(&outcomes[*place], Some(Err(error)) if speaks_of_a_property(error)))
            .collect();
        if may_learn && !misnamed.is_empty() {
            if let Err(error) = self.learn_lookups(table).await {
                tracing::debug!(table = table.name, error = error.for_log(), "the names of the lookups cannot be read");
            }
            self.write_some(table, &set, writes, &misnamed, &mut outcomes).await;
        }
        let mut outcomes = all_settled(Side::Dataverse, outcomes);
        self.confirm_clearings(table, &set, writes, &mut outcomes).await;
        outcomes
    }

    /// Learns the entity sets that the writes need, and gives the table's own.
    async fn prepare_names(&self, table: &Table, writes: &[Write]) -> Result<String, SystemError> {
        let set = self.entity_set(table).await?;
        let mut wanted: Vec<String> = Vec::new();
        for write in writes {
            for target in targets(table, &write.values) {
                if !wanted.contains(&target) {
                    wanted.push(target);
                }
            }
        }
        self.learn_entity_sets(&wanted).await?;
        Ok(set)
    }

    async fn write_some(
        &self,
        table: &Table,
        set: &str,
        writes: &[Write],
        places: &[usize],
        outcomes: &mut [Option<Outcome>],
    ) {
        let mut prepared: Vec<Prepared<'_>> = Vec::with_capacity(places.len());
        for &place in places {
            let write = &writes[place];
            let expected = match &write.action {
                WriteAction::Update { expected, .. } => expected.as_ref(),
                _ => None,
            };
            match body(table, &write.values, &self.learned()) {
                Ok(body) => prepared.push(Prepared {
                    place,
                    way: Way::of(&write.action, table),
                    id: id_of(&write.action),
                    expected,
                    body,
                }),
                Err(error) => outcomes[place] = Some(Err(error)),
            }
        }
        // Stable: within one way the caller's order holds.
        prepared.sort_by_key(|item| item.way);
        let items: Vec<&Prepared<'_>> = prepared.iter().collect();
        in_groups(&RowWriter { client: self, table, set }, &items, outcomes).await;
    }
}
