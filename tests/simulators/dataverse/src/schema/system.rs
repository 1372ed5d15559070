//! System tables that the schema data file leaves out, but that clients of the Web API ask for.

use std::collections::HashMap;

use super::naming::{display_name, schema_name, type_code};
use super::{Choice, ChoiceRole, Column, Kind, Table};

/// One table per paragraph: logical name, set, id and primary name, then columns as `name:type`; types are short words, `>table` is a lookup.
const TABLES: &str = "
sdkmessage sdkmessages sdkmessageid name
name:text categoryname:text isactive:bool isprivate:bool template:bool autotransact:bool workflowsdkstepenabled:bool

sdkmessagefilter sdkmessagefilters sdkmessagefilterid name
name:text primaryobjecttypecode:name secondaryobjecttypecode:name sdkmessageid:>sdkmessage availability:int
iscustomprocessingstepallowed:bool isvisible:bool workflowsdkstepenabled:bool

serviceendpoint serviceendpoints serviceendpointid name
name:text description:text url:memo contract:int authtype:int authvalue:memo connectionmode:int userclaim:int
messageformat:int path:text solutionnamespace:text isauthvalueset:bool

sdkmessageprocessingstep sdkmessageprocessingsteps sdkmessageprocessingstepid name
name:text description:text configuration:memo mode:int stage:int rank:int supporteddeployment:int invocationsource:int
asyncautodelete:bool filteringattributes:memo sdkmessageid:>sdkmessage sdkmessagefilterid:>sdkmessagefilter
eventhandler:>serviceendpoint statecode:state statuscode:status

asyncoperation asyncoperations asyncoperationid name
name:text operationtype:int message:memo friendlymessage:text errorcode:int owningextensionid:>sdkmessageprocessingstep
retrycount:int statecode:int statuscode:int completedon:time startedon:time postponeuntil:time messagename:text
primaryentitytype:name depth:int correlationid:guid

quoteclose quotecloses activityid subject
subject:text description:memo actualend:time quotenumber:text revision:int quoteid:>quote statecode:int statuscode:int

orderclose ordercloses activityid subject
subject:text description:memo actualend:time ordernumber:text revision:int salesorderid:>salesorder statecode:int statuscode:int

opportunityclose opportunitycloses activityid subject
subject:text description:memo actualend:time actualrevenue:decimal opportunityid:>opportunity statecode:int statuscode:int

solution solutions solutionid friendlyname
uniquename:text friendlyname:text description:memo version:text ismanaged:bool installedon:time isvisible:bool
publisherid:>publisher

publisher publishers publisherid friendlyname
uniquename:text friendlyname:text description:memo customizationprefix:text customizationoptionvalueprefix:int
emailaddress:text supportingwebsiteurl:text isreadonly:bool
";

/// Logical names of the system tables.
pub fn names() -> impl Iterator<Item = &'static str> {
    paragraphs().filter_map(|text| text.split_whitespace().next())
}

/// The system tables.
#[must_use]
pub fn tables() -> Vec<Table> {
    paragraphs()
        .enumerate()
        .filter_map(|(at, text)| {
            let words: Vec<&str> = text.split_whitespace().collect();
            let [name, set, id, primary_name, columns @ ..] = words.as_slice() else {
                return None;
            };
            Some(system(name, set, id, primary_name, columns, at))
        })
        .collect()
}

fn paragraphs() -> impl Iterator<Item = &'static str> {
    TABLES.split("\n\n").filter(|text| !text.trim().is_empty())
}

fn system(name: &str, set: &str, id: &str, primary_name: &str, columns: &[&str], at: usize) -> Table {
    let mut all = vec![plain(&format!("{id}:guid"))];
    all.extend(columns.iter().map(|column| plain(column)));
    all.extend(
        [
            "createdon:time",
            "modifiedon:time",
            "createdby:>systemuser",
            "modifiedby:>systemuser",
            "versionnumber:bigint",
        ]
        .iter()
        .map(|text| plain(text)),
    );
    let mut table = Table {
        name: name.to_owned(),
        schema_name: schema_name(name),
        set: set.to_owned(),
        id: 0,
        primary_name: all.iter().position(|column| column.name == primary_name),
        columns: all,
        by_name: HashMap::new(),
        by_property: HashMap::new(),
        by_navigation: HashMap::new(),
        keys: Vec::new(),
        bulk: false,
        change_tracking: false,
        optimistic_concurrency: true,
        custom: false,
        notes: false,
        activities: false,
        intersect: false,
        owned: false,
        type_code: type_code(name, at + 200),
        display_name: display_name(name),
    };
    table.index();
    table
}

/// A column from `name:type`; types are short words, `>table` is a lookup.
#[must_use]
pub fn plain(text: &str) -> Column {
    let (name, kind) = text.split_once(':').unwrap_or((text, "text"));
    let state = |role, options: &[(i32, &str)]| {
        Kind::Choice(Choice {
            role,
            translations: std::collections::BTreeMap::new(),
            options: options.iter().map(|(value, label)| (*value, (*label).to_owned())).collect(),
            global: None,
        })
    };
    let kind = match kind {
        "guid" => Kind::Guid,
        "int" => Kind::Integer,
        "bigint" => Kind::BigInteger,
        "bool" => Kind::Boolean,
        "decimal" => Kind::Decimal,
        "time" => Kind::DateTime,
        "memo" => Kind::Memo(1_048_576),
        "name" => Kind::EntityName,
        "state" => state(ChoiceRole::State, &[(0, "Enabled"), (1, "Disabled")]),
        "status" => state(ChoiceRole::Status, &[(1, "Enabled"), (2, "Disabled")]),
        lookup if lookup.starts_with('>') => Kind::Lookup(vec![lookup[1..].to_owned()]),
        _ => Kind::Text(256),
    };
    let server_set = matches!(name, "createdon" | "modifiedon" | "createdby" | "modifiedby" | "versionnumber");
    let navigation = match &kind {
        Kind::Lookup(targets) if name == "eventhandler" => {
            targets.iter().map(|target| (target.clone(), format!("{name}_{target}"))).collect()
        }
        Kind::Lookup(targets) => targets.iter().map(|target| (target.clone(), name.to_owned())).collect(),
        _ => Vec::new(),
    };
    Column {
        name: name.to_owned(),
        schema_name: schema_name(name),
        property: if matches!(kind, Kind::Lookup(_)) { format!("_{name}_value") } else { name.to_owned() },
        creatable: !server_set,
        updatable: !server_set,
        exposed: true,
        navigation,
        required: crate::schema::Required::default(),
        made_here: false,
        display_name: schema_name(name),
        relationship: None,
        shown_as_day: false,
        ignored_clearings: crate::schema::IgnoredClearings::default(),
        security: None,
        kind,
    }
}
