//! What is recommended for each mapping, from what both sides hold.

use std::collections::BTreeMap;

use couplet_model::catalogue::MappingDirection;
use couplet_model::full_sync::{Facts, Line, Plan, Recommendation, Sighted, merged, recommend};
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_model::{MappingName, RunId};
use futures_util::future::{try_join, try_join_all};
use serde::{Deserialize, Serialize};

use crate::couple::MatchChoices;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::installed::InstalledMapping;

/// Which mappings a person means, and what is done with them if not what is recommended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FullSyncChoice {
    /// Names of mappings; empty for all.
    pub mappings: Vec<String>,
    /// Names of mappings that are synchronized in full although their records could be coupled first (R175).
    pub full: Vec<String>,
    /// The fields by which the records of a mapping are matched, by its name, as `couplet match --by` takes them.
    pub by: BTreeMap<String, String>,
}

impl Engine {
    /// The plan as it would be if it were started now: lines that have begun as they stand, all others with what is recommended
    /// for them. Both systems count the records of each mapping once; nothing is stored.
    ///
    /// # Errors
    /// When a mapping is not known or takes no part, or a system or the store cannot be read.
    pub async fn review_full_sync(&self, choice: &FullSyncChoice) -> Result<Plan, EngineError> {
        let generated = self.full_sync_lines(choice).await?;
        let standing = self.store().full_sync(self.company()).await?.map(|stored| stored.plan);
        let lines = merged(standing.as_ref(), generated);
        Ok(match standing {
            Some(plan) => Plan { lines, ..plan },
            None => Plan { going: RunId::fresh(), started: self.now(), stopped: None, lines },
        })
    }

    /// A line for each mapping that is meant, each after all it depends on.
    pub(super) async fn full_sync_lines(&self, choice: &FullSyncChoice) -> Result<Vec<Line>, EngineError> {
        let all = self.full_sync_mappings();
        let meant = self.named_lines(&choice.mappings, &all)?;
        let (full, by) = (self.named_lines(&choice.full, &all)?, self.fields_by_mapping(&choice.by, &all)?);
        let lines = all.iter().filter(|mapping| meant.is_empty() || meant.contains(&mapping.name)).map(|mapping| {
            let (full, by) = (full.contains(&mapping.name), by.get(&mapping.name));
            self.full_sync_line(mapping, full, by)
        });
        try_join_all(lines).await
    }

    /// The mappings that take part: those with a job that can run.
    fn full_sync_mappings(&self) -> Vec<&InstalledMapping> {
        let installed = self.mappings.iter().filter_map(Result::ok).map(|mapping| &**mapping);
        let has_job = |mapping: &&InstalledMapping| mapping.job.is_some();
        installed.filter(has_job).filter(|mapping| mapping.rules.belongs_to_full_synchronization()).collect()
    }

    /// The names of mappings as the catalogue has them.
    pub(super) fn named_lines(
        &self,
        names: &[String],
        all: &[&InstalledMapping],
    ) -> Result<Vec<MappingName>, EngineError> {
        let named = |name: &String| {
            let plan = &self.jobs.named(name)?.plan;
            if all.iter().any(|mapping| mapping.name.as_str() == plan.name) {
                return Ok(MappingName::from(plan.name.as_str()));
            }
            Err(EngineError::SetUp(format!(
                "{} takes no part in a full synchronization (R167): leave it out; its job finds what it needs by itself",
                plan.name
            )))
        };
        names.iter().map(named).collect()
    }

    fn fields_by_mapping(
        &self,
        by: &BTreeMap<String, String>,
        all: &[&InstalledMapping],
    ) -> Result<BTreeMap<MappingName, String>, EngineError> {
        let mut found = BTreeMap::new();
        for (name, fields) in by {
            for mapping in self.named_lines(std::slice::from_ref(name), all)? {
                let choices = MatchChoices { by: Some(fields.clone()), ..MatchChoices::default() };
                self.matching(&mapping, &choices)?;
                found.insert(mapping, fields.clone());
            }
        }
        Ok(found)
    }

    async fn full_sync_line(
        &self,
        mapping: &InstalledMapping,
        full: bool,
        by: Option<&String>,
    ) -> Result<Line, EngineError> {
        let (ours, theirs) =
            try_join(self.sighted(mapping, Side::BusinessCentral), self.sighted(mapping, Side::Dataverse)).await?;
        let standing = mapping.rules.rows_of_every_organization();
        let theirs = Sighted { records: theirs.records.saturating_sub(standing), ..theirs };
        let coupled = self.store().count_couplings(self.company(), &mapping.name).await?;
        let facts = Facts { business_central: ours, dataverse: theirs, coupled };
        let fields = self.match_of_line(&mapping.name, by);
        let keyed = self.keyed(mapping, fields.is_ok());
        let (mut recommendation, mut reason) = recommend(&facts, mapping.direction, keyed.as_deref());
        if full && recommendation != Recommendation::NoRecords {
            (recommendation, reason) = (Recommendation::Full, "a person chose it".to_owned());
        }
        if let (Recommendation::Couple, Err(why)) = (recommendation, &fields) {
            reason = format!("{reason}; {why}");
        }
        let mut line = Line::new(mapping.name.clone(), mapping.dependencies.clone(), facts, (recommendation, reason));
        line.by = by.cloned();
        Ok(line)
    }

    async fn sighted(&self, mapping: &InstalledMapping, side: Side) -> Result<Sighted, EngineError> {
        let filter = self.installation.filter(mapping, side).await?;
        Ok(self.system(side).count(mapping.table(side), &filter).await?)
    }

    /// Why a full synchronization couples the records of a mapping by itself: they travel one way, have no fields to be matched by,
    /// and find their partners by a key. What travels both ways could be created twice, and is for a person to choose.
    fn keyed(&self, mapping: &InstalledMapping, has_fields: bool) -> Option<String> {
        let way = mapping.directions().next()?;
        let key = mapping.rules.partner_key(way)?;
        let is_one_way = mapping.direction != MappingDirection::Bidirectional;
        (is_one_way && !has_fields).then(|| format!("records find their partners by {key}"))
    }

    /// What is asked for to match the records of a line.
    pub(super) fn match_of_line(
        &self,
        mapping: &MappingName,
        by: Option<&String>,
    ) -> Result<(Want, Chosen), EngineError> {
        self.matching(mapping, &MatchChoices { by: by.cloned(), ..MatchChoices::default() })
    }
}
