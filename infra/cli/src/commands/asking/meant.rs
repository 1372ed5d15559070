//! Which records a command means: as they were named, and as they are shown before anything is changed.

use anyhow::bail;
use couplet_engine::{Engine, LostPair, Named};
use couplet_model::ids::{MappingName, RecordId};
use couplet_model::request::Chosen;
use couplet_model::table::Side;
use couplet_runtime::handlers::{AskEvent, FindEvent};
use serde_json::{Value, json};

use super::super::conflicts;
use super::{Ended, Look};
use crate::deployed::Stack;
use crate::tables::{table, text};

/// Couplings that are counted at once to tell how many are meant.
const PAGE: usize = 1_000;
/// Records that are shown of many that are meant.
const SHOWN: usize = 20;

/// A record as it was found.
pub(super) struct Meant {
    pub side: Side,
    pub id: RecordId,
    label: String,
    partner: Option<RecordId>,
}

/// The records that some names mean, one each. A stack is called once for all names, and the store is read once.
pub(super) async fn found(
    engine: &Engine,
    stack: Option<&Stack>,
    mapping: &MappingName,
    side: Side,
    names: &[String],
) -> anyhow::Result<Vec<Meant>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let named = match stack {
        None => {
            let mut named = Vec::with_capacity(names.len());
            for name in names {
                named.push(engine.named(mapping, side, name).await?);
            }
            named
        }
        Some(stack) => {
            let event = FindEvent { mapping: mapping.clone(), side, names: names.to_vec() };
            stack.find(event).await?.found
        }
    };
    if named.len() != names.len() {
        bail!("{} of {} names were answered; use the couplet the stack was deployed with", named.len(), names.len());
    }
    let mut records = Vec::with_capacity(names.len());
    for (name, named) in names.iter().zip(named) {
        records.push(one_of(mapping, side, name, named)?);
    }
    with_partners(engine, mapping, side, records).await
}

/// Records of a side, with those that they are coupled with.
async fn with_partners(
    engine: &Engine,
    mapping: &MappingName,
    side: Side,
    records: Vec<Named>,
) -> anyhow::Result<Vec<Meant>> {
    let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
    let pairs = engine.store().couplings_by_id(engine.company(), mapping, side, &ids).await?;
    let meant = |Named { id, label }: Named| {
        let partner = pairs.get(&id).map(|pair| pair.id(side.other()));
        Meant { side, id, label, partner }
    };
    Ok(records.into_iter().map(meant).collect())
}

/// The one record that a name means.
pub(in crate::commands) fn one_of(
    mapping: &MappingName,
    side: Side,
    name: &str,
    mut named: Vec<Named>,
) -> anyhow::Result<Named> {
    match (named.pop(), named.as_slice()) {
        (None, _) => bail!("no record of {mapping} in {side} has the number, code or name {name:?}"),
        (Some(one), []) => Ok(one),
        (Some(last), others) => {
            let all = others.iter().chain([&last]);
            let list: Vec<String> = all.take(10).map(|one| format!("{} ({})", one.label, one.id)).collect();
            bail!(
                "{} records of {mapping} in {side} are called {name:?}; name one by its id: {}",
                others.len() + 1,
                list.join(", ")
            )
        }
    }
}

pub(super) async fn failures(engine: &Engine, mapping: &MappingName) -> anyhow::Result<usize> {
    Ok(engine.store().failures_both_ways(engine.company(), mapping).await?.len())
}

/// How many pairs of a mapping there are, or how many of them are skipped.
async fn pairs(engine: &Engine, mapping: &MappingName, skipped_only: bool) -> anyhow::Result<usize> {
    let (mut count, mut after) = (0, None);
    loop {
        let page = engine.store().coupling_page(engine.company(), mapping, after, PAGE).await?;
        count += page.couplings.iter().filter(|pair| pair.skipped || !skipped_only).count();
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

/// Tells which records are meant. A stack is asked which ones a filter means.
pub(super) async fn would(
    engine: &Engine,
    stack: Option<&Stack>,
    event: &AskEvent,
    mut meant: Vec<Meant>,
) -> anyhow::Result<Ended> {
    let AskEvent { mapping, want, of } = event;
    let count = match of {
        Chosen::Records(_) | Chosen::Pairs(_) => meant.len(),
        Chosen::Coupled => pairs(engine, mapping, false).await?,
        Chosen::Skipped => pairs(engine, mapping, true).await?,
        Chosen::Failed => failures(engine, mapping).await?,
        Chosen::Conflicting => conflicts::of_mapping(engine, mapping).await?.len(),
        Chosen::Deleted => {
            let lost = engine.lost_pairs(mapping).await?;
            meant = lost.iter().take(SHOWN).map(left_of).collect();
            lost.len()
        }
        Chosen::Matching(..) | Chosen::Stray => {
            let side = if let Chosen::Matching(side, _) = of { *side } else { Side::Dataverse };
            let found = match stack {
                Some(stack) => stack.meant(event.clone()).await?,
                None => engine.meant_by(mapping, want.clone(), of.clone()).await?,
            };
            meant = with_partners(engine, mapping, side, found.first).await?;
            usize::try_from(found.count).unwrap_or(usize::MAX)
        }
        // Who matches is told by the command that matches.
        Chosen::Uncoupled(_) => 0,
    };
    let records: Vec<Value> = meant
        .iter()
        .map(|record| json!({ "side": record.side, "record": record.id, "label": record.label, "coupled_with": record.partner }))
        .collect();
    let object = json!({ "mapping": mapping, "want": want, "meant": count, "records": records });
    let mut lines = Vec::new();
    if !meant.is_empty() {
        let mut shown = table(&["side", "record", "id", "coupled with"]);
        for record in &meant {
            let partner = record.partner.map_or_else(|| "–".to_owned(), |partner| partner.to_string());
            shown.add_row(vec![text(record.side), text(&record.label), text(record.id), text(partner)]);
        }
        lines.push(shown.to_string());
        if count > meant.len() {
            lines.push(format!("and {} more", count - meant.len()));
        }
    }
    lines.push(format!("{count} records of {mapping} are meant; nothing was changed"));
    Ok(Ended::Look(Look { object, lines }))
}

/// The record that is left of a pair, and its partner that was deleted.
fn left_of(pair: &LostPair) -> Meant {
    let side = pair.gone.other();
    let (id, partner) = match side {
        Side::BusinessCentral => (pair.business_central, pair.dataverse),
        Side::Dataverse => (pair.dataverse, pair.business_central),
    };
    Meant { side, id, label: pair.label.clone(), partner: Some(partner) }
}
