//! Claiming couplings: while one worker writes a pair, no other does.

use couplet_model::{CompanyId, Coupling, MappingName};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::Store;
use crate::couplings::{REVISION, coupling_item};
use crate::error::StoreError;
use crate::item::number;
use crate::requests::CONCURRENT;
use crate::terms::Terms;
use crate::transaction::{ACTIONS, Group, Verdict, pack};

/// What became of a claim.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "short-lived, and claimed nearly always")]
pub enum Claim {
    /// The pair is the caller's until the time given; this is the coupling to commit with.
    Claimed(Coupling),
    /// Somebody else changed or claimed the coupling since it was read.
    Stale,
}

impl Store {
    /// Claims couplings as they were read, each on condition that nobody changed it since. One result per coupling, in
    /// order. A commit ends the claim; so does the time given, should the caller die.
    ///
    /// # Errors
    /// When the store cannot be written. Some may have been claimed.
    pub async fn claim(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        couplings: &[Coupling],
        until: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        let mut results = vec![Claim::Stale; couplings.len()];
        let mut pending: Vec<usize> = (0..couplings.len()).collect();
        while !pending.is_empty() {
            let mut groups = Vec::with_capacity(pending.len());
            for &id in &pending {
                let read = &couplings[id];
                let (key, item) = coupling_item(company, mapping, &claimed(read, until))?;
                let unchanged = Terms::only_if("#rev = :rev").name(REVISION).value("rev", number(read.revision));
                groups.push(Group { id, actions: vec![self.put((), key, item, &unchanged)?] });
            }
            let wave = pack(groups, ACTIONS);
            let verdicts: Vec<Vec<_>> = stream::iter(wave.transactions)
                .map(|groups| {
                    let store = self.clone();
                    async move { store.transact(&groups, None).await }
                })
                .buffer_unordered(CONCURRENT)
                .try_collect()
                .await?;
            // Of two claims of one coupling in one call the second is stale.
            pending = Vec::new();
            for (id, verdict) in verdicts.into_iter().flatten() {
                match verdict {
                    Verdict::Applied => results[id] = Claim::Claimed(claimed(&couplings[id], until)),
                    Verdict::Refused(_) => {}
                    Verdict::Innocent => pending.push(id),
                }
            }
            pending.sort_unstable();
        }
        Ok(results)
    }
}

fn claimed(coupling: &Coupling, until: Timestamp) -> Coupling {
    Coupling { claimed_until: Some(until), revision: coupling.revision + 1, ..coupling.clone() }
}
