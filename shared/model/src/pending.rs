//! A write of ours that no commit has confirmed yet, as the coupling keeps it.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::decision::TransferredField;
use crate::message::Direction;
use crate::record::{Record, Values};

/// A write that was about to be made and is not confirmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingWrite {
    /// Which way it went.
    pub direction: Direction,
    /// Whether it creates the destination record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creates: bool,
    /// The columns it sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<PendingField>,
}

/// One column of a pending write: both values that agree once it has taken effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingField {
    /// Column at the source; `None` for a constant or a value set by a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the source held.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub source_value: Json,
    /// Column at the destination.
    pub destination: String,
    /// What is written there.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub value: Json,
}

impl PendingWrite {
    /// What is about to be written of a record: all fields for a new one, else those with a value to write.
    pub fn new(
        direction: Direction,
        creates: bool,
        source: &Record,
        fields: &[TransferredField],
        values: &Values,
    ) -> Self {
        let travelling = fields.iter().filter(|field| creates || values.contains_key(field.destination.name.as_str()));
        let pending = |field: &TransferredField| PendingField {
            source: field.source.as_ref().map(|column| column.name.clone()),
            source_value: field.source.as_ref().map_or(Json::Null, |column| source.get(&column.name).to_json()),
            destination: field.destination.name.clone(),
            value: field.desired.to_json(),
        };
        Self { direction, creates, fields: travelling.map(pending).collect() }
    }
}
