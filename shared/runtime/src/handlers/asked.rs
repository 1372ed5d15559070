//! What the function of jobs is asked for: a run, by a timer or a person, or what a person does once.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ask::{AskEvent, FindEvent};
use super::full_sync::FullSyncEvent;
use super::keep_subscriptions::Keeping;
use super::run_job::RunJobEvent;
use super::switch_units::SwitchUnitsEvent;

/// An event of the function of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A run of a job.
    Run(RunJobEvent),
    /// To switch the units.
    SwitchUnits(SwitchUnitsEvent),
    /// Something with chosen records.
    Ask(AskEvent),
    /// With which records something would be done that are chosen by a filter.
    Meant(AskEvent),
    /// Which records names mean.
    Find(FindEvent),
    /// The full synchronization of the installation.
    FullSync(FullSyncEvent),
    /// The subscriptions that bring change notifications.
    Notifications(Keeping),
}

/// The event of the timer that keeps the subscriptions, or of a person.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscriptions {
    notifications: Keeping,
}

/// The event of a person who synchronizes the installation in full.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullSync {
    full_sync: FullSyncEvent,
}

/// The event of a person who switches the units.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SwitchUnits {
    switch_units: SwitchUnitsEvent,
}

/// The event of a person who asks for something with chosen records.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    ask: AskEvent,
}

/// The event of a person who looks which records a filter means.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeantBy {
    meant: AskEvent,
}

/// The event of a person who names records.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    find: FindEvent,
}

impl<'de> Deserialize<'de> for Asked {
    /// By the one field that tells them apart, so that a misspelt field is named.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Value::deserialize(deserializer)?;
        let read = if event.get("switch_units").is_some() {
            serde_json::from_value(event).map(|SwitchUnits { switch_units }| Self::SwitchUnits(switch_units))
        } else if event.get("ask").is_some() {
            serde_json::from_value(event).map(|Ask { ask }| Self::Ask(ask))
        } else if event.get("meant").is_some() {
            serde_json::from_value(event).map(|MeantBy { meant }| Self::Meant(meant))
        } else if event.get("find").is_some() {
            serde_json::from_value(event).map(|Find { find }| Self::Find(find))
        } else if event.get("full_sync").is_some() {
            serde_json::from_value(event).map(|FullSync { full_sync }| Self::FullSync(full_sync))
        } else if event.get("notifications").is_some() {
            serde_json::from_value(event).map(|Subscriptions { notifications }| Self::Notifications(notifications))
        } else {
            serde_json::from_value(event).map(Self::Run)
        };
        read.map_err(D::Error::custom)
    }
}

impl Serialize for Asked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Run(event) => event.serialize(serializer),
            Self::SwitchUnits(event) => SwitchUnits { switch_units: *event }.serialize(serializer),
            Self::Ask(event) => Ask { ask: event.clone() }.serialize(serializer),
            Self::Meant(event) => MeantBy { meant: event.clone() }.serialize(serializer),
            Self::Find(event) => Find { find: event.clone() }.serialize(serializer),
            Self::FullSync(event) => FullSync { full_sync: event.clone() }.serialize(serializer),
            Self::Notifications(keeping) => Subscriptions { notifications: *keeping }.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_by_what_it_names() {
        let asked = |text: &str| serde_json::from_str::<Asked>(text);
        let timer = asked(include_str!("fixtures/run-job.json")).expect("a run");
        assert!(matches!(&timer, Asked::Run(event) if event.job == "ITEM-PRODUCT"));
        let text = r#"{"switch_units":{"dry_run":true}}"#;
        let switch = asked(text).expect("a switch");
        assert_eq!(switch, Asked::SwitchUnits(SwitchUnitsEvent { dry_run: true }));
        assert_eq!(serde_json::to_string(&switch).expect("JSON"), text);
        let text = r#"{"ask":{"mapping":"CUSTOMER","want":"uncouple","of":"coupled"}}"#;
        let uncouple = asked(text).expect("a request");
        assert!(matches!(&uncouple, Asked::Ask(event) if event.mapping.as_str() == "CUSTOMER"));
        assert_eq!(serde_json::to_string(&uncouple).expect("JSON"), text);
        let text = r#"{"meant":{"mapping":"CUSTOMER","want":"skip","of":{"matching":["business_central",[]]}}}"#;
        let meant = asked(text).expect("a look");
        assert!(matches!(&meant, Asked::Meant(event) if event.mapping.as_str() == "CUSTOMER"));
        assert_eq!(serde_json::to_string(&meant).expect("JSON"), text);
        let text = r#"{"find":{"mapping":"CUSTOMER","side":"dataverse","names":["Adatum"]}}"#;
        assert!(matches!(asked(text).expect("names"), Asked::Find(event) if event.names == ["Adatum"]));
        let text = r#"{"full_sync":{"start":{"mappings":[],"full":["CUSTOMER"],"by":{}}}}"#;
        let start = asked(text).expect("a start");
        assert!(matches!(&start, Asked::FullSync(FullSyncEvent::Start(choice)) if choice.full == ["CUSTOMER"]));
        assert_eq!(serde_json::to_string(&start).expect("JSON"), text);
        let text = r#"{"notifications":"renew"}"#;
        let renewal = asked(text).expect("the subscriptions");
        assert_eq!(renewal, Asked::Notifications(Keeping::Renew));
        assert_eq!(serde_json::to_string(&renewal).expect("JSON"), text);
        for (misspelt, named) in [
            (r#"{"full_sync":{"start":{"who":[]}}}"#, "who"),
            (r#"{"ask":{"mapping":"CUSTOMER","want":"skip","of":"coupled","who":"me"}}"#, "who"),
            (r#"{"job":"CUSTOMER","modus":"full"}"#, "modus"),
            (r#"{"switch_units":{"dry":true}}"#, "dry"),
            (r#"{"switch_units":{"dry_run":true},"job":"CUSTOMER"}"#, "job"),
        ] {
            let error = asked(misspelt).expect_err("refused").to_string();
            assert!(error.contains(&format!("unknown field `{named}`")), "{error}");
        }
    }
}
