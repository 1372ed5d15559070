//! Claiming couplings: while one worker writes a pair, no other does.

use couplet_model::{CompanyId, Coupling, MappingName};

use crate::Store;
use crate::couplings::{REVISION, coupling_item};
use crate::error::StoreError;
use crate::item::{Item, number};
use crate::keys::Key;
use crate::terms::Terms;
use crate::transaction::{Group, Verdict};

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
    /// Stores couplings that were read and say now who holds them and what is about to be written (or that nobody does any
    /// more), each on condition that nobody changed it since. One result per coupling, in order. A commit ends the claim;
    /// so does its time, should the caller die.
    ///
    /// A coupling that is too large with what is about to be written is claimed without that.
    ///
    /// # Errors
    /// When the store cannot be written. Some may have been claimed.
    pub async fn claim(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        couplings: &[Coupling],
    ) -> Result<Vec<Claim>, StoreError> {
        let mut results = vec![Claim::Stale; couplings.len()];
        let mut pending: Vec<usize> = (0..couplings.len()).collect();
        while !pending.is_empty() {
            let mut groups = Vec::with_capacity(pending.len());
            for &id in &pending {
                let read = &couplings[id];
                let (key, item) = claimed_item(company, mapping, &claimed(read))?;
                let unchanged = Terms::only_if("#rev = :rev").name(REVISION).value("rev", number(read.revision));
                groups.push(Group { id, actions: vec![self.put((), key, item, &unchanged)?] });
            }
            let (verdicts, _) = self.transact_packed(groups).await?;
            // Of two claims of one coupling in one call the second is stale.
            pending = Vec::new();
            for (id, verdict) in verdicts {
                match verdict {
                    Verdict::Applied => results[id] = Claim::Claimed(claimed(&couplings[id])),
                    Verdict::Refused(_) => {}
                    Verdict::Innocent => pending.push(id),
                }
            }
            pending.sort_unstable();
        }
        Ok(results)
    }
}

fn claimed(coupling: &Coupling) -> Coupling {
    Coupling { revision: coupling.revision + 1, ..coupling.clone() }
}

/// The item of a coupling with what is about to be written, or without, if it would be too large for the store.
pub(crate) fn claimed_item(
    company: CompanyId,
    mapping: &MappingName,
    coupling: &Coupling,
) -> Result<(Key, Item), StoreError> {
    match coupling_item(company, mapping, coupling) {
        Err(StoreError::TooLarge { .. }) if !coupling.pending.is_empty() => {
            let smaller = Coupling { pending: Vec::new(), ..coupling.clone() };
            coupling_item(company, mapping, &smaller)
        }
        item => item,
    }
}
