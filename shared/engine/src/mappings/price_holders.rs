//! Who holds the places of prices in Dataverse, and which rows of Business Central want the same one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, Record, RecordId, Value};

use super::price_rows::{Place, Placed, PriceRows};
use super::price_tables::PriceTable;
use super::rules::{Context, Obstacle, Transferring};
use crate::error::EngineError;

/// The prices of Dataverse at some places.
pub(crate) struct Holders(HashMap<Place, RecordId>);

/// Who is, or is to be, where a price belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    /// A row of Business Central that keeps the place, in words.
    Stays(String),
    /// A row of Business Central that will be elsewhere, in words.
    Moves(String),
    /// A price of Dataverse whose row of Business Central is gone, counts no more, or gives it up in this batch.
    Goes(RecordId),
}

impl Holders {
    /// Reads the prices at some places in one query.
    pub async fn read(context: Context<'_>, places: impl Iterator<Item = Place>) -> Result<Self, EngineError> {
        let places: BTreeSet<Place> = places.collect();
        let ids = |of: fn(&Place) -> uuid::Uuid| {
            let ids: BTreeSet<uuid::Uuid> = places.iter().map(of).collect();
            ids.into_iter().map(Value::Guid).collect::<Vec<Value>>()
        };
        let filter = Filter::all(vec![
            Condition::one_of("pricelevelid", ids(|place| place.list)),
            Condition::one_of("productid", ids(|place| place.product)),
        ]);
        let columns = ["pricelevelid", "productid", "uomid"];
        let rows = context.installation.find_rows("productpricelevel", &filter, &columns).await?;
        Ok(Self(rows.iter().filter_map(|row| Some((Place::of(row)?, row.id))).collect()))
    }

    /// The price at a place.
    pub fn at(&self, place: Place) -> Option<RecordId> {
        self.0.get(&place).copied()
    }

    /// Who is where the rows of a batch belong. Of several rows for one place that nobody holds yet, the first of its list
    /// gets it.
    pub async fn rivals(
        &self,
        context: Context<'_>,
        table: PriceTable,
        records: &[Transferring<'_>],
        placed: &[Result<Placed, Obstacle>],
    ) -> Result<HashMap<RecordId, Rival>, EngineError> {
        // A price that belongs elsewhere by now is replaced, and looks who is there when it comes again.
        let stays =
            |record: &Transferring<'_>, place| record.destination.and_then(Place::of).is_none_or(|held| held == place);
        let wanted: Vec<(&Transferring<'_>, Place)> = records
            .iter()
            .zip(placed)
            .filter_map(|(record, placed)| Some((record, placed.as_ref().ok()?.place)))
            .filter(|(record, place)| stays(record, *place))
            .collect();
        let is_own = |record: &Transferring<'_>, id| record.destination.is_some_and(|own| own.id == id);
        let foreign: BTreeMap<RecordId, Place> = wanted
            .iter()
            .filter_map(|(record, place)| Some((self.at(*place).filter(|id| !is_own(record, *id))?, *place)))
            .collect();
        let held = self.held(context, table, records, placed, &foreign).await?;
        let mut rivals = HashMap::new();
        let mut by_place: BTreeMap<Place, Vec<&Transferring<'_>>> = BTreeMap::new();
        for (record, place) in wanted {
            let holder = self.at(place).filter(|id| !is_own(record, *id));
            match holder.and_then(|id| held.get(&id)) {
                Some(rival @ (Rival::Stays(_) | Rival::Moves(_))) => {
                    rivals.insert(record.source.id, rival.clone());
                    continue;
                }
                Some(goes) => {
                    rivals.insert(record.source.id, goes.clone());
                }
                None => {}
            }
            by_place.entry(place).or_default().push(record);
        }
        for (place, mut same) in by_place {
            let holds = |record: &Transferring<'_>| self.at(place).is_some_and(|id| is_own(record, id));
            let rank = |record: &&Transferring<'_>| {
                let line = table.line.and_then(|line| record.source.get(line).as_int());
                (!holds(record), line, table.describe(record.source), record.source.id)
            };
            same.sort_by_cached_key(rank);
            if let Some((first, others)) = same.split_first() {
                let first = table.describe(first.source);
                rivals.extend(others.iter().map(|other| (other.source.id, Rival::Stays(first.clone()))));
            }
        }
        Ok(rivals)
    }

    /// What becomes of prices that are where others belong: they stay with the row of Business Central they are coupled to,
    /// or go because that row is gone or counts no more. Prices that are coupled to nobody are left out.
    async fn held(
        &self,
        context: Context<'_>,
        table: PriceTable,
        records: &[Transferring<'_>],
        placed: &[Result<Placed, Obstacle>],
        foreign: &BTreeMap<RecordId, Place>,
    ) -> Result<HashMap<RecordId, Rival>, EngineError> {
        if foreign.is_empty() {
            return Ok(HashMap::new());
        }
        let (store, company) = (context.installation.store(), context.installation.company());
        let ids: Vec<RecordId> = foreign.keys().copied().collect();
        let couplings: HashMap<RecordId, Coupling> =
            store.couplings_by_id(company, &context.mapping.name, Side::Dataverse, &ids).await?;
        let in_batch: HashMap<RecordId, (&Record, &Result<Placed, Obstacle>)> =
            records.iter().zip(placed).map(|(record, placed)| (record.source.id, (record.source, placed))).collect();
        let owner = |coupling: &Coupling| RecordId::from(coupling.system_id);
        let unread: Vec<RecordId> =
            couplings.values().map(owner).filter(|owner| !in_batch.contains_key(owner)).collect();
        let columns: Vec<String> = records
            .first()
            .map(|record| record.source.values.keys().map(|name| name.to_string()).collect())
            .unwrap_or_default();
        let system = context.installation.system(Side::BusinessCentral);
        let read = system.fetch(&context.mapping.business_central, &unread, &columns).await?;
        let read: Vec<&Record> = read.iter().collect();
        let rows = PriceRows::read(context, table, &read).await?;
        let read: HashMap<RecordId, &Record> = read.into_iter().map(|record| (record.id, record)).collect();
        let rival = |(id, coupling): (&RecordId, &Coupling)| {
            let (owner, held) = (owner(coupling), foreign.get(id).copied());
            let rival = match (in_batch.get(&owner), read.get(&owner)) {
                (Some((record, placed)), _) => judge(table.describe(record), *id, held, placed, Rival::Goes(*id)),
                (None, Some(record)) => {
                    let name = table.describe(record);
                    judge(name.clone(), *id, held, &rows.place(record), Rival::Moves(name))
                }
                (None, None) => Rival::Goes(*id),
            };
            (*id, rival)
        };
        Ok(couplings.iter().map(rival).collect())
    }
}

/// What becomes of a price that is at a place, by where its row of Business Central belongs.
fn judge(
    name: String,
    id: RecordId,
    held: Option<Place>,
    belongs: &Result<Placed, Obstacle>,
    elsewhere: Rival,
) -> Rival {
    match belongs {
        Err(Obstacle::Leave(_)) => Rival::Goes(id),
        Ok(placed) if held.is_some_and(|held| held != placed.place) => elsewhere,
        Ok(_) | Err(_) => Rival::Stays(name),
    }
}
