//! What records say about a restored system: older than we remember them, or gone in bulk. Pure.

use couplet_model::coupling::SideState;
use couplet_model::table::Side;
use couplet_model::{Coupling, Record};
use jiff::{SignedDuration, Timestamp};

/// Fewer coupled records that are gone are deletions of people.
const GONE_AT_LEAST: usize = 10;
/// Of those looked at, one in so many must be gone.
const GONE_ONE_IN: usize = 10;
/// A time of change may differ by so much between two answers for the same state of a record.
const SAME_TIME: SignedDuration = SignedDuration::from_secs(1);

/// What was found of coupled records of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    looked_at: usize,
    gone: usize,
    older: usize,
}

impl Evidence {
    /// Counts one coupled record, found or not. What was remembered before a person chose to go on proves nothing, and
    /// what was reported as failed is known.
    pub fn look_at(&mut self, coupling: &Coupling, side: Side, found: Option<&Record>, resumed_at: Option<Timestamp>) {
        let results = [&coupling.to_dataverse, &coupling.from_dataverse];
        let last = results.into_iter().flatten().map(|result| result.at).max();
        if resumed_at.is_some_and(|resumed_at| last.is_none_or(|last| last <= resumed_at)) {
            return;
        }
        self.looked_at += 1;
        match found {
            Some(record) => self.older += usize::from(is_older(coupling.side(side), record)),
            None => self.gone += usize::from(!coupling.failed_any_way()),
        }
    }

    /// Why the system seems to have been restored, if it does.
    pub fn verdict(self, table: &str) -> Option<String> {
        if self.older > 0 {
            return Some(format!(
                "{} of {} coupled records of the table {table} are older than they were when they were last read",
                self.older, self.looked_at
            ));
        }
        are_many(self.gone, self.looked_at).then(|| {
            format!("{} of {} coupled records of the table {table} are gone at once", self.gone, self.looked_at)
        })
    }

    /// Whether the verdict is about records that are gone only, which people may have deleted.
    pub fn is_about_deletions(self) -> bool {
        self.older == 0
    }
}

/// Whether so many of some coupled records are gone at once that people may not have deleted them.
pub(crate) fn are_many(gone: usize, looked_at: usize) -> bool {
    gone >= GONE_AT_LEAST && gone * GONE_ONE_IN >= looked_at
}

/// Whether a record is in an earlier state than we remember it in: by its version where that is a number, else by its time
/// of change.
fn is_older(remembered: &SideState, found: &Record) -> bool {
    let number = |version: &couplet_model::record::Version| {
        let digits = version.0.strip_prefix("W/\"")?.strip_suffix('"')?;
        digits.parse::<u64>().ok()
    };
    let versions = (remembered.version.as_ref().and_then(number), found.version.as_ref().and_then(number));
    if let (Some(known), Some(now)) = versions {
        return now < known;
    }
    match (remembered.modified, found.modified) {
        (Some(known), Some(now)) => now + SAME_TIME < known,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use couplet_model::coupling::LastResult;
    use couplet_model::record::{Values, Version};
    use couplet_model::{CouplingState, DataverseId, RecordId, RunId, SystemId};
    use uuid::Uuid;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn coupling(version: &str, modified: &str) -> Coupling {
        let (bc, dv) = (SystemId(Uuid::from_u128(1)), DataverseId(Uuid::from_u128(2)));
        let state = SideState { version: Some(Version(version.to_owned())), modified: Some(time(modified)) };
        let result = LastResult { run: RunId(Uuid::nil()), at: time("2026-01-01T12:00:00Z"), failure: None };
        let (to_dataverse, dataverse) = (Some(result), state);
        Coupling { dataverse, to_dataverse, ..Coupling::new(bc, dv, CouplingState::Coupled) }
    }

    fn record(version: &str, modified: &str) -> Record {
        let version = Some(Version(version.to_owned()));
        Record {
            id: RecordId(Uuid::from_u128(2)),
            version,
            modified: Some(time(modified)),
            values: Values::new(),
            unreadable: None,
        }
    }

    #[test]
    fn f12_one_older_record_is_proof_and_a_newer_or_equal_one_is_none() {
        let (before, after) = ("2026-01-01T11:00:00Z", "2026-01-01T11:30:00Z");
        for (known, found, is_proof) in [
            (("W/\"20\"", after), ("W/\"20\"", after), false),
            (("W/\"20\"", after), ("W/\"21\"", after), false),
            (("W/\"20\"", after), ("W/\"9\"", after), true),
            // Another form of version says nothing; the time does.
            (("x", after), ("y", after), false),
            (("x", after), ("y", before), true),
            (("x", before), ("y", after), false),
        ] {
            let mut evidence = Evidence::default();
            evidence.look_at(&coupling(known.0, known.1), Side::Dataverse, Some(&record(found.0, found.1)), None);
            assert_eq!(evidence.verdict("account").is_some(), is_proof, "{known:?} {found:?}");
            let mut resumed = Evidence::default();
            let at = Some(time("2026-01-01T12:30:00Z"));
            resumed.look_at(&coupling(known.0, known.1), Side::Dataverse, Some(&record(found.0, found.1)), at);
            assert_eq!(resumed.verdict("account"), None, "a person has chosen since");
        }
    }

    #[test]
    fn f12_a_few_deletions_are_people_and_many_at_once_are_not() {
        let coupling = coupling("x", "2026-01-01T11:00:00Z");
        let here = record("x", "2026-01-01T11:00:00Z");
        for (gone, looked_at, is_bulk) in
            [(9, 9, false), (10, 10, true), (10, 100, true), (10, 101, false), (0, 50, false)]
        {
            let mut evidence = Evidence::default();
            for number in 0..looked_at {
                let found = (number >= gone).then_some(&here);
                evidence.look_at(&coupling, Side::Dataverse, found, None);
            }
            assert_eq!(evidence.verdict("account").is_some(), is_bulk, "{gone} of {looked_at}");
            assert!(evidence.is_about_deletions());
        }
    }
}
