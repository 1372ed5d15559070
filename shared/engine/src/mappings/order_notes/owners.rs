//! The orders and quotes that notes are on.

use std::collections::{HashMap, HashSet};

use couplet_model::switches::When;
use couplet_model::table::Side;
use couplet_model::{Coupling, MappingName, Record, RecordId, Value};

use crate::error::EngineError;
use crate::installation::Installation;
use crate::mappings::rules::{Context, Transferring, is_usable};

/// The mapping of the orders.
pub(in crate::mappings) const ORDERS: &str = "SALESORDER-ORDER";
/// The table of the orders in Dataverse.
pub(in crate::mappings) const ORDER: &str = "salesorder";
/// The states of a quote that is on its way to Business Central.
const ACTIVE: i64 = 1;
const WON: i64 = 2;

/// The column by which a note of a side names what it is on.
pub(super) fn owner_column(side: Side) -> &'static str {
    match side {
        Side::BusinessCentral => "documentId",
        Side::Dataverse => "objectid",
    }
}

/// A kind of document that has notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Order,
    Quote,
}

impl Kind {
    pub const BOTH: [Self; 2] = [Self::Order, Self::Quote];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Quote => "quote",
        }
    }

    /// The mapping of such documents.
    pub fn mapping(self) -> &'static str {
        match self {
            Self::Order => ORDERS,
            Self::Quote => "Auto Process Sales Quotes",
        }
    }

    /// Their table in Dataverse.
    pub fn row_table(self) -> &'static str {
        match self {
            Self::Order => ORDER,
            Self::Quote => "quote",
        }
    }

    /// Their table on a side.
    pub fn table(self, side: Side) -> &'static str {
        match (side, self) {
            (Side::Dataverse, kind) => kind.row_table(),
            (Side::BusinessCentral, Self::Order) => "Sales Header",
            (Side::BusinessCentral, Self::Quote) => "Sales Header (Quote)",
        }
    }

    /// What Business Central calls the type of such a document.
    fn document_type(self) -> &'static str {
        match self {
            Self::Order => "Order",
            Self::Quote => "Quote",
        }
    }
}

/// What a note is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub kind: Kind,
    pub id: RecordId,
}

impl Owner {
    /// What a note of a side is on, if it is an order or a quote.
    pub fn of(side: Side, note: &Record) -> Option<Self> {
        let value = note.get(owner_column(side));
        let kind = Kind::BOTH.into_iter().find(|kind| match (side, value) {
            (Side::BusinessCentral, _) => note.get("documentType") == &Value::text(kind.document_type()),
            (Side::Dataverse, Value::Reference { table, .. }) => &**table == kind.row_table(),
            (Side::Dataverse, _) => false,
        })?;
        Some(Self { kind, id: RecordId(value.as_guid()?) })
    }
}

/// The documents that the notes of a batch are on.
pub(super) struct Owners {
    /// Their couplings.
    couplings: HashMap<Owner, Coupling>,
    /// Of those that are to get new notes, the ones that are at the destination.
    there: HashSet<(Kind, RecordId)>,
    /// Quotes that are not coupled yet, and will be.
    to_come: HashSet<RecordId>,
}

impl Owners {
    /// What is known of the documents of some notes: a read of each table at most, however many notes there are.
    pub async fn of(context: Context<'_>, notes: &[Transferring<'_>]) -> Result<Self, EngineError> {
        let (installation, side) = (context.installation, context.direction.source());
        let mut couplings = HashMap::new();
        for kind in Kind::BOTH {
            let owners = notes.iter().filter_map(|note| Owner::of(side, note.source));
            let ids: HashSet<RecordId> = owners.filter(|owner| owner.kind == kind).map(|owner| owner.id).collect();
            let (name, ids) = (MappingName::from(kind.mapping()), Vec::from_iter(ids));
            let found = installation.store().couplings_by_id(installation.company(), &name, side, &ids).await?;
            couplings.extend(found.into_iter().map(|(id, coupling)| (Owner { kind, id }, coupling)));
        }
        let new = || {
            let new = notes.iter().filter(|note| note.destination.is_none());
            new.filter_map(|note| Owner::of(side, note.source))
        };
        let to = context.direction.destination();
        // Orders in Business Central are deleted when they are invoiced (S143).
        let mut there = HashSet::new();
        for kind in Kind::BOTH {
            let ids = new().filter(|owner| owner.kind == kind).filter_map(|owner| couplings.get(&owner));
            let ids: HashSet<RecordId> = ids.filter(|coupling| is_usable(coupling)).map(|one| one.id(to)).collect();
            there.extend(found(installation, kind, to, ids).await?.into_iter().map(|id| (kind, id)));
        }
        let uncoupled = new().filter(|owner| owner.kind == Kind::Quote && !couplings.contains_key(owner));
        let uncoupled: HashSet<RecordId> = uncoupled.map(|owner| owner.id).collect();
        let waits = side == Side::Dataverse && When::AutoProcessQuotes.holds(installation.switches());
        let to_come = if waits { to_come(installation, uncoupled).await? } else { HashSet::new() };
        Ok(Self { couplings, there, to_come })
    }

    /// The coupling of a document.
    pub fn coupling(&self, owner: Owner) -> Option<&Coupling> {
        self.couplings.get(&owner)
    }

    /// Whether a document that is to get new notes is at the destination.
    pub fn is_there(&self, kind: Kind, id: RecordId) -> bool {
        self.there.contains(&(kind, id))
    }

    /// Whether a document is not coupled yet, and will be.
    pub fn is_to_come(&self, owner: Owner) -> bool {
        owner.kind == Kind::Quote && self.to_come.contains(&owner.id)
    }
}

/// Those of some documents that are on a side.
pub(super) async fn found(
    installation: &Installation,
    kind: Kind,
    side: Side,
    ids: HashSet<RecordId>,
) -> Result<HashSet<RecordId>, EngineError> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let table = installation.table(side, kind.table(side))?;
    let found = installation.system(side).fetch(&table, &Vec::from_iter(ids), &[]).await?;
    Ok(found.into_iter().map(|document| document.id).collect())
}

async fn to_come(installation: &Installation, quotes: HashSet<RecordId>) -> Result<HashSet<RecordId>, EngineError> {
    if quotes.is_empty() {
        return Ok(HashSet::new());
    }
    let table = installation.table(Side::Dataverse, Kind::Quote.row_table())?;
    let columns = ["statecode", "bcbi_companyid"].map(str::to_owned);
    let found = installation.system(Side::Dataverse).fetch(&table, &Vec::from_iter(quotes), &columns).await?;
    let own = installation.company_row().await?.map(|company| company.id.0);
    // Quotes of another company are coupled by its own installation.
    let is_ours = |quote: &Record| quote.get("bcbi_companyid").as_guid().is_none_or(|company| own == Some(company));
    let is_on_its_way =
        |quote: &Record| matches!(quote.get("statecode").as_int(), Some(ACTIVE | WON)) && is_ours(quote);
    Ok(found.into_iter().filter(is_on_its_way).map(|quote| quote.id).collect())
}
