//! Rows that are locked and leave the company (R207): they are opened, taken off it, and closed again. That a row is opened is
//! noted in its pair first, so that whoever comes after a crash closes it, and closes none that a person has open. What is over
//! keeps the company's id, and its pair ends all the same.

use std::collections::HashMap;

use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{Coupling, Record, RecordId};
use couplet_store::Claim;

use super::{Kept, gives_company, kept_by};
use crate::bulk::{paired, write_all};
use crate::failpoints::Failpoint;
use crate::mappings::rules::{Lock, opened};
use crate::sync::batch::{Batch, Stop};
use crate::sync::stages::{Received, by_id};

const SIDE: Side = Side::Dataverse;

impl Batch<'_> {
    /// Takes the rows of some pairs off the company, whatever locks them. Gives the pairs that may end once that is known, and by
    /// row what kept others from it. It may be repeated.
    pub(in crate::sync) async fn leave_company_of_pairs(
        &mut self,
        records: Vec<Received>,
    ) -> Result<(Vec<Received>, HashMap<RecordId, Kept>), Stop> {
        let table = self.mapping.table(SIDE);
        let Some(column) = table.company_column.clone() else { return Ok((records, HashMap::new())) };
        let rows: Vec<RecordId> =
            records.iter().filter_map(|record| Some(record.coupling.as_ref()?.id(SIDE))).collect();
        let locks = self.mapping.rules.locks().filter(|_| gives_company(self.mapping));
        let more = locks.map_or(&[][..], |locks| locks.columns());
        let columns: Vec<String> =
            std::iter::once(column.clone()).chain(more.iter().map(|name| (*name).to_owned())).collect();
        let mut found = by_id(self.engine.system(SIDE).fetch(table, &rows, &columns).await?);
        let Some(locks) = locks else {
            let kept = self.leave_company(found.values()).await?;
            return Ok((records, kept));
        };
        found.retain(|_, row| locks.lock(row) != Lock::Over);
        let company = self.engine.installation.filter_context().await?.company;
        let is_ours =
            |row: &Record| company.is_some() && row.get(&column).as_guid() == company.map(|company| company.0);
        let closed: Vec<Record> =
            found.values().filter(|row| locks.lock(row) == Lock::Closed && is_ours(row)).cloned().collect();
        let (records, closed) = self.note_that_they_are_opened(records, by_id(closed)).await?;
        self.pass(Failpoint::Claimed)?;
        let mut kept = self.write_rows(closed.values().map(|row| (row.id, locks.opening(row))).collect()).await?;
        // What was not opened would refuse the change, and is not closed; nor is a row whose pair another worker has changed.
        found.retain(|id, row| {
            !kept.contains_key(id) && (locks.lock(row) != Lock::Closed || !is_ours(row) || closed.contains_key(id))
        });
        let left = self.leave_company(found.values()).await?;
        self.pass(Failpoint::Written)?;
        let is_opened = |coupling: &Coupling| coupling.related.get(opened(SIDE)) == Some(&coupling.id(SIDE).0);
        let pairs: HashMap<RecordId, &Coupling> = records
            .iter()
            .filter_map(|record| record.coupling.as_ref())
            .filter(|coupling| is_opened(coupling))
            .map(|coupling| (coupling.id(SIDE), coupling))
            .collect();
        let closing = found.values().filter_map(|row| {
            let pair = pairs.get(&row.id)?;
            let is_open = closed.contains_key(&row.id) || locks.lock(row) == Lock::Open;
            is_open.then(|| (row.id, locks.closing(row, pair, table)))
        });
        let stay_open = self.write_rows(closing.collect()).await?;
        kept.extend(left);
        kept.extend(stay_open);
        let records = self.forget_that_they_were_opened(records, &kept).await?;
        Ok((records, kept))
    }

    /// Notes in the pairs of closed rows that these are about to be opened. Gives the records without those whose pair another
    /// worker has changed, which come again, and the rows that may be opened.
    async fn note_that_they_are_opened(
        &mut self,
        records: Vec<Received>,
        mut closed: HashMap<RecordId, Record>,
    ) -> Result<(Vec<Received>, HashMap<RecordId, Record>), Stop> {
        let is_closed = |record: &Received| {
            record.coupling.as_ref().is_some_and(|coupling| closed.contains_key(&coupling.id(SIDE)))
        };
        let (opening, mut others): (Vec<Received>, Vec<Received>) = records.into_iter().partition(is_closed);
        if opening.is_empty() {
            return Ok((others, closed));
        }
        let noted: Vec<Coupling> = opening
            .iter()
            .filter_map(|record| record.coupling.clone())
            .map(|mut coupling| {
                coupling.related.insert(opened(SIDE).to_owned(), coupling.id(SIDE).0);
                coupling
            })
            .collect();
        let results = self.engine.store().claim(self.engine.company(), &self.mapping.name, &noted).await?;
        for (record, result) in paired("notes on rows that are opened", opening, results)? {
            match result {
                Claim::Claimed(coupling) => others.push(Received { coupling: Some(coupling), ..record }),
                Claim::Stale => {
                    if let Some(coupling) = &record.coupling {
                        closed.remove(&coupling.id(SIDE));
                    }
                    self.give_back(record.index, "another worker changed this pair meanwhile", None);
                }
            }
        }
        Ok((others, closed))
    }

    /// Takes back the notes of pairs that stay although their rows are closed again: a row that a person opens later is no row that
    /// we have opened.
    async fn forget_that_they_were_opened(
        &mut self,
        records: Vec<Received>,
        kept: &HashMap<RecordId, Kept>,
    ) -> Result<Vec<Received>, Stop> {
        let mut left = Vec::with_capacity(records.len());
        for mut record in records {
            let refused = record.coupling.as_ref().filter(|coupling| {
                matches!(kept.get(&coupling.id(SIDE)), Some(Kept::Refused))
                    && coupling.related.contains_key(opened(SIDE))
            });
            if let Some(coupling) = refused {
                let mut free = Coupling { claimed_until: None, ..coupling.clone() };
                free.related.remove(opened(SIDE));
                let (engine, mapping) = (self.engine, &self.mapping.name);
                record.coupling = engine.store().replace_coupling(engine.company(), mapping, coupling, free).await?;
                if record.coupling.is_none() {
                    self.give_back(record.index, "another worker changed this pair meanwhile", None);
                    continue;
                }
            }
            left.push(record);
        }
        Ok(left)
    }

    /// Writes rows in bulk; gives, by row, what kept one from being written. A row that is gone needs nothing.
    async fn write_rows(&self, writes: Vec<(RecordId, Write)>) -> Result<HashMap<RecordId, Kept>, Stop> {
        if writes.is_empty() {
            return Ok(HashMap::new());
        }
        let (rows, writes): (Vec<RecordId>, Vec<Write>) = writes.into_iter().unzip();
        let results = write_all(self.engine.system(SIDE), self.mapping.table(SIDE), &writes).await;
        let failed = paired("rows that are opened or closed", rows, results)?.into_iter();
        Ok(failed.filter_map(|(row, result)| Some((row, kept_by(result.err()?)?))).collect())
    }
}
