//! How soon a change arrives that nobody looks for: both systems tell of it, and the time from the row that was changed to the
//! row it came to is measured by the clocks of both systems.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use couplet_local::EventSource;
use couplet_runtime::Application;
use couplet_runtime::handlers::{Keeping, keep_subscriptions};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::company::Company;
use super::people::{in_business_central, in_sales};
use super::world::{Couplings, Pair};

/// How long Business Central gathers changes before it tells of them. The real service waits for 30 seconds, which nobody
/// wants to sit through.
const GATHERING: Duration = Duration::from_secs(1);
/// How long a change may take in this demonstration.
pub const LONGEST: Duration = Duration::from_secs(5);
/// When a change is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A change that was told of.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Which way it went.
    pub direction: &'static str,
    /// What changed.
    pub what: &'static str,
    /// At most so long.
    pub took: Duration,
}

/// A row that changes, or that a change comes to.
struct Watched<'a> {
    table: &'a str,
    id: Uuid,
    column: &'a str,
    /// Its column with the time of its last change.
    modified: &'a str,
}

/// Has both systems tell of changes, changes a customer in one and a product in the other, and waits for both.
///
/// # Errors
/// When a system cannot tell of changes, refuses one, or it does not arrive.
pub async fn measure(
    company: &Company,
    application: &Application,
    source: &EventSource,
    couplings: &Couplings,
) -> anyhow::Result<Vec<Arrival>> {
    let (Some(customer), Some(item)) =
        (last_pair(company, couplings, "Customer"), last_pair(company, couplings, "Item"))
    else {
        return Ok(Vec::new());
    };
    company.business_central.faults().set_webhook_delay(GATHERING);
    let status = keep_subscriptions(application, Keeping::Renew).await?;
    if let Some((side, why)) = status.unreachable.first() {
        bail!("{side} cannot tell of changes: {why}");
    }
    let (end, stop) = watch::channel(false);
    let both = async {
        let arrived = tokio::join!(to_sales(company, customer), from_sales(company, item));
        end.send_replace(true);
        arrived
    };
    let ((to, from), ()) = tokio::join!(both, source.run(&stop));
    Ok(vec![to?, from?])
}

/// The last coupled pair of a table that is for sale.
fn last_pair(company: &Company, couplings: &Couplings, table: &str) -> Option<Pair> {
    let is_blocked = |row: &Map<String, Value>| row.get("blocked").is_some_and(|blocked| *blocked == json!(true));
    let fits =
        |pair: &&Pair| company.business_central.row(table, pair.business_central).is_some_and(|row| !is_blocked(&row));
    couplings.values().find_map(|pairs| pairs.iter().rev().find(fits).copied())
}

async fn to_sales(company: &Company, pair: Pair) -> anyhow::Result<Arrival> {
    let phone = "+1 555 0911";
    in_business_central(company, "Customer", pair, json!({ "phoneNumber": phone }))?;
    let from = Watched {
        table: "Customer",
        id: pair.business_central,
        column: "phoneNumber",
        modified: "lastModifiedDateTime",
    };
    let to = Watched { table: "account", id: pair.dataverse, column: "telephone1", modified: "modifiedon" };
    let (erp, crm) = (&company.business_central, &company.dataverse);
    let took = arrival(|| erp.row(from.table, from.id), &from, || crm.row(to.table, to.id), &to, phone).await;
    Ok(Arrival { direction: "to Dataverse", what: "the phone of a customer", took: took? })
}

async fn from_sales(company: &Company, pair: Pair) -> anyhow::Result<Arrival> {
    let name = "Renamed a moment ago";
    in_sales(company, "product", pair.dataverse, json!({ "name": name }))?;
    let from = Watched { table: "product", id: pair.dataverse, column: "name", modified: "modifiedon" };
    let to =
        Watched { table: "Item", id: pair.business_central, column: "displayName", modified: "lastModifiedDateTime" };
    let (erp, crm) = (&company.business_central, &company.dataverse);
    let took = arrival(|| crm.row(from.table, from.id), &from, || erp.row(to.table, to.id), &to, name).await;
    Ok(Arrival { direction: "from Dataverse", what: "the name of a product", took: took? })
}

/// Waits for a value, and tells how long it took from the change of one row to that of the other.
async fn arrival(
    source: impl Fn() -> Option<Map<String, Value>>,
    from: &Watched<'_>,
    destination: impl Fn() -> Option<Map<String, Value>>,
    to: &Watched<'_>,
    value: &str,
) -> anyhow::Result<Duration> {
    // When the change was made; the row may be written again afterwards.
    let changed = modified(&source().context("the changed row is gone")?, from)?;
    let arrived = async {
        loop {
            match destination() {
                Some(row) if row.get(to.column).is_some_and(|held| *held == json!(value)) => return row,
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    };
    let row = tokio::time::timeout(PATIENCE, arrived).await.map_err(|_| {
        anyhow!("the change of {} did not arrive within {} s of its notification", from.table, PATIENCE.as_secs())
    })?;
    at_most(changed, modified(&row, to)?)
}

/// Time of a row's last change, by the clock of its system.
fn modified(row: &Map<String, Value>, watched: &Watched<'_>) -> anyhow::Result<Timestamp> {
    let text = row.get(watched.modified).and_then(Value::as_str).context("a row without its time of change")?;
    Ok(text.parse()?)
}

/// The longest time between two moments of which each may be cut to whole seconds, as Dataverse shows them.
fn at_most(changed: Timestamp, arrived: Timestamp) -> anyhow::Result<Duration> {
    let is_cut = arrived.subsec_nanosecond() == 0;
    let between =
        arrived.duration_since(changed) + if is_cut { SignedDuration::from_secs(1) } else { SignedDuration::ZERO };
    Duration::try_from(between).map_err(|_| anyhow!("a change arrived before it was made: the clocks differ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_cut_to_seconds_never_makes_an_arrival_look_faster() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        for (changed, arrived, longest) in [
            ("2026-01-01T00:00:00.900Z", "2026-01-01T00:00:02Z", 2100),
            ("2026-01-01T00:00:00.900Z", "2026-01-01T00:00:00Z", 100),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:02.500Z", 2500),
        ] {
            let took = at_most(at(changed), at(arrived)).expect("a time");
            assert_eq!(took, Duration::from_millis(longest), "{changed} {arrived}");
        }
        at_most(at("2026-01-01T00:00:05.1Z"), at("2026-01-01T00:00:02Z")).expect_err("clocks differ");
    }
}
