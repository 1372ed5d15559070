//! Records that wait for others: what would release them, and when they wait in vain.

use std::collections::HashMap;

use couplet_model::job::Run;
use couplet_model::outcome::{DataFailure, Dependency, Need};
use couplet_model::table::Side;
use couplet_model::{MappingName, RecordId};
use couplet_store::Wait;
use jiff::Timestamp;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::rules::is_usable;

/// Runs of a mapping that are looked at for one that is complete. With several unfinished ones in a row something else
/// is wrong, and said elsewhere.
const RUNS: usize = 5;

/// Whether what a mapping's records wait for can still be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    /// The last complete run of the needed mapping began then.
    RanAt(Timestamp),
    /// It has not run to its end yet.
    NotRun,
    /// It cannot run in this installation.
    Never,
}

impl Outlook {
    /// Whether a record that has waited since then does so in vain. Waits of older versions do not say since when.
    fn is_over(self, since: Option<Timestamp>) -> bool {
        match self {
            Self::RanAt(began) => since.is_none_or(|since| began > since),
            Self::NotRun => false,
            Self::Never => true,
        }
    }
}

impl Engine {
    /// Those of some waits that have outlived a run of the mapping they wait for.
    pub(crate) async fn in_vain(&self, waits: Vec<Wait>) -> Result<Vec<Wait>, EngineError> {
        let mut outlooks: HashMap<MappingName, Outlook> = HashMap::new();
        let mut over = Vec::new();
        for wait in waits {
            let name = &wait.dependency.mapping;
            let outlook = match outlooks.get(name) {
                Some(known) => *known,
                None => {
                    let outlook = self.outlook(name, &[]).await?;
                    outlooks.insert(name.clone(), outlook);
                    outlook
                }
            };
            if outlook.is_over(wait.since) {
                over.push(wait);
            }
        }
        Ok(over)
    }

    /// What can be expected of a mapping. `above` are those whose records wait for this one, nearest last.
    async fn outlook(&self, needed: &MappingName, above: &[&MappingName]) -> Result<Outlook, EngineError> {
        if self.mapping(needed).is_err() {
            return Ok(Outlook::Never);
        }
        if self.has_prospects(needed, above).await? {
            return Ok(Outlook::NotRun);
        }
        let runs = self.store().runs(self.company(), needed.as_str(), RUNS).await?;
        let complete = |run: &&Run| run.found.is_some() && run.finished.is_some();
        let began = runs.iter().filter(complete).map(|run| run.started).max();
        Ok(began.map_or(Outlook::NotRun, Outlook::RanAt))
    }

    /// Whether a record of a mapping waits for another mapping itself, and not in vain; that comes to an end first. Of two
    /// mappings whose records wait for each other neither holds up the other.
    async fn has_prospects(&self, mapping: &MappingName, above: &[&MappingName]) -> Result<bool, EngineError> {
        if self.store().count_waits(self.company(), mapping).await? == 0 {
            return Ok(false);
        }
        let path = [above, &[mapping]].concat();
        let mut outlooks: HashMap<MappingName, Outlook> = HashMap::new();
        for wait in self.store().waits_of_mapping(self.company(), mapping).await? {
            let name = &wait.dependency.mapping;
            if path.contains(&name) {
                continue;
            }
            let outlook = match outlooks.get(name) {
                Some(known) => *known,
                None => {
                    let outlook = Box::pin(self.outlook(name, &path)).await?;
                    outlooks.insert(name.clone(), outlook);
                    outlook
                }
            };
            if !outlook.is_over(wait.since) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether what a record waited for is coupled now.
    pub(crate) async fn is_coupled(&self, dependency: &Dependency) -> Result<bool, EngineError> {
        let company = self.company();
        let coupling = match dependency.side {
            Side::BusinessCentral => {
                let keys = [dependency.key.clone()];
                self.store().couplings_by_key(company, &dependency.mapping, &keys).await?.into_values().next()
            }
            Side::Dataverse => {
                let Ok(id) = dependency.key.parse::<RecordId>() else { return Ok(false) };
                let found = self.store().couplings_by_id(company, &dependency.mapping, Side::Dataverse, &[id]).await?;
                found.into_values().next()
            }
        };
        Ok(coupling.is_some_and(|coupling| is_usable(&coupling)))
    }

    /// What would release a record that waits for this, in words.
    pub fn released_by(&self, needed: &Dependency) -> String {
        let name = &needed.mapping;
        match self.mapping(name) {
            Err(missing) => format!("nothing yet: {name} cannot run here ({missing})"),
            Ok(mapping) => {
                let table = mapping.table(needed.side).name.as_str();
                let system = match needed.side {
                    Side::BusinessCentral => "Business Central",
                    Side::Dataverse => "Dataverse",
                };
                format!(
                    "{table} {} of {system} being coupled by {name}: couplet run {:?} --full",
                    needed.key,
                    name.as_str()
                )
            }
        }
    }

    /// The failure of a record that waits in vain (EE16).
    pub(crate) fn waiting_failure(&self, need: &Need) -> DataFailure {
        let other = match need.dependency.side {
            Side::BusinessCentral => "Dataverse",
            Side::Dataverse => "Business Central",
        };
        let Need { field, value, dependency } = need;
        DataFailure::of_field(
            field.clone(),
            format!(
                "{field} {value} must be coupled to a row in {other} (EE16), which {} has not done since this record \
                 began to wait for it; released by {}; or change the field",
                dependency.mapping,
                self.released_by(dependency)
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f25_a_wait_is_in_vain_when_a_run_that_began_after_it_has_come_to_its_end() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        for (outlook, since, is_over) in [
            (Outlook::RanAt(at(100)), Some(at(90)), true),
            (Outlook::RanAt(at(100)), Some(at(100)), false),
            (Outlook::RanAt(at(100)), Some(at(110)), false),
            (Outlook::RanAt(at(100)), None, true),
            (Outlook::NotRun, Some(at(90)), false),
            (Outlook::NotRun, None, false),
            (Outlook::Never, Some(at(90)), true),
        ] {
            assert_eq!(outlook.is_over(since), is_over, "{outlook:?}, waiting since {since:?}");
        }
    }
}
