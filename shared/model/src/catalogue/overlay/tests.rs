//! Tables of overlays, and what becomes of the catalogue by them.

use serde_json::json;

use super::*;
use crate::message::Direction;
use crate::switches::{Ownership, SalesOrders};
use crate::table::Side;
use crate::{ActiveMapping, RecordId, Value};

fn switches() -> Switches {
    Switches {
        ownership: Ownership::Person,
        unit_groups: false,
        sales_orders: SalesOrders::Bidirectional,
        ..Switches::default()
    }
}

fn catalogue() -> Catalogue {
    Catalogue::embedded().expect("the catalogue is valid")
}

fn overlay(mapping: &str, change: Json) -> Overlay {
    let change: MappingChange = serde_json::from_value(change).expect("a change");
    Overlay { mappings: [(MappingName::from(mapping), change)].into(), ..Overlay::default() }
}

fn changed(mapping: &str, change: Json) -> ActiveMapping {
    let catalogue =
        catalogue().changed_by(&overlay(mapping, change), &Since::new(), &switches()).expect("a valid overlay");
    catalogue.active_mapping(mapping, &switches()).expect("an active mapping")
}

fn problems(mapping: &str, change: Json) -> Vec<String> {
    let problems = catalogue().changed_by(&overlay(mapping, change), &Since::new(), &switches());
    problems.err().into_iter().flatten().map(|problem| problem.to_string()).collect()
}

fn rows(mapping: &ActiveMapping, direction: Direction) -> Vec<String> {
    if !mapping.direction.includes(direction) {
        return Vec::new();
    }
    mapping.rows(direction).map(name_of).collect()
}

#[test]
fn an_empty_overlay_changes_nothing() {
    let (before, empty) = (catalogue(), Overlay::default());
    let after = before.changed_by(&empty, &Since::new(), &switches()).expect("valid");
    let shown = |catalogue: &Catalogue| format!("{:?}", catalogue.active(&switches()));
    assert_eq!(shown(&before), shown(&after));
    assert_eq!(serde_json::to_value(&empty).expect("JSON"), json!({"v": 1}));
}

#[test]
fn c_116_a_mapping_is_made_one_way_by_one_change_and_keeps_its_rows() {
    let before = catalogue().active_mapping("CUSTOMER", &switches()).expect("customers");
    let after = changed("CUSTOMER", json!({"direction": "to_dataverse"}));
    assert_eq!(after.direction, MappingDirection::ToDataverse);
    assert_eq!(after.fields.len(), before.fields.len(), "no row is lost");
    assert_eq!(rows(&after, Direction::ToDataverse), rows(&before, Direction::ToDataverse));
    assert!(
        after.fields.iter().all(|field| !after.is_both_ways(field)),
        "what the other side changes is not looked at"
    );
    assert_eq!(after.job.map(|job| job.direction), Some(MappingDirection::ToDataverse));
    let orders = catalogue().changed_by(
        &overlay("SALESORDER-ORDER", json!({"direction": "to_dataverse"})),
        &Since::new(),
        &switches(),
    );
    let lines = orders.expect("valid").active_mapping("SOLINE-ORDERDETAIL", &switches()).expect("lines");
    assert_eq!(lines.direction, MappingDirection::ToDataverse, "the lines go with their headers");
}

#[test]
fn everything_of_a_mapping_can_be_changed() {
    let after = changed(
        "CUSTOMER",
        json!({
            "only_coupled": false,
            "update_conflict": "to_dataverse",
            "deletion_conflict": "restore",
            "business_central_filter": [{"property": "city", "op": "in", "value": ["Paris", "Lyon"]}],
            "templates": [{"priority": 1, "direction": "from_dataverse", "values": {"paymentTermsCode": "30 DAYS"}}],
            "fields": [
                {"business_central": "faxNo", "dataverse": "fax", "enabled": false},
                {"business_central": "website", "dataverse": "websiteurl", "direction": "to_dataverse", "transformation": "lowercase"},
                {"business_central": "displayName", "dataverse": "description", "added": true, "direction": "to_dataverse"},
                {"dataverse": "creditonhold", "added": true, "constant": false}
            ]
        }),
    );
    assert!(!after.only_coupled);
    assert_eq!((after.update_conflict, after.deletion_conflict), (ConflictRule::ToDataverse, DeletionRule::Restore));
    let context = super::super::FilterContext { company: None, default_price_list_code_is_set: false };
    let filter = after.filter(Side::BusinessCentral, context);
    assert_eq!(filter.conditions.len(), 1);
    assert_eq!(filter.conditions[0].values, [Value::text("Paris"), Value::text("Lyon")]);
    let to = rows(&after, Direction::ToDataverse);
    assert!(!to.contains(&"faxNo=fax".to_owned()) && to.contains(&"displayName=description".to_owned()), "{to:?}");
    assert!(to.contains(&"=creditonhold".to_owned()), "{to:?}");
    assert!(after.leaves_alone(Direction::ToDataverse, "fax") && after.leaves_alone(Direction::FromDataverse, "faxNo"));
    assert!(!after.leaves_alone(Direction::ToDataverse, "websiteurl"));
    assert!(after.columns(Side::BusinessCentral).contains("faxNo"), "rules may still look at it");
    let from = rows(&after, Direction::FromDataverse);
    assert!(!from.contains(&"website=websiteurl".to_owned()), "{from:?}");
}

#[test]
fn what_is_wrong_is_named_with_mapping_field_and_remedy() {
    let cases = [
        ("CUSTOMERS", json!({"only_coupled": false}), "CUSTOMERS: there is no such mapping; did you mean CUSTOMER?"),
        (
            "CUSTOMER",
            json!({"fields": [{"business_central": "faxNo", "dataverse": "faxx", "enabled": false}]}),
            "CUSTOMER, field faxNo=faxx: there is no such field row; did you mean faxNo=fax?",
        ),
        (
            "CUSTOMER",
            json!({"fields": [{"business_central": "faxNo", "dataverse": "fax", "added": true}]}),
            "CUSTOMER, field faxNo=fax: there is such a row already; change that one",
        ),
        (
            "CUSTOMER",
            json!({"fields": [{"business_central": "pagr", "dataverse": "fax", "added": true}]}),
            "CUSTOMER, field pagr=fax: Business Central table Customer has no field pagr",
        ),
        (
            "CURRENCY",
            json!({"direction": "bidirectional"}),
            "CURRENCY: goes to Dataverse only: what is special about it is written for that way",
        ),
        (
            "CUSTOMER",
            json!({"dataverse_filter": [{"column": "statecod", "op": "eq", "value": 0}]}),
            "CUSTOMER: filter: Dataverse table account has no field statecod; did you mean statecode?",
        ),
        (
            "CUSTOMER",
            json!({"business_central_filter": [{"property": "blocked", "op": "eq", "value": "Nothing"}]}),
            "CUSTOMER: filter on blocked: \"Nothing\" is none of its options",
        ),
        (
            "CURRENCY",
            json!({"fields": [{"business_central": "code", "dataverse": "isocurrencycode", "enabled": false}]}),
            "CURRENCY, field code=isocurrencycode: it is what a record of Currency is known by on both sides, so the row cannot be disabled",
        ),
        (
            "PLLINE-PRODPRICE",
            json!({"fields": [{"business_central": "assetNo", "dataverse": "productid", "enabled": false}]}),
            "PLLINE-PRODPRICE, field assetNo=productid: the rules of the mapping set this field, so the row cannot be disabled",
        ),
        (
            "SOLINE-ORDERDETAIL",
            json!({"direction": "to_dataverse"}),
            "SOLINE-ORDERDETAIL: its records travel as those of SALESORDER-ORDER do; set the direction there",
        ),
        (
            "CUSTOMER",
            json!({"templates": [
                {"priority": 1, "direction": "to_dataverse", "values": {"fax": "1"}},
                {"priority": 1, "direction": "to_dataverse", "values": {"fax": "2"}}
            ]}),
            "CUSTOMER: two templates to Dataverse have the priority 1; give each its own",
        ),
        (
            "CUSTOMER",
            json!({"templates": [{"priority": 1, "direction": "to_dataverse", "values": {"creditlimit": "much"}}]}),
            "CUSTOMER: template 1: creditlimit: ",
        ),
        (
            "CUSTOMER",
            json!({"fields": [{"business_central": "creditLimit", "dataverse": "creditlimit", "transformation": "trim"}]}),
            "CUSTOMER, field creditLimit=creditlimit: a transformation is for texts, and creditLimit is a decimal number",
        ),
        (
            "CUSTOMER",
            json!({"fields": [{"business_central": "currencyCode", "dataverse": "transactioncurrencyid", "transformation": "trim"}]}),
            "a transformation is for texts that are copied, not for constants, lookups and options",
        ),
    ];
    for (mapping, change, expected) in cases {
        let problems = problems(mapping, change.clone());
        assert_eq!(problems.len(), 1, "{change}: {problems:?}");
        assert!(problems[0].contains(expected), "{change}: {}", problems[0]);
    }
    let error = serde_json::from_value::<MappingChange>(json!({"only_couppled": false})).expect_err("unknown");
    assert!(error.to_string().contains("unknown field `only_couppled`"), "{error}");
    let later = Overlay { v: 2, ..Overlay::default() };
    let problem = catalogue().changed_by(&later, &Since::new(), &switches()).expect_err("of another version");
    assert_eq!(problem[0].to_string(), "it is of format 2; this version takes format 1");
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let mut overlay =
        overlay("CUSTOMER", json!({"business_central_filter": [{"property": "blockd", "op": "eq", "value": " "}]}));
    overlay.mappings.extend(
        super::tests::overlay(
            "VENDOR",
            json!({"direction": "bidirectional", "dataverse_filter": [{"column": "x", "op": "eq", "value": 1}]}),
        )
        .mappings,
    );
    let problems = catalogue().changed_by(&overlay, &Since::new(), &switches()).expect_err("wrong");
    let named: Vec<_> = problems.iter().filter_map(|problem| problem.mapping.clone()).collect();
    assert_eq!(named, [MappingName::from("CUSTOMER"), MappingName::from("VENDOR")]);
}

#[test]
fn c_113_a_mapping_without_any_row_cannot_come_into_being() {
    let fields: Vec<Json> = ["code=isocurrencycode", "code=currencyname", "symbol=currencysymbol"]
        .iter()
        .filter_map(|row| row.split_once('='))
        .map(|(bc, dv)| json!({"business_central": bc, "dataverse": dv, "enabled": false}))
        .collect();
    assert!(!problems("CURRENCY", json!({"fields": fields})).is_empty());
    let all: Vec<FieldChange> = catalogue()
        .active_mapping("UNIT GROUP", &Switches { unit_groups: true, ..switches() })
        .expect("unit groups")
        .fields
        .iter()
        .map(|field| {
            let name = |side| field.column(side).map(|column| column.name.clone());
            FieldChange {
                business_central: name(Side::BusinessCentral),
                dataverse: name(Side::Dataverse),
                enabled: Some(false),
                ..FieldChange::default()
            }
        })
        .collect();
    let overlay = Overlay {
        mappings: [(MappingName::from("UNIT GROUP"), MappingChange { fields: all, ..MappingChange::default() })].into(),
        ..Overlay::default()
    };
    let switches = Switches { unit_groups: true, ..switches() };
    let problems = catalogue().changed_by(&overlay, &Since::new(), &switches).expect_err("no rows");
    assert_eq!(
        problems[0].to_string(),
        "UNIT GROUP: travels to Dataverse, but there are no field mapping rows for that; enable or add a row, or change the direction"
    );
}

#[test]
fn c_111_c_115_what_is_taken_back_leaves_other_mappings_as_they_are() {
    let mut overlay = overlay(
        "CUSTOMER",
        json!({"direction": "to_dataverse", "fields": [{"dataverse": "creditonhold", "added": true, "constant": true}]}),
    );
    overlay.mappings.extend(
        super::tests::overlay(
            "VENDOR",
            json!({"fields": [{"dataverse": "creditonhold", "added": true, "constant": true}]}),
        )
        .mappings,
    );
    let count = |overlay: &Overlay, name: &str| {
        let changed = catalogue().changed_by(overlay, &Since::new(), &switches()).expect("valid");
        let mapping = changed.active_mapping(name, &switches()).expect("active");
        (mapping.direction, mapping.fields.len())
    };
    let both = MappingDirection::Bidirectional;
    let vendors = count(&Overlay::default(), "VENDOR").1;
    assert_eq!(count(&overlay, "CUSTOMER"), (MappingDirection::ToDataverse, 21));
    overlay.mappings.remove(&MappingName::from("CUSTOMER"));
    assert_eq!(count(&overlay, "CUSTOMER"), (both, 20), "as the catalogue says");
    assert_eq!(count(&overlay, "VENDOR"), (both, vendors + 1), "the other mapping keeps its row");
}

#[test]
fn tables_columns_and_whole_mappings_can_be_added() {
    let mut overlay = overlay(
        "CUSTOMER",
        json!({"fields": [{"business_central": "website", "dataverse": "new_site", "added": true, "direction": "to_dataverse"}]}),
    );
    overlay.tables.dataverse =
        vec![json!({"name": "account", "columns": [{"name": "new_site", "type": "string", "length": 200}]})];
    let after = catalogue().changed_by(&overlay, &Since::new(), &switches()).expect("valid");
    let mapping = after.active_mapping("CUSTOMER", &switches()).expect("customers");
    assert!(rows(&mapping, Direction::ToDataverse).contains(&"website=new_site".to_owned()));
    overlay.tables.dataverse[0]["entity_set"] = json!("accounts");
    let problem = catalogue().changed_by(&overlay, &Since::new(), &switches()).expect_err("a table that is there");
    assert!(problem[0].to_string().contains("the table account is in the catalogue already"), "{problem:?}");
}

#[test]
fn an_added_mapping_says_only_what_is_its_own() {
    let mapping = |more: Json| {
        let mut mapping = json!({
            "name": "PLACES",
            "business_central_table": "Location",
            "dataverse_table": "cdm_company",
            "fields": [{"business_central": "code", "dataverse": "cdm_companycode", "direction": "bidirectional"}]
        });
        if let (Some(mapping), Json::Object(more)) = (mapping.as_object_mut(), more) {
            mapping.extend(more);
        }
        Overlay { added: vec![mapping], ..Overlay::default() }
    };
    let changed = |overlay: &Overlay| catalogue().changed_by(overlay, &Since::new(), &switches());
    let added = changed(&mapping(json!({}))).expect("valid");
    let added = added.active_mapping("places", &switches()).expect("active");
    assert_eq!((added.direction, added.only_coupled), (MappingDirection::ToDataverse, true));
    assert_eq!(added.job.map(|job| job.every_minutes), Some(Some(30)));
    // Whoever makes records in Business Central has to know them again.
    let both_ways = json!({"direction": "bidirectional"});
    let problems = changed(&mapping(both_ways)).expect_err("nothing tells a record from another");
    assert!(problems[0].to_string().starts_with("PLACES: makes records of Location"), "{problems:?}");
    let known = json!({"direction": "bidirectional", "match_fields": [{"business_central": "code", "dataverse": "cdm_companycode"}]});
    assert!(changed(&mapping(known)).is_ok());
    let misspelt = changed(&mapping(json!({"dataverse_table": "cdm_compny"}))).expect_err("no such table");
    assert!(misspelt[0].to_string().contains("did you mean cdm_company?"), "{misspelt:?}");
}

#[test]
fn the_mapping_that_the_documents_show_can_be_added() {
    let page = include_str!("../../../../../docs/operations.md");
    let (_, example) = page.split_once("```json\n{\"mapping\"").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    let example: Json = serde_json::from_str(&format!("{{\"mapping\"{example}")).expect("JSON");
    let tables = serde_json::from_value(example["tables"].clone()).expect("tables");
    let overlay = Overlay { added: vec![example["mapping"].clone()], tables, ..Overlay::default() };
    let changed = catalogue().changed_by(&overlay, &Since::new(), &switches()).expect("valid");
    let mapping = changed.active_mapping("PLACES", &switches()).expect("active");
    assert_eq!((mapping.business_central.name.as_str(), mapping.fields.len()), ("Place", 1));
}

#[test]
fn a_row_that_comes_back_bears_the_revision_in_which_it_came() {
    let (catalogue, switches) = (catalogue(), switches());
    let off =
        overlay("CUSTOMER", json!({"fields": [{"business_central": "faxNo", "dataverse": "fax", "enabled": false}]}));
    let since = |catalogue: &Catalogue, row: &str| {
        let mapping = catalogue.active_mapping("CUSTOMER", &switches).expect("customers");
        mapping.fields.iter().find(|field| name_of(field) == row).map(|field| field.since)
    };
    let (first, used) = StoredOverlay::default().followed_by(off, 1, &catalogue, &switches).expect("valid");
    assert_eq!((since(&used, "faxNo=fax"), since(&used, "email=emailaddress1")), (None, Some(0)));
    let (second, used) = first.followed_by(Overlay::default(), 2, &catalogue, &switches).expect("valid");
    assert_eq!((since(&used, "faxNo=fax"), since(&used, "email=emailaddress1")), (Some(2), Some(0)));
    // Another change meanwhile does not make it any newer, and neither does being stored.
    let other = overlay("CUSTOMER", json!({"only_coupled": false}));
    let (third, used) = second.followed_by(other, 3, &catalogue, &switches).expect("valid");
    assert_eq!(since(&used, "faxNo=fax"), Some(2));
    let stored = serde_json::to_string(&third).expect("JSON");
    assert_eq!(serde_json::from_str::<StoredOverlay>(&stored).expect("the same"), third);
    let added = overlay(
        "CUSTOMER",
        json!({"fields": [{"business_central": "displayName", "dataverse": "description", "added": true}]}),
    );
    let (_, used) = third.followed_by(added, 4, &catalogue, &switches).expect("valid");
    assert_eq!(since(&used, "displayName=description"), Some(4));
}

#[test]
fn r157_the_first_template_by_priority_whose_filter_matches_is_taken() {
    let mapping = changed(
        "CUSTOMER",
        json!({"templates": [
            {"priority": 20, "direction": "to_dataverse", "values": {"description": "any"}},
            {"priority": 10, "direction": "to_dataverse", "filter": [{"property": "city", "op": "eq", "value": "Paris"}], "values": {"description": "Paris"}},
            {"priority": 5, "direction": "from_dataverse", "values": {"contact": "somebody"}}
        ]}),
    );
    let context = super::super::FilterContext { company: None, default_price_list_code_is_set: false };
    let taken = |city: &str| {
        let values = [(Arc::from("city"), Value::text(city))].into();
        let record =
            crate::Record { id: RecordId(uuid::Uuid::nil()), version: None, modified: None, values, unreadable: None };
        mapping.template(Direction::ToDataverse, &record, context).map(|template| template.values[0].1.clone())
    };
    assert_eq!(taken("PARIS"), Some(Value::text("Paris")));
    assert_eq!(taken("Lyon"), Some(Value::text("any")));
    assert!(mapping.columns(Side::BusinessCentral).contains("city"));
}
