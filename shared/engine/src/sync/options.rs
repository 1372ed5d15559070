//! Codes of Business Central as options of Dataverse, and back: by their couplings, and by their labels where nobody coupled
//! either of the two.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use couplet_model::catalogue::{FieldMapping, Resolution};
use couplet_model::comparing::folded;
use couplet_model::ids::option_id;
use couplet_model::message::Direction;
use couplet_model::outcome::{Dependency, Need};
use couplet_model::table::{Choice, Column, Side};
use couplet_model::{ActiveMapping, MappingName, Record, RecordId, Table, Value};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::facts::ChoiceOption;
use crate::mappings::rules::is_usable;

/// Everything the option rows of a batch refer to, by the mapping of the options.
#[derive(Default)]
pub(crate) struct OptionReferences(BTreeMap<MappingName, OptionsOfMapping>);

/// What the values of one mapping of options stand for on the other side.
struct OptionsOfMapping {
    options: Arc<Table>,
    resolved: HashMap<String, Value>,
}

impl OptionReferences {
    /// Reads what the option rows of these records refer to. Mappings of options that do not run here are left out.
    pub async fn read(
        engine: &Engine,
        mapping: &ActiveMapping,
        direction: Direction,
        sources: &[&Record],
    ) -> Result<Self, EngineError> {
        let mut wanted: BTreeMap<MappingName, BTreeSet<String>> = BTreeMap::new();
        for row in mapping.rows(direction) {
            let (Resolution::Option(through), Some(column)) = (&row.resolution, row.column(direction.source())) else {
                continue;
            };
            let values = sources.iter().map(|source| source.get(&column.name)).filter(|value| !value.is_null());
            wanted.entry(through.clone()).or_default().extend(values.map(key));
        }
        let mut read = BTreeMap::new();
        for (name, keys) in wanted {
            // A mapping that does not run couples nothing, as if it were not there.
            let Ok(through) = engine.mapping(&name) else { continue };
            let options = Arc::clone(&through.dataverse);
            let resolved = match (&options.choice, keys.is_empty()) {
                (Some(choice), false) => match direction {
                    Direction::ToDataverse => to_numbers(engine, &name, &options, keys).await?,
                    Direction::FromDataverse => to_codes(engine, &name, &options, choice, keys).await?,
                },
                _ => HashMap::new(),
            };
            read.insert(name, OptionsOfMapping { options, resolved });
        }
        Ok(Self(read))
    }

    /// Whether the mapping of the options runs here.
    pub fn knows(&self, through: &MappingName) -> bool {
        self.0.contains_key(through)
    }

    /// What a value stands for on the other side.
    pub fn resolved(&self, through: &MappingName, value: &Value) -> Option<Value> {
        self.0.get(through)?.resolved.get(&key(value)).cloned()
    }

    /// What a value waits for that stands for nothing yet.
    pub fn need(&self, row: &FieldMapping, through: &MappingName, column: &Column, value: &Value) -> Option<Need> {
        let choice = self.0.get(through)?.options.choice.as_ref()?;
        let (side, key) = match value {
            Value::Int(number) => (Side::Dataverse, option_id(&choice.table, &choice.column, *number).to_string()),
            code => (Side::BusinessCentral, code.to_string()),
        };
        debug_assert!(matches!(&row.resolution, Resolution::Option(own) if own == through));
        let dependency = Dependency { mapping: through.clone(), side, key };
        Some(Need { dependency, field: column.caption.clone(), value: value.to_string() })
    }
}

/// A code or a number as it is looked up.
fn key(value: &Value) -> String {
    folded(value.to_string().trim())
}

/// The numbers of the options that codes are coupled to (R154); where a code is coupled to none, the number of the option
/// with that label, if nobody else's code is coupled to it.
async fn to_numbers(
    engine: &Engine,
    name: &MappingName,
    table: &Table,
    codes: BTreeSet<String>,
) -> Result<HashMap<String, Value>, EngineError> {
    let (store, company) = (engine.store(), engine.company());
    let codes: Vec<String> = codes.into_iter().collect();
    let coupled: HashMap<String, RecordId> = store
        .couplings_by_key(company, name, &codes)
        .await?
        .into_iter()
        .filter(|(_, coupling)| is_usable(coupling))
        .map(|(code, coupling)| (folded(&code), RecordId::from(coupling.dataverse_id)))
        .collect();
    let of_code = |option: &ChoiceOption, code: &String| match coupled.get(code) {
        Some(id) => option.id == *id,
        None => option.says(code),
    };
    let suffice =
        |options: &[ChoiceOption]| codes.iter().all(|code| options.iter().any(|option| of_code(option, code)));
    let options = engine.installation.options_of(table, suffice).await?;
    let by_label: Vec<RecordId> = codes
        .iter()
        .filter(|code| !coupled.contains_key(*code))
        .flat_map(|code| options.iter().filter(|option| option.says(code)).map(|option| option.id))
        .collect();
    let taken = store.couplings_by_id(company, name, Side::Dataverse, &by_label).await?;
    let number = |code: &String| {
        let is_free = |option: &&ChoiceOption| coupled.contains_key(code) || !taken.contains_key(&option.id);
        let found = options.iter().filter(|option| of_code(option, code)).find(is_free)?;
        Some((code.clone(), Value::Int(found.number)))
    };
    Ok(codes.iter().filter_map(number).collect())
}

/// The codes that options are coupled to (R155); where an option is coupled to none, its label, if no other option is coupled
/// to that code.
async fn to_codes(
    engine: &Engine,
    name: &MappingName,
    table: &Table,
    choice: &Choice,
    numbers: BTreeSet<String>,
) -> Result<HashMap<String, Value>, EngineError> {
    let (store, company) = (engine.store(), engine.company());
    let ids: HashMap<String, RecordId> = numbers
        .into_iter()
        .filter_map(|key| {
            let number = key.parse().ok()?;
            Some((key, option_id(&choice.table, &choice.column, number)))
        })
        .collect();
    let wanted: Vec<RecordId> = ids.values().copied().collect();
    let coupled = store.couplings_by_id(company, name, Side::Dataverse, &wanted).await?;
    let code = |id: &RecordId| coupled.get(id).filter(|coupling| is_usable(coupling))?.key.clone();
    let mut resolved: HashMap<String, Value> =
        ids.iter().filter_map(|(key, id)| Some((key.clone(), Value::text(code(id)?)))).collect();
    let open: Vec<(&String, &RecordId)> = ids.iter().filter(|(key, _)| !resolved.contains_key(*key)).collect();
    if open.is_empty() {
        return Ok(resolved);
    }
    let has = |options: &[ChoiceOption], id: &RecordId| options.iter().any(|option| option.id == *id);
    let suffice = |options: &[ChoiceOption]| open.iter().all(|(_, id)| has(options, id));
    let options = engine.installation.options_of(table, suffice).await?;
    let labels: HashMap<RecordId, &str> = options.iter().map(|option| (option.id, option.label.trim())).collect();
    let labelled: Vec<(String, &str)> = open
        .iter()
        .filter_map(|(key, id)| Some(((*key).clone(), *labels.get(*id)?)))
        .filter(|(_, label)| !label.is_empty())
        .collect();
    let codes: Vec<String> = labelled.iter().map(|(_, label)| (*label).to_owned()).collect();
    let taken = store.couplings_by_key(company, name, &codes).await?;
    let taken: BTreeSet<String> = taken.into_keys().map(|code| folded(&code)).collect();
    let free = labelled.into_iter().filter(|(_, label)| !taken.contains(&folded(label)));
    resolved.extend(free.map(|(key, label)| (key, Value::text(label))));
    Ok(resolved)
}
