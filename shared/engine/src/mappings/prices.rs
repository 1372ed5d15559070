//! What sales prices and lines of price lists have in common: each is the one price of a product in a unit on a price list
//! (S236, S237, S242, S243). A price that no longer counts leaves Dataverse, and so does one that was deleted.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::DataFailure;
use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use couplet_model::table::Side;
use couplet_model::{Coupling, Record, RecordId, Table, Value};

use super::price_holders::{Holders, Rival};
use super::price_rows::{Place, Placed, PriceRows};
use super::price_tables::PriceTable;
use super::rules::{
    BatchRules, BeforeWrite, Context, MappingRules, Match, NothingSpecial, Obstacle, OnDeletion, Transferring, set,
    set_on_create,
};
use crate::bulk::write_all;
use crate::error::EngineError;

/// Quantity selling option "No Control".
const NO_CONTROL: i64 = 1;

/// The rules of a mapping of prices.
pub(crate) struct Prices {
    /// How its table says what a price is about.
    pub table: PriceTable,
    /// Source columns read beside the mapped ones.
    pub columns: &'static [&'static str],
}

#[async_trait]
impl MappingRules for Prices {
    fn source_columns(&self, _: Direction) -> &'static [&'static str] {
        self.columns
    }

    fn destination_columns(&self, _: Direction) -> &'static [&'static str] {
        &["pricelevelid", "productid", "uomid", "uomscheduleid"]
    }

    /// All of them: a price that leaves the filter leaves Dataverse.
    fn keeps_coupled(&self, _: Direction, _column: &str) -> bool {
        true
    }

    /// Whether it counts depends on the day and on its price list as well.
    fn record_tells_all(&self, _: Direction, _: &Record, _: &Coupling) -> bool {
        false
    }

    fn may_leave(&self, _: Direction) -> bool {
        true
    }

    /// Neither a line's number nor an item's names one price.
    fn has_key(&self) -> bool {
        false
    }

    fn label(&self, _: Direction, source: &Record) -> Option<String> {
        Some(self.table.describe(source))
    }

    fn on_deletion(&self, _: Direction) -> OnDeletion {
        OnDeletion::DeletePartner
    }

    fn partner_key(&self, _: Direction) -> Option<&'static str> {
        Some("the same price list, product and unit")
    }

    /// The price of the same list, product and unit (S237).
    async fn find_existing(&self, context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        let rows = PriceRows::read(context, self.table, sources).await?;
        let placed: Vec<Option<Placed>> = sources.iter().map(|source| rows.place(source).ok()).collect();
        let holders = Holders::read(context, placed.iter().flatten().map(|placed| placed.place)).await?;
        Ok(placed.into_iter().map(|placed| Ok(placed.and_then(|placed| holders.at(placed.place)))).collect())
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        if sources.is_empty() {
            return Ok(Box::new(NothingSpecial));
        }
        let records: Vec<&Record> = sources.iter().map(|record| record.source).collect();
        let rows = PriceRows::read(context, self.table, &records).await?;
        let placed: Vec<Result<Placed, Obstacle>> = records.iter().map(|record| rows.place(record)).collect();
        let places = placed.iter().flatten().map(|placed| placed.place);
        let holders = Holders::read(context, places).await?;
        let rivals = holders.rivals(context, self.table, sources, &placed).await?;
        let judged = sources.iter().zip(placed).map(|(record, placed)| (record.source.id, placed)).collect();
        Ok(Box::new(Prepared { prices: Arc::clone(&context.mapping.dataverse), table: self.table, judged, rivals }))
    }
}

struct Prepared {
    prices: Arc<Table>,
    table: PriceTable,
    /// Where each price belongs, or why it cannot get there.
    judged: HashMap<RecordId, Result<Placed, Obstacle>>,
    /// Who is where some prices belong.
    rivals: HashMap<RecordId, Rival>,
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        let placed = self.placed(record)?;
        // A price keeps its list, and two that change places would refuse each other for ever.
        if record.destination.and_then(Place::of).is_some_and(|held| held != placed.place) {
            return Err(Obstacle::Replace("its price list, product or unit is another one now".to_owned()));
        }
        match self.rivals.get(&record.source.id) {
            Some(Rival::Stays(other)) => Err(self.collision(record.source, other).into()),
            Some(Rival::Moves(other)) => Err(DataFailure::new(format!(
                "{} goes where {other} was, which has not left yet; it is tried again with the next run",
                self.table.describe(record.source)
            ))
            .into()),
            Some(Rival::Goes(_)) | None => Ok(()),
        }
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let Placed { place, unit_group } = self.placed(record)?;
        set(fields, &self.prices, "productid", Value::Guid(place.product))?;
        set(fields, &self.prices, "uomid", Value::Guid(place.unit))?;
        set(fields, &self.prices, "uomscheduleid", Value::Guid(unit_group))?;
        set_on_create(fields, &self.prices, "quantitysellingcode", Value::Int(NO_CONTROL))?;
        Ok(())
    }

    /// Takes away prices that are where others belong and count no more themselves.
    async fn before_write(&self, context: Context<'_>, records: &mut [BeforeWrite<'_>]) {
        let held = |record: &BeforeWrite<'_>| match self.rivals.get(&record.source.id) {
            Some(Rival::Goes(id)) if record.values.is_some() => Some(*id),
            _ => None,
        };
        let mut open: Vec<(&mut BeforeWrite<'_>, RecordId)> =
            records.iter_mut().filter_map(|record| held(record).map(|id| (record, id))).collect();
        let delete = |id| Write { action: WriteAction::Delete { id }, values: couplet_model::record::Values::new() };
        let writes: Vec<Write> = open.iter().map(|(_, id)| delete(*id)).collect();
        let results = write_all(context.installation.system(Side::Dataverse), &self.prices, &writes).await;
        // `write_all` gives one result per write.
        for ((record, _), result) in open.iter_mut().zip(results) {
            if let Err(error) = result
                && error.kind != SystemErrorKind::NotFound
            {
                record.ready = Err(error);
            }
        }
    }
}

impl Prepared {
    fn placed(&self, record: Transferring<'_>) -> Result<Placed, Obstacle> {
        let unknown = || DataFailure::new("the price was not looked at before it was transferred");
        self.judged.get(&record.source.id).cloned().unwrap_or_else(|| Err(unknown().into()))
    }

    /// Two prices for one row of Dataverse, both named.
    fn collision(&self, record: &Record, other: &str) -> DataFailure {
        let own = self.table.describe(record);
        DataFailure::new(format!(
            "{own} and {other} are prices of the same product in the same unit, and a price list in Dataverse has one of them: \
             it has that of {other}; delete or change one of the two"
        ))
    }
}
