//! What people ask for of chosen records, carried out to its end.

use couplet_engine::EngineError;
use couplet_model::job::Run;
use couplet_model::message::Direction;
use couplet_model::request::{Chosen, Want};
use couplet_model::table::Side;
use couplet_model::task::Task;
use couplet_model::{DataverseId, MappingName, RecordId, SystemId};
use uuid::Uuid;

use crate::world::World;

impl World {
    /// Carries out what a person asks for of records of a mapping, and gives the run that did it.
    ///
    /// # Errors
    /// When it is refused before anything is sent.
    pub async fn ask(&self, mapping: &str, want: Want, of: Chosen) -> Result<Run, EngineError> {
        let run = self.engine.ask(&MappingName::from(mapping), want, of).await?;
        while let Some(task) = self.tasks.next_task() {
            let Task::Ask(request) = task else { panic!("another task comes first: {task:?}") };
            self.engine.work_request(&request, None).await?;
        }
        self.drain().await;
        Ok(self.run_of(mapping, run).await)
    }

    /// Synchronizes records of Business Central to Dataverse, as a person asks for it.
    pub async fn push(&self, mapping: &str, records: &[Uuid], create: bool) -> Run {
        let want = Want::Synchronize { direction: Some(Direction::ToDataverse), create };
        self.ask(mapping, want, chosen(records)).await.expect("it can be carried out")
    }

    /// Synchronizes rows of Dataverse to Business Central, as a person asks for it.
    pub async fn pull(&self, mapping: &str, rows: &[Uuid], create: bool) -> Run {
        let want = Want::Synchronize { direction: Some(Direction::FromDataverse), create };
        let rows = rows.iter().map(|row| (Side::Dataverse, RecordId(*row))).collect();
        self.ask(mapping, want, Chosen::Records(rows)).await.expect("it can be carried out")
    }

    /// Couples two records, as a person does; the source of the direction wins.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn couple(&self, mapping: &str, record: Uuid, row: Uuid, way: Direction) -> Result<Run, EngineError> {
        let pair = (SystemId::from(RecordId(record)), DataverseId::from(RecordId(row)));
        self.ask(mapping, Want::Couple { direction: way }, Chosen::Pairs(vec![pair])).await
    }
}

/// Records of Business Central that a person has chosen.
#[must_use]
pub fn chosen(records: &[Uuid]) -> Chosen {
    Chosen::Records(records.iter().map(|record| (Side::BusinessCentral, RecordId(*record))).collect())
}
