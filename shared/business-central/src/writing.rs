//! Writes in bulk: each is prepared for the API that takes it, with the version that holds there.

use std::collections::HashMap;

use couplet_model::ids::RecordId;
use couplet_model::record::{Record, Version};
use couplet_model::system::{SystemError, SystemErrorKind, Write, WriteAction};
use couplet_model::table::{Side, Table};
use couplet_odata::Repeat;
use couplet_odata::writing::{Outcome, all_settled, in_groups};
use serde_json::{Map, json};

use crate::client::BusinessCentralClient;
use crate::prepared::{Prepared, Step, failure, number_column};
use crate::route::Route;
use crate::sending::EntityWriter;
use crate::values::{Purpose, body};

impl BusinessCentralClient {
    pub(crate) async fn write_all(&self, table: &Table, writes: &[Write]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; writes.len()];
        let mut prepared = Vec::with_capacity(writes.len());
        for (place, write) in writes.iter().enumerate() {
            match self.prepare(table, place, write) {
                Ok(item) => prepared.push(item),
                Err(error) => outcomes[place] = Some(Err(error)),
            }
        }
        let mut prepared = self.change_routes(table, writes, prepared, &mut outcomes).await;
        // Stable: within one API and one kind of repetition the caller's order holds.
        prepared.sort_by_key(|item| (item.route, item.repeat() == Repeat::OnlyIfUnprocessed));
        in_groups(&EntityWriter { client: self, table }, &prepared, &mut outcomes).await;
        all_settled(Side::BusinessCentral, outcomes)
    }

    fn prepare(&self, table: &Table, place: usize, write: &Write) -> Result<Prepared, SystemError> {
        let columns: Vec<&str> = write.values.keys().map(|name| &**name).collect();
        let needed = match &write.action {
            // Only pages of the companion app take an id.
            WriteAction::Create { id: Some(_) } => Route::for_ids(table, &columns, self.companion)?,
            _ => Route::choose(table, &columns, self.companion)?,
        };
        let (step, id, etag) = match &write.action {
            WriteAction::Create { id } => (Step::Create, *id, None),
            WriteAction::Update { id, expected } => {
                (Step::Update, Some(*id), expected.as_ref().map(|version| Route::of_version(version).1.to_owned()))
            }
            WriteAction::Delete { id } => (Step::Delete, Some(*id), None),
        };
        let purpose = if step == Step::Create { Purpose::Create } else { Purpose::Update };
        let mut sent = body(table, &write.values, purpose)?;
        let adopting = if step == Step::Create && id.is_some() {
            let update = body(table, &write.values, Purpose::Update)?;
            // The number of the earlier attempt stays: the series may have given it.
            let kept = |name: &String| sent.contains_key(name) && number_column(table) != Some(name);
            update.into_iter().filter(|(name, _)| kept(name)).collect()
        } else {
            Map::new()
        };
        if step == Step::Create && self.is_numbered_by_series(table) {
            number_column(table).map(|name| sent.remove(name));
        }
        if let (Step::Create, Some(id)) = (step, id) {
            sent.insert(table.id_column.clone(), json!(id.to_string()));
        }
        // A version holds on the API it was read through, so that one is kept where it shows the columns.
        let route = match &write.action {
            WriteAction::Update { expected: Some(version), .. }
                if self.shows(table, Route::of_version(version).0, write) =>
            {
                Route::of_version(version).0
            }
            _ => needed,
        };
        Ok(Prepared { place, route, step, id, etag, body: sent, adopting })
    }

    fn is_numbered_by_series(&self, table: &Table) -> bool {
        self.numbered_by_series.lock().contains(&table.name)
    }

    pub(crate) fn note_numbered_by_series(&self, table: &Table) {
        self.numbered_by_series.lock().insert(table.name.clone());
    }

    fn shows(&self, table: &Table, route: Route, write: &Write) -> bool {
        let mut columns = write.values.keys().filter_map(|name| table.column(name));
        match route {
            Route::Standard => table.entity_set.is_some() && columns.all(|column| column.standard),
            Route::Companion => {
                self.companion && table.companion_entity_set.is_some() && columns.all(|column| column.companion)
            }
        }
    }

    /// Gives guarded updates that must take another API than the one they were read through the version of that
    /// API: read there first, then compared on the old one. What is unchanged there was not changed here either.
    async fn change_routes(
        &self,
        table: &Table,
        writes: &[Write],
        mut prepared: Vec<Prepared>,
        outcomes: &mut [Option<Outcome>],
    ) -> Vec<Prepared> {
        let expected = |item: &Prepared| -> Option<Version> {
            match &writes[item.place].action {
                WriteAction::Update { expected, .. } => expected.clone(),
                _ => None,
            }
        };
        let moved = |item: &Prepared| expected(item).is_some_and(|version| Route::of_version(&version).0 != item.route);
        let ids: Vec<RecordId> = prepared.iter().filter(|item| moved(item)).filter_map(|item| item.id).collect();
        let Some(route) = prepared.iter().find(|item| moved(item)).map(|item| item.route) else {
            return prepared;
        };
        let other = if route == Route::Standard { Route::Companion } else { Route::Standard };
        let read = async {
            let new = versions(self.read_versions(table, route, &ids).await?);
            let old = versions(self.read_versions(table, other, &ids).await?);
            Ok::<_, SystemError>(BothVersions { new, old })
        };
        let read = read.await;
        prepared.retain_mut(|item| {
            let Some(expected) = expected(item).filter(|_| moved(item)) else { return true };
            match read.as_ref().map_err(SystemError::clone).and_then(|read| version_there(read, item.id, &expected)) {
                Ok(version) => {
                    item.etag = Some(Route::of_version(&version).1.to_owned());
                    true
                }
                Err(error) => {
                    outcomes[item.place] = Some(Err(error));
                    false
                }
            }
        });
        prepared
    }
}

/// The versions of records as two APIs show them.
struct BothVersions {
    new: HashMap<RecordId, Version>,
    old: HashMap<RecordId, Version>,
}

/// The version of a record on the API it is to be written through, if it is unchanged on the one it was read through.
fn version_there(read: &BothVersions, id: Option<RecordId>, expected: &Version) -> Result<Version, SystemError> {
    let of = |versions: &HashMap<RecordId, Version>| id.and_then(|id| versions.get(&id).cloned());
    match (of(&read.new), of(&read.old)) {
        (Some(new), Some(old)) if old == *expected => Ok(new),
        (None, _) | (_, None) => Err(failure(SystemErrorKind::NotFound, "the record is gone")),
        _ => Err(failure(SystemErrorKind::VersionConflict, "the record was changed since it was read")),
    }
}

fn versions(records: Vec<Record>) -> HashMap<RecordId, Version> {
    records.into_iter().filter_map(|record| Some((record.id, record.version?))).collect()
}
