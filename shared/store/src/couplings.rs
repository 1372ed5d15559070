//! Reading couplings.

use std::collections::HashMap;

use couplet_model::comparing::same;
use couplet_model::{CompanyId, Coupling, CouplingState, DataverseId, MappingName, RecordId, Side, SystemId};
use futures_util::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, Item, check_size, number, text, text_if_any, with_data, word};
use crate::keys::{self, COUPLING, Key, SHARDS};
use crate::requests::{CONCURRENT, Range};
use crate::terms::Terms;
use crate::transaction::Action;

/// Attribute with the revision every change is conditional on.
pub(crate) const REVISION: &str = "rev";
/// Attribute of a coupling with its Dataverse id.
pub(crate) const DATAVERSE_ID: &str = "dv";
/// Attribute of a coupling with its key.
pub(crate) const KEY: &str = "key";
/// Attribute of a pointer with the Business Central id of its coupling.
pub(crate) const SYSTEM_ID: &str = "bc";

/// A page of couplings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CouplingPage {
    /// The couplings, in no order that means anything.
    pub couplings: Vec<Coupling>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<String>,
}

/// The item of a coupling, as it is in the value.
pub(crate) fn coupling_item(
    company: CompanyId,
    mapping: &MappingName,
    coupling: &Coupling,
) -> Result<(Key, Item), StoreError> {
    let key = keys::coupling(company, mapping, coupling.system_id.into());
    let name = || format!("the coupling of {} and {} in {mapping}", coupling.system_id, coupling.dataverse_id);
    let mut item = with_data(&key, &name(), coupling)?;
    item.insert(REVISION.to_owned(), number(coupling.revision));
    item.insert("state".to_owned(), word(&coupling.state));
    item.insert(DATAVERSE_ID.to_owned(), text(coupling.dataverse_id.to_string()));
    if let Some(code) = &coupling.key {
        item.insert(KEY.to_owned(), text(code));
    }
    check_size(&item, name)?;
    Ok((key, item))
}

/// The coupling that an item holds. A damaged one has its ids, as far as they are readable, and says what is wrong.
pub(crate) fn coupling_of(item: &Item) -> Coupling {
    let error = match item::data(item) {
        Ok(coupling) => return coupling,
        Err(error) => error,
    };
    let id = |text: Option<&str>| text.and_then(|text| text.parse::<RecordId>().ok()).unwrap_or(RecordId(Uuid::nil()));
    let system_id = Key::of(item).and_then(|key| key.sk.rsplit_once('#').map(|(_, id)| id.to_owned()));
    let (system_id, dataverse_id) = (id(system_id.as_deref()), id(text_if_any(item, DATAVERSE_ID)));
    let state = item::word_of(item, "state").unwrap_or(CouplingState::Coupled);
    Coupling {
        key: text_if_any(item, KEY).map(str::to_owned),
        revision: item::count_of(item, REVISION).unwrap_or(0),
        damage: Some(error.to_string()),
        ..Coupling::new(SystemId(system_id.0), DataverseId(dataverse_id.0), state)
    }
}

/// The item through which an id or a key points to its coupling.
pub(crate) fn pointer_item(key: &Key, coupling: &Coupling) -> Item {
    let mut item = key.attributes();
    item.insert(SYSTEM_ID.to_owned(), text(coupling.system_id.to_string()));
    item
}

/// Where the document of a line points to its coupling; `None` for what is no line.
pub(crate) fn line_key(company: CompanyId, mapping: &MappingName, coupling: &Coupling) -> Option<Key> {
    coupling.document.map(|document| keys::line(company, mapping, document.into(), coupling.system_id.into()))
}

/// Whose coupling a pointer points to.
pub(crate) fn pointed_at(item: &Item) -> Result<RecordId, StoreError> {
    item::parsed(item, SYSTEM_ID)
}

/// The pointer is this coupling's, or nobody's.
pub(crate) fn own_pointer_or_none(coupling: &Coupling) -> Terms {
    Terms::only_if("attribute_not_exists(pk) OR bc = :bc").value("bc", text(coupling.system_id.to_string()))
}

impl Store {
    /// The couplings of records of one side, by their ids there. Records that are not coupled are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn couplings_by_id(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        side: Side,
        ids: &[RecordId],
    ) -> Result<HashMap<RecordId, Coupling>, StoreError> {
        let system_ids: Vec<RecordId> = match side {
            Side::BusinessCentral => ids.to_vec(),
            Side::Dataverse => {
                let pointers = self.read_many(ids.iter().map(|id| keys::dataverse(company, mapping, *id))).await?;
                pointers.values().map(pointed_at).collect::<Result<_, _>>()?
            }
        };
        let couplings = self.read_couplings(company, mapping, &system_ids).await?;
        Ok(couplings.into_iter().map(|coupling| (coupling.id(side), coupling)).collect())
    }

    /// The couplings by the key people write (`No.`, `Code`), compared as the systems do: without regard to case. Keys that
    /// are not coupled are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn couplings_by_key(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        keys: &[String],
    ) -> Result<HashMap<String, Coupling>, StoreError> {
        let places = |key: &String| [keys::code(company, mapping, key), keys::code_as_written(company, mapping, key)];
        let pointers = self.read_many(keys.iter().flat_map(places)).await?;
        let mut owners: HashMap<&String, RecordId> = HashMap::new();
        for key in keys {
            if let Some(pointer) = places(key).iter().find_map(|place| pointers.get(place)) {
                owners.insert(key, pointed_at(pointer)?);
            }
        }
        let system_ids: Vec<RecordId> = owners.values().copied().collect();
        let couplings = self.read_couplings(company, mapping, &system_ids).await?;
        let couplings: HashMap<RecordId, Coupling> =
            couplings.into_iter().map(|coupling| (coupling.system_id.into(), coupling)).collect();
        let owned = owners.into_iter().filter_map(|(key, owner)| Some((key.clone(), couplings.get(&owner)?.clone())));
        // A pointer that an earlier version stored may have stayed behind when its record was renamed.
        Ok(owned.filter(|(key, coupling)| coupling.key.as_ref().is_none_or(|own| same(own, key))).collect())
    }

    /// The couplings of all lines of some documents, of the mapping that the lines have; in no order that means anything.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn couplings_of_documents(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        headers: &[SystemId],
    ) -> Result<Vec<Coupling>, StoreError> {
        let pages: Vec<Vec<(RecordId, SystemId)>> = stream::iter(headers.to_vec())
            .map(|header| {
                let (store, (pk, prefix)) = (self.clone(), keys::lines(company, mapping, header.into()));
                async move {
                    let pointers = store.query(Range::starting(pk, prefix)).await?;
                    pointers.iter().map(|pointer| Ok((pointed_at(pointer)?, header))).collect::<Result<_, StoreError>>()
                }
            })
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await?;
        let headers: HashMap<RecordId, SystemId> = pages.into_iter().flatten().collect();
        let lines: Vec<RecordId> = headers.keys().copied().collect();
        let mut couplings = self.read_couplings(company, mapping, &lines).await?;
        for coupling in &mut couplings {
            // One that is damaged does not say it itself.
            coupling.document = headers.get(&coupling.system_id.into()).copied();
        }
        Ok(couplings)
    }

    /// The actions by which a document points to a coupling of a line that moves from one record to another.
    pub(crate) fn move_line_pointer<R: Copy>(
        &self,
        role: R,
        company: CompanyId,
        mapping: &MappingName,
        [old, new]: [&Coupling; 2],
    ) -> Result<Vec<Action<R>>, StoreError> {
        let (former, line) = (line_key(company, mapping, old), line_key(company, mapping, new));
        let mut actions = Vec::new();
        if former != line {
            if let Some(key) = former {
                actions.push(self.delete(role, key, &Terms::default())?);
            }
            if let Some(key) = line {
                let item = pointer_item(&key, new);
                actions.push(self.put(role, key, item, &Terms::default())?);
            }
        }
        Ok(actions)
    }

    async fn read_couplings(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        system_ids: &[RecordId],
    ) -> Result<Vec<Coupling>, StoreError> {
        let items = self.read_many(system_ids.iter().map(|id| keys::coupling(company, mapping, *id))).await?;
        Ok(items.values().map(coupling_of).collect())
    }

    /// Whether a coupling fits into the store, with so many bytes beside it for what is about to be written.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] when it does not.
    pub fn check_coupling(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        coupling: &Coupling,
        beside: usize,
    ) -> Result<(), StoreError> {
        let (_, item) = coupling_item(company, mapping, coupling)?;
        let bytes = item::size(&item) + beside;
        if bytes > item::ITEM_LIMIT {
            let what = format!("the coupling of {} and {} in {mapping}", coupling.system_id, coupling.dataverse_id);
            return Err(StoreError::TooLarge { what, bytes });
        }
        Ok(())
    }

    /// A page of all couplings of a mapping, from the beginning or from where the last page ended.
    ///
    /// # Errors
    /// When the store cannot be read, or `after` is no place a page ended at.
    pub async fn coupling_page(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        after: Option<String>,
        limit: usize,
    ) -> Result<CouplingPage, StoreError> {
        let limit = limit.max(1);
        let (mut shard, mut last) = match &after {
            None => (0, None),
            Some(place) => {
                let (shard, id) = parse_place(place)?;
                (shard, Some(format!("{COUPLING}{id}")))
            }
        };
        let mut page = CouplingPage::default();
        while shard < SHARDS {
            let mut range = Range::starting(keys::shard_pk(company, mapping, shard), COUPLING);
            range.after = last.take();
            range.per_request = i32::try_from(limit - page.couplings.len()).ok();
            let (items, next) = self.query_once(&range).await?;
            page.couplings.extend(items.iter().map(coupling_of));
            if page.couplings.len() >= limit {
                page.next = page.couplings.last().map(|coupling| format!("{shard}#{}", coupling.system_id));
                return Ok(page);
            }
            match next {
                Some(_) => last = next,
                None => shard += 1,
            }
        }
        Ok(page)
    }

    /// How many records of a mapping are coupled; reservations do not count.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_couplings(&self, company: CompanyId, mapping: &MappingName) -> Result<u64, StoreError> {
        let partitions: Vec<String> = (0..SHARDS).map(|shard| keys::shard_pk(company, mapping, shard)).collect();
        let counts: Vec<u64> = stream::iter(partitions)
            .map(|pk| {
                let store = self.clone();
                async move { store.count_where(&pk, COUPLING, "state", word(&CouplingState::Coupled)).await }
            })
            .buffer_unordered(CONCURRENT)
            .try_collect()
            .await?;
        Ok(counts.iter().sum())
    }
}

fn parse_place(place: &str) -> Result<(u8, RecordId), StoreError> {
    let parsed = place.split_once('#').and_then(|(shard, id)| Some((shard.parse().ok()?, id.parse().ok()?)));
    parsed.ok_or_else(|| StoreError::Refused(format!("{place:?} is no place in the list of couplings")))
}

/// The revision, the Dataverse id and the key a stored coupling has.
pub(crate) fn stored_identity(item: &Item) -> Result<(u64, RecordId, Option<String>), StoreError> {
    Ok((item::count_of(item, REVISION)?, item::parsed(item, DATAVERSE_ID)?, text_if_any(item, KEY).map(str::to_owned)))
}
