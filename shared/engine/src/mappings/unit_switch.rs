//! From one unit group for each unit of measure to unit groups of items and resources, or back: the products that stand in
//! the way, and the couplings that nobody needs any more (S223, S226, S227).

use std::collections::HashSet;
use std::sync::Arc;

use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write};
use couplet_model::table::Side;
use couplet_model::{Coupling, MappingName, Record, RecordId, RetryClass, SystemError, Value};

use super::products::RETIRED;
use super::unit_owners::{Owner, UNIT_GROUPS};
use crate::bulk::{paired, write_all};
use crate::error::EngineError;
use crate::installation::Installation;

/// The mapping of unit groups with one unit each.
const SINGLE_UNITS: &str = "UNIT OF MEASURE";
/// Couplings that are looked at together.
const PAGE: usize = 500;

/// A product of a unit group that is left behind. Dataverse lets nobody change its unit group, so that its item or resource
/// needs another product.
#[derive(Clone, Debug, PartialEq)]
pub struct OldProduct {
    /// The mapping that couples it.
    pub mapping: MappingName,
    /// Its number.
    pub number: String,
    /// The number it gets, so that the new product can have its own.
    pub becomes: String,
    id: RecordId,
    coupling: Coupling,
}

/// An old product that Dataverse does not let go.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedProduct {
    /// The mapping that couples it.
    pub mapping: MappingName,
    /// Its number.
    pub number: String,
    /// What Dataverse says to it.
    pub reason: SystemError,
    id: RecordId,
}

impl RefusedProduct {
    fn of(product: &OldProduct, reason: SystemError) -> Self {
        Self { mapping: product.mapping.clone(), number: product.number.clone(), reason, id: product.id }
    }

    /// Whether it is this one.
    pub fn is(&self, product: &OldProduct) -> bool {
        self.id == product.id
    }
}

/// Whether an error is about one product, so that the others go on.
fn is_of_the_product(error: &SystemError) -> bool {
    matches!(error.retry_class(), RetryClass::Data | RetryClass::Conflict) || error.kind == SystemErrorKind::Forbidden
}

/// The mappings whose couplings are left behind; the one of the unit groups first.
pub(crate) fn left_behind(installation: &Installation) -> Vec<MappingName> {
    match installation.switches().unit_groups {
        true => vec![MappingName::from(SINGLE_UNITS)],
        false => vec![MappingName::from(UNIT_GROUPS), Owner::Item.units(), Owner::Resource.units()],
    }
}

/// The mappings that read everything afterwards, in their order.
pub(crate) fn taken_up(installation: &Installation) -> Vec<MappingName> {
    let mut units = match installation.switches().unit_groups {
        false => vec![MappingName::from(SINGLE_UNITS)],
        true => vec![MappingName::from(UNIT_GROUPS), Owner::Item.units(), Owner::Resource.units()],
    };
    units.extend(Owner::ALL.map(Owner::products));
    units
}

/// Couplings of a mapping, as many as are looked at together, from a place on.
pub(crate) async fn couplings(
    installation: &Installation,
    mapping: &MappingName,
    after: Option<String>,
) -> Result<(Vec<Coupling>, Option<String>), EngineError> {
    let page = installation.store().coupling_page(installation.company(), mapping, after, PAGE).await?;
    Ok((page.couplings, page.next))
}

/// The coupled products of unit groups that are left behind, without those that were refused before; the first page of
/// them that has any, or all.
pub(crate) async fn old_products(
    installation: &Installation,
    only_a_page: bool,
    refused: &[RefusedProduct],
) -> Result<Vec<OldProduct>, EngineError> {
    let refused: HashSet<RecordId> = refused.iter().map(|product| product.id).collect();
    let mut found = Vec::new();
    for mapping in Owner::ALL.map(Owner::products) {
        let mut after = None;
        loop {
            let (page, next) = couplings(installation, &mapping, after).await?;
            let old = old_ones(installation, &mapping, &page).await?;
            found.extend(old.into_iter().filter(|product| !refused.contains(&product.id)));
            if only_a_page && !found.is_empty() {
                return Ok(found);
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(found)
}

async fn old_ones(
    installation: &Installation,
    mapping: &MappingName,
    couplings: &[Coupling],
) -> Result<Vec<OldProduct>, EngineError> {
    let table = installation.table(Side::Dataverse, "product")?;
    let ids: Vec<RecordId> = couplings.iter().map(|coupling| coupling.dataverse_id.into()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let columns = ["productnumber".to_owned(), "defaultuomscheduleid".to_owned()];
    let products = installation.system(Side::Dataverse).fetch(&table, &ids, &columns).await?;
    let group_of = |product: &Record| product.get("defaultuomscheduleid").as_guid().map(RecordId);
    let mut groups: Vec<RecordId> = products.iter().filter_map(group_of).collect();
    groups.sort();
    groups.dedup();
    let Some(of_groups) = left_behind(installation).into_iter().next() else { return Ok(Vec::new()) };
    let store = installation.store();
    let left = store.couplings_by_id(installation.company(), &of_groups, Side::Dataverse, &groups).await?;
    let is_old = |product: &&Record| group_of(product).is_some_and(|group| left.contains_key(&group));
    let old = products.iter().filter(is_old).filter_map(|product| {
        let coupling = couplings.iter().find(|coupling| RecordId::from(coupling.dataverse_id) == product.id)?;
        let number = product.get("productnumber").as_text().unwrap_or_default().to_owned();
        Some(OldProduct {
            mapping: mapping.clone(),
            becomes: other_number(&number, product.id),
            number,
            id: product.id,
            coupling: coupling.clone(),
        })
    });
    Ok(old.collect())
}

/// A number that nobody else has, and that stays the same when the product gets it twice.
fn other_number(number: &str, id: RecordId) -> String {
    let id = id.0.simple().to_string();
    let mark = format!("-OLD-{}", &id[id.len() - 12..]);
    if number.ends_with(&mark) { number.to_owned() } else { format!("{number}{mark}") }
}

/// Gives products another number, retires them, and uncouples them, in this order: a product that is done half-way is still
/// coupled, and is done again. Gives those that Dataverse refuses; the others are done.
///
/// # Errors
/// When a system or the store fails, after all that could be done was done.
pub(crate) async fn replace(
    installation: &Installation,
    products: &[OldProduct],
) -> Result<Vec<RefusedProduct>, EngineError> {
    let table = installation.table(Side::Dataverse, "product")?;
    let retire = |product: &OldProduct| {
        let values: Values = [
            (Arc::from("productnumber"), Value::text(product.becomes.clone())),
            (Arc::from("statecode"), Value::Int(RETIRED.0)),
            (Arc::from("statuscode"), Value::Int(RETIRED.1)),
        ]
        .into();
        Write::update(product.id, None, values)
    };
    let writes: Vec<Write> = products.iter().map(retire).collect();
    let results = write_all(installation.system(Side::Dataverse), &table, &writes).await;
    let (mut failed, mut refused): (Option<SystemError>, _) = (None, Vec::new());
    for (product, result) in paired("old products", products.iter().collect(), results)? {
        match result {
            Err(error) if error.kind != SystemErrorKind::NotFound && is_of_the_product(&error) => {
                refused.push(RefusedProduct::of(product, error));
            }
            Err(error) if error.kind != SystemErrorKind::NotFound => failed = failed.or(Some(error)),
            // A product that is gone needs no other number.
            _ => {
                installation
                    .store()
                    .remove_coupling(installation.company(), &product.mapping, &product.coupling)
                    .await?;
            }
        }
    }
    failed.map_or(Ok(refused), |error| Err(error.into()))
}
