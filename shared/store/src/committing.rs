//! The end of a record: its coupling, its failure, its wait and its count, stored together or not at all.

use couplet_model::{CompanyId, MappingName, RunId};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::Store;
use crate::commit::{Commit, CommitResult};
use crate::commit_plan::{Next, Role, Scope, Stored, judge};
use crate::error::StoreError;
use crate::requests::CONCURRENT;
use crate::runs::Progress;
use crate::transaction::{ACTIONS, Group, Verdict, pack};

impl Store {
    /// Stores what became of a batch of records of one run, packed into as few transactions as possible. Each
    /// transaction also adds to the run's counters. One result per commit, in order; of two commits of one coupling in
    /// a batch the second is stale.
    ///
    /// Who stored a wait looks once more afterwards whether the needed coupling has appeared meanwhile.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] before anything is stored. Otherwise when the store cannot be written; then some may
    /// have been stored and counted, and come out stale when committed again.
    pub async fn commit(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        job: &str,
        run: RunId,
        commits: Vec<Commit>,
    ) -> Result<Vec<CommitResult>, StoreError> {
        let scope = Scope { company, mapping };
        let mut stored = vec![Stored::default(); commits.len()];
        let mut groups = Vec::with_capacity(commits.len());
        for (id, commit) in commits.iter().enumerate() {
            groups.push(self.commit_group(scope, id, commit, &stored[id])?);
        }
        self.mark_needed(company, commits.iter().filter_map(|commit| Some(&commit.wait.as_ref()?.dependency))).await?;

        let mut results = vec![CommitResult::Stale; commits.len()];
        while !groups.is_empty() {
            let packed = pack(groups, ACTIONS - 1);
            let mut again = packed.later;
            for (id, verdict) in self.run_side_by_side(company, job, run, packed.transactions, &commits).await? {
                match verdict {
                    Verdict::Applied => results[id] = CommitResult::Stored,
                    Verdict::Innocent => again.push(id),
                    Verdict::Refused(refused) => match judge(commits[id].coupling.as_ref(), &stored[id], &refused)? {
                        Next::Stale => results[id] = CommitResult::Stale,
                        Next::Again(seen) => {
                            stored[id] = seen;
                            again.push(id);
                        }
                    },
                }
            }
            again.sort_unstable();
            groups = Vec::with_capacity(again.len());
            for id in again {
                groups.push(self.commit_group(scope, id, &commits[id], &stored[id])?);
            }
        }
        self.finish_if_processed(company, job, run).await?;
        Ok(results)
    }

    async fn run_side_by_side(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        transactions: Vec<Vec<Group<Role>>>,
        commits: &[Commit],
    ) -> Result<Vec<(usize, Verdict<Role>)>, StoreError> {
        // Transactions that run side by side must not meet on one counter; strangers rarely do.
        let first_slot = fastrand::u8(..);
        let mut counted = Vec::with_capacity(transactions.len());
        for (number, groups) in transactions.into_iter().enumerate() {
            let mut progress = Progress::default();
            for group in &groups {
                progress.add(commits[group.id].direction, commits[group.id].outcome);
            }
            let slot = first_slot.wrapping_add(u8::try_from(number % 256).unwrap_or_default());
            counted.push((groups, self.counting(Role::Count, company, job, run, slot, &progress)?));
        }
        let verdicts: Vec<Vec<_>> = stream::iter(counted)
            .map(|(groups, count)| {
                let store = self.clone();
                async move { store.transact(&groups, Some(&count)).await }
            })
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await?;
        Ok(verdicts.into_iter().flatten().collect())
    }
}
