//! `couplet notifications`: the subscriptions by which both systems tell of changes.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use couplet_engine::SubscriptionsStatus;
use couplet_local::Door;
use couplet_model::subscription::{Subscription, SubscriptionState};
use couplet_runtime::handlers::{KeepError, Keeping, keep_subscriptions};
use serde_json::{Value, json};

use super::jobs::seconds;
use crate::arguments::NotificationsCommand;
use crate::deployed::Stack;
use crate::installation::{self, Installation};
use crate::output;
use crate::place::Place;
use crate::tables::{table, text};

/// Shows the subscriptions, or has them kept or removed.
pub async fn notifications(place: &Place, command: NotificationsCommand) -> anyhow::Result<ExitCode> {
    let (status, as_json) = match command {
        NotificationsCommand::Status { json } => (place.look().await?.engine.subscriptions().await?, json),
        NotificationsCommand::Renew { json } => (keep(place, Keeping::Renew).await?, json),
        NotificationsCommand::Remove { json } => (keep(place, Keeping::Remove).await?, json),
    };
    if as_json {
        output::json(&object(&status))?;
    } else {
        output::result(&render(&status))?;
    }
    let is_asked = matches!(command, NotificationsCommand::Status { .. });
    Ok(if is_asked || status.failures() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn keep(place: &Place, wanted: Keeping) -> anyhow::Result<SubscriptionsStatus> {
    match place {
        Place::Here(config) => keep_here(config.as_deref(), wanted).await,
        Place::Deployed(name) => Stack::reach(name).await?.keep_subscriptions(wanted).await,
    }
}

async fn keep_here(config: Option<&Path>, wanted: Keeping) -> anyhow::Result<SubscriptionsStatus> {
    let settings = installation::settings(config)?;
    let section = settings.notifications.as_ref().ok_or(KeepError::SwitchedOff)?;
    let installation = Installation::open(&settings).await?;
    // Business Central asks at the door whether it wants to be told.
    let door = Door::open(installation.application.clone(), section.listen).await;
    let _door = door.with_context(|| format!("the door for notifications cannot be opened at {}", section.listen))?;
    Ok(keep_subscriptions(&installation.application, wanted).await?)
}

/// How a subscription stands: a word for programs, and what is to be said of it.
fn in_words(state: &SubscriptionState) -> (&'static str, String) {
    match state {
        SubscriptionState::Until { ends, .. } => ("subscribed", format!("until {}", seconds(*ends))),
        SubscriptionState::Standing => ("subscribed", String::new()),
        SubscriptionState::Impossible { why } => ("not possible", why.clone()),
        SubscriptionState::Failed { why } => ("failed", why.clone()),
    }
}

fn object(status: &SubscriptionsStatus) -> Value {
    let tables: Vec<Value> = status
        .tables
        .iter()
        .map(|Subscription { side, table, state }| {
            let until = match state {
                SubscriptionState::Until { ends, .. } => json!(ends),
                _ => Value::Null,
            };
            let why = match state {
                SubscriptionState::Impossible { why } | SubscriptionState::Failed { why } => json!(why),
                SubscriptionState::Until { .. } | SubscriptionState::Standing => Value::Null,
            };
            json!({ "system": side, "table": table, "state": in_words(state).0, "until": until, "why": why })
        })
        .collect();
    let unreachable: Vec<Value> =
        status.unreachable.iter().map(|(side, why)| json!({ "system": side, "why": why })).collect();
    json!({ "seen": status.seen, "address": status.address, "tables": tables, "unreachable": unreachable })
}

fn render(status: &SubscriptionsStatus) -> String {
    let Some(seen) = status.seen else {
        return "no subscription was ever asked for: set notifications.url and notifications.secret, or the parameter \
                Notifications of the stack"
            .to_owned();
    };
    let mut shown = table(&["system", "table", "state", "remark"]);
    for Subscription { side, table, state } in &status.tables {
        let (word, remark) = in_words(state);
        shown.add_row(vec![text(side.to_string()), text(table), text(word), text(remark)]);
    }
    let mut lines = vec![shown.to_string(), format!("as of {}, to be told at {}", seconds(seen), status.address)];
    lines.extend(status.unreachable.iter().map(|(side, why)| format!("{side} could not be asked: {why}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use couplet_model::table::Side;
    use jiff::Timestamp;

    use super::*;

    fn status() -> SubscriptionsStatus {
        let of = |side, table: &str, state| Subscription { side, table: table.to_owned(), state };
        SubscriptionsStatus {
            seen: Some(Timestamp::UNIX_EPOCH),
            address: "https://door.example/".to_owned(),
            tables: vec![
                of(
                    Side::BusinessCentral,
                    "Item",
                    SubscriptionState::Until { id: "a".into(), ends: Timestamp::UNIX_EPOCH },
                ),
                of(Side::BusinessCentral, "Contact", SubscriptionState::Impossible { why: "not told of".into() }),
                of(Side::Dataverse, "account", SubscriptionState::Standing),
                of(Side::Dataverse, "product", SubscriptionState::Failed { why: "no privilege".into() }),
            ],
            unreachable: vec![(Side::BusinessCentral, "it is away".to_owned())],
        }
    }

    #[test]
    fn a_person_sees_what_is_subscribed_until_when_and_what_is_not_and_why() {
        let shown = render(&status());
        for part in [
            "until 1970-01-01T00:00:00Z",
            "not possible",
            "no privilege",
            "to be told at https://door.example/",
            "Business Central could not be asked: it is away",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(render(&SubscriptionsStatus::default()).contains("notifications.url"));
        assert_eq!(status().failures(), 2);
    }

    #[test]
    fn the_object_has_the_documented_shape() {
        let object = object(&status());
        assert_eq!(
            object["tables"][0].to_string(),
            r#"{"system":"business_central","table":"Item","state":"subscribed","until":"1970-01-01T00:00:00Z","why":null}"#
        );
        assert_eq!(object["tables"][3]["why"], "no privilege");
        assert_eq!(object["unreachable"][0]["system"], "business_central");
    }
}
