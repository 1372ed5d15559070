//! Switching between one unit group for each unit of measure and unit groups of items and resources, step by step. What has
//! been done shows in both systems and in the store, so that whoever goes on after a stop does what is left.

use couplet_model::MappingName;
use couplet_model::table::Side;
use serde_json::json;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::find::checkpoint::Checkpoint;
use crate::find::found::Found;
use crate::mappings::unit_switch::{
    OldProduct, RefusedProduct, couplings, left_behind, old_products, replace, taken_up,
};

/// The setting that says for which units the jobs were made to read everything.
const SETTING: &str = "units";

/// What is left to do.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitSwitch {
    /// Whether items and resources have unit groups of their own afterwards.
    pub unit_groups: bool,
    /// Products that get another number, are retired, and give way to new ones.
    pub products: Vec<OldProduct>,
    /// Couplings that are removed, by mapping.
    pub couplings: Vec<(MappingName, u64)>,
    /// Jobs that read everything afterwards, in their order; none where they have been told already.
    pub jobs: Vec<MappingName>,
}

impl UnitSwitch {
    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.products.is_empty() && self.couplings.is_empty() && self.jobs.is_empty()
    }
}

/// A step that was done.
#[derive(Clone, Debug, PartialEq)]
pub enum UnitSwitchStep {
    /// So many products of a mapping gave way.
    Products(Vec<OldProduct>),
    /// So many couplings of a mapping were removed.
    Couplings(MappingName, usize),
    /// The next runs of these jobs read everything; run them in this order, or leave it to their timers.
    Jobs(Vec<MappingName>),
    /// Nothing else can be done before a person has mended these products.
    Refused(Vec<RefusedProduct>),
    /// Nothing was left to do.
    Done,
}

impl Engine {
    /// What a switch to the units of these settings would do. Changes nothing.
    ///
    /// # Errors
    /// When a system or the store cannot be read.
    pub async fn unit_switch(&self) -> Result<UnitSwitch, EngineError> {
        let installation = &self.installation;
        let mut left = Vec::new();
        for mapping in left_behind(installation) {
            let count = self.store().count_couplings(self.company(), &mapping).await?;
            left.extend((count > 0).then_some((mapping, count)));
        }
        Ok(UnitSwitch {
            unit_groups: installation.switches().unit_groups,
            products: old_products(installation, false, &[]).await?,
            couplings: left,
            jobs: if self.jobs_were_told().await? { Vec::new() } else { taken_up(installation) },
        })
    }

    /// Does the next step of the switch to the units of these settings: first old products give way, then the couplings of
    /// the units that are left behind go, then the jobs are made to read everything. Products that Dataverse refuses are
    /// noted in `refused`, which is empty at the first step; the next steps pass them over. They are known by the units that
    /// they have, so nothing goes on after the products as long as one is left.
    ///
    /// # Errors
    /// When a system or the store fails; what was done stays done, and the same call goes on.
    pub async fn switch_units(&self, refused: &mut Vec<RefusedProduct>) -> Result<UnitSwitchStep, EngineError> {
        let installation = &self.installation;
        let mut products = old_products(installation, true, refused).await?;
        if !products.is_empty() {
            self.note_switch(false).await?;
            refused.extend(replace(installation, &products).await?);
            products.retain(|product| !refused.iter().any(|refused| refused.is(product)));
            return Ok(UnitSwitchStep::Products(products));
        }
        if !refused.is_empty() {
            return Ok(UnitSwitchStep::Refused(refused.clone()));
        }
        for mapping in left_behind(installation) {
            let (page, _) = couplings(installation, &mapping, None).await?;
            if page.is_empty() {
                continue;
            }
            self.note_switch(false).await?;
            for coupling in &page {
                self.store().remove_coupling(self.company(), &mapping, coupling).await?;
            }
            self.store().clear_cursors(self.company(), &mapping).await?;
            return Ok(UnitSwitchStep::Couplings(mapping, page.len()));
        }
        if self.jobs_were_told().await? {
            return Ok(UnitSwitchStep::Done);
        }
        let jobs = taken_up(installation);
        for name in &jobs {
            let mapping = self
                .mapping(name)
                .map_err(|missing| EngineError::CannotRun { mapping: name.to_string(), missing: missing.to_owned() })?;
            self.store().clear_cursors(self.company(), name).await?;
            if let Some(checkpoint) =
                Checkpoint::at_beginning_with(Side::BusinessCentral, mapping.direction, Found::default())
            {
                self.store().set_checkpoint(self.company(), name.as_str(), &checkpoint.text()?).await?;
            }
        }
        self.note_switch(true).await?;
        Ok(UnitSwitchStep::Jobs(jobs))
    }

    /// Whether the jobs were made to read everything since the last change of these settings.
    async fn jobs_were_told(&self) -> Result<bool, EngineError> {
        let told = self.store().setting(self.company(), SETTING).await?;
        Ok(told == Some(json!({ "unit_groups": self.installation.switches().unit_groups })))
    }

    /// Notes that the jobs were told, or that they have to be told anew.
    async fn note_switch(&self, told: bool) -> Result<(), EngineError> {
        let value = match told {
            true => json!({ "unit_groups": self.installation.switches().unit_groups }),
            false => json!({}),
        };
        Ok(self.store().put_setting(self.company(), SETTING, &value).await?)
    }
}
