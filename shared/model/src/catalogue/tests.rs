//! The embedded catalogue is whole, and a damaged one says where.

use std::fs;
use std::path::Path;

use super::*;
use crate::message::Direction;
use crate::switches::{Ownership, SalesOrders};
use crate::table::{Access, FieldType, Side};
use crate::value::Value;

fn catalogue() -> Catalogue {
    Catalogue::embedded().expect("the embedded catalogue is valid")
}

fn person() -> Switches {
    Switches { ownership: Ownership::Person, unit_groups: false, ..Switches::default() }
}

#[test]
fn all_entries_with_their_rows_load() {
    let catalogue = catalogue();
    assert_eq!(catalogue.mappings().len(), 34);
    assert_eq!(catalogue.mappings().iter().map(|mapping| mapping.fields.len()).sum::<usize>(), 291);
    assert_eq!(catalogue.other_jobs().len(), 7);
}

#[test]
fn c_201_s208_default_names_are_filled_in() {
    let catalogue = catalogue();
    let defaults = catalogue.defaults();
    let names: Vec<String> = ["KM", "NAV", ""].into_iter().map(|code| defaults.unit_group_name(code)).collect();
    assert_eq!(names, ["NAV KM", "NAV NAV", "NAV "], "C-201");
    let lists = defaults.price_list_names("Business Central", "USD");
    assert_eq!(lists, ["Business Central Default Price List", "Business Central USD Default Price List"], "S208, S209");
    assert_eq!(defaults.quantity_decimals(), 2, "S203");
}

fn row_count(switches: &Switches, name: &str) -> usize {
    catalogue().active_mapping(name, switches).map(|mapping| mapping.fields.len()).unwrap_or_default()
}

#[test]
fn c_107_c_108_c_115_row_counts_of_the_default_configuration() {
    for (name, rows) in [
        ("CUSTOMER", 20),
        ("CONTACT", 20),
        ("CURRENCY", 3),
        ("SALESPEOPLE", 3),
        ("ITEM-PRODUCT", 11),
        ("RESOURCE-PRODUCT", 7),
        ("OPPORTUNITY", 7),
        ("POSTEDSALESINV-INV", 26),
    ] {
        assert_eq!(row_count(&person(), name), rows, "{name}");
    }
    let customer = catalogue().active_mapping("CUSTOMER", &person()).unwrap();
    let row = |column: &str| {
        customer.fields.iter().find(|field| field.dataverse.as_ref().is_some_and(|c| c.name == column)).unwrap().clone()
    };
    assert_eq!(row("ownerid").clearing, Clearing::Never);
    assert_eq!(row("address1_stateorprovince").clearing, Clearing::ByBlank);
    assert!(customer.job.is_some());
    let item = catalogue().active_mapping("ITEM-PRODUCT", &person()).unwrap();
    for property in ["vendorNo", "vendorItemNo"] {
        assert!(item.fields.iter().any(|field| field.business_central.as_ref().is_some_and(|c| c.name == property)));
    }
}

#[test]
fn c_099_to_c_106_default_mappings_point_and_filter_as_expected() {
    let company = crate::ids::DataverseId(uuid::Uuid::from_u128(5));
    let context = FilterContext { company: Some(company), default_price_list_code_is_set: true };
    let filter_of = |name: &str, side: Side| {
        let mapping = catalogue().active_mapping(name, &person()).unwrap();
        let filter = mapping.filter(side, context);
        let text: Vec<String> = filter
            .conditions
            .iter()
            .map(|c| {
                let values: Vec<String> = c.values.iter().map(Value::to_string).collect();
                format!("{} {:?} {}", c.column, c.operator, values.join(","))
            })
            .collect();
        (mapping.direction, mapping.only_coupled, mapping.dataverse.name.clone(), text.join("; "))
    };
    let mine = format!("bcbi_companyid In {company},blank");
    use MappingDirection::{Bidirectional, FromDataverse, ToDataverse};
    let expected = [
        ("C-099", "CUSTOMER", Side::BusinessCentral, Bidirectional, "account", "blocked Equal blank".to_owned()),
        (
            "C-099",
            "CUSTOMER",
            Side::Dataverse,
            Bidirectional,
            "account",
            format!("statecode Equal 0; customertypecode Equal 3; {mine}"),
        ),
        (
            "C-100",
            "VENDOR",
            Side::Dataverse,
            Bidirectional,
            "account",
            format!("statecode Equal 0; customertypecode Equal 11; {mine}"),
        ),
        (
            "C-101",
            "CONTACT",
            Side::BusinessCentral,
            Bidirectional,
            "contact",
            "type Equal Person; companyNumber NotEqual blank".to_owned(),
        ),
        ("C-102", "ITEM-PRODUCT", Side::BusinessCentral, Bidirectional, "product", "blocked Equal no".to_owned()),
        (
            "C-102",
            "ITEM-PRODUCT",
            Side::Dataverse,
            Bidirectional,
            "product",
            format!("{mine}; producttypecode Equal 1; statecode Equal 0"),
        ),
        ("C-103", "CURRENCY", Side::BusinessCentral, ToDataverse, "transactioncurrency", String::new()),
        ("C-103", "CURRENCY", Side::Dataverse, ToDataverse, "transactioncurrency", String::new()),
        ("C-104", "SALESPEOPLE", Side::BusinessCentral, FromDataverse, "systemuser", String::new()),
        (
            "C-104",
            "SALESPEOPLE",
            Side::Dataverse,
            FromDataverse,
            "systemuser",
            "isdisabled Equal no; islicensed Equal yes; isintegrationuser Equal no".to_owned(),
        ),
        ("C-105", "POSTEDSALESINV-INV", Side::Dataverse, ToDataverse, "invoice", mine.clone()),
        (
            "C-106",
            "PLHEADER-PRICE",
            Side::BusinessCentral,
            ToDataverse,
            "pricelevel",
            "priceType Equal Sale; amountType Equal Price; allowUpdatingDefaults Equal yes".to_owned(),
        ),
        ("C-106", "PLHEADER-PRICE", Side::Dataverse, ToDataverse, "pricelevel", mine),
    ];
    for (case, name, side, direction, table, text) in expected {
        assert_eq!(filter_of(name, side), (direction, true, table.to_owned(), text), "{case} {name} {side}");
    }
}

#[test]
fn r259_without_a_company_row_in_dataverse_the_company_condition_is_dropped() {
    let mapping = catalogue().active_mapping("POSTEDSALESINV-INV", &person()).unwrap();
    let context = FilterContext { company: None, default_price_list_code_is_set: false };
    assert!(mapping.filter(Side::Dataverse, context).conditions.is_empty());
}

#[test]
fn c_070_c_071_c_112_dependencies_and_order() {
    let dependencies = |switches: &Switches, name: &str| {
        let mapping = catalogue().active_mapping(name, switches).unwrap();
        mapping.dependencies.iter().map(|name| name.0.clone()).collect::<Vec<_>>().join("|")
    };
    let classic = Switches { extended_pricing: false, ..person() };
    for (name, expected) in [
        ("CUSTOMER", "SALESPEOPLE|CURRENCY|PAYMENT TERMS|SHIPMENT METHOD|SHIPPING AGENT"),
        ("CONTACT", "CUSTOMER|VENDOR"),
        ("OPPORTUNITY", "CONTACT"),
        ("POSTEDSALESINV-INV", "ITEM-PRODUCT|RESOURCE-PRODUCT|OPPORTUNITY"),
        ("ITEM-PRODUCT", "UNIT OF MEASURE"),
        ("RESOURCE-PRODUCT", "UNIT OF MEASURE"),
        ("CUSTPRCGRP-PRICE", "CURRENCY|ITEM-PRODUCT"),
        ("SALESPRC-PRODPRICE", "CUSTPRCGRP-PRICE|ITEM-PRODUCT"),
        ("SALESPEOPLE", ""),
        ("CURRENCY", ""),
        ("UNIT OF MEASURE", ""),
    ] {
        assert_eq!(dependencies(&classic, name), expected, "C-070 {name}");
    }
    let groups = Switches { unit_groups: true, ..person() };
    for (name, expected) in [
        ("ITEM-PRODUCT", "ITEM UOM"),
        ("RESOURCE-PRODUCT", "RESOURCE UOM"),
        ("ITEM UOM", "UNIT GROUP"),
        ("RESOURCE UOM", "UNIT GROUP"),
    ] {
        assert_eq!(dependencies(&groups, name), expected, "C-071 {name}");
    }
    let order: Vec<String> = catalogue().active(&person()).into_iter().map(|mapping| mapping.name.0).collect();
    assert_eq!(&order[..3], ["SALESPEOPLE", "CURRENCY", "UNIT OF MEASURE"], "C-112");
    let place = |name: &str| order.iter().position(|other| other == name).unwrap();
    assert!(place("CUSTOMER") < place("CONTACT"), "C-112");
    assert!(place("UNIT OF MEASURE") < place("ITEM-PRODUCT"));
}

#[test]
fn every_mapping_comes_after_what_it_depends_on_under_all_switches() {
    for ownership in [Ownership::Person, Ownership::Team] {
        for unit_groups in [false, true] {
            for extended_pricing in [false, true] {
                for sales_orders in [SalesOrders::Off, SalesOrders::Legacy, SalesOrders::Bidirectional] {
                    let switches =
                        Switches { ownership, unit_groups, extended_pricing, sales_orders, ..Switches::default() };
                    let active = catalogue().active(&switches);
                    for (index, mapping) in active.iter().enumerate() {
                        for dependency in &mapping.dependencies {
                            assert!(
                                active[..index].iter().any(|other| other.name == *dependency),
                                "{}: {dependency}",
                                mapping.name
                            );
                        }
                        assert_eq!(
                            active.iter().filter(|other| other.name == mapping.name).count(),
                            1,
                            "{}",
                            mapping.name
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn c_116_r131_a_two_way_row_of_a_one_way_mapping_travels_one_way() {
    let mut mapping = catalogue().active_mapping("ITEM-PRODUCT", &person()).unwrap();
    mapping.direction = MappingDirection::ToDataverse;
    let row = mapping.fields.iter().find(|field| field.direction == MappingDirection::Bidirectional).unwrap().clone();
    assert!(!mapping.is_both_ways(&row));
    assert_eq!(mapping.directions().collect::<Vec<_>>(), [Direction::ToDataverse]);
}

/// In the source, the only row of two option mappings points from Dataverse although their tables point to it. The option engine looks at
/// the table alone, so that the code travels to Dataverse; the catalogue says what happens.
#[test]
fn c_137_c_138_r3_r223_f36_option_mappings_lead_to_the_choices_of_accounts_one_way() {
    let catalogue = catalogue();
    for (name, column) in [
        ("SHIPMENT METHOD", "address1_freighttermscode"),
        ("SHIPPING AGENT", "address1_shippingmethodcode"),
        ("PAYMENT TERMS", "paymenttermscode"),
    ] {
        let mapping = catalogue.active_mapping(name, &person()).unwrap();
        let choice = mapping.dataverse.choice.as_ref().unwrap();
        assert_eq!((choice.table.as_str(), choice.column.as_str()), ("account", column), "{name}");
        assert_eq!(mapping.dataverse.id_column, "id", "{name}: each option is a row with an id");
        assert!(mapping.job.is_some(), "{name}");
        assert_eq!(mapping.directions().collect::<Vec<_>>(), [Direction::ToDataverse], "{name}");
        let rows: Vec<_> = mapping.fields.iter().map(|row| (row.direction, mapping.is_both_ways(row))).collect();
        assert_eq!(rows, [(MappingDirection::ToDataverse, false)], "{name}");
    }
}

#[test]
fn f36_choices_of_both_systems_have_the_values_of_the_published_tables() {
    let catalogue = catalogue();
    let values = |table: &str, column: &str| match &catalogue
        .business_central_table(table)
        .unwrap()
        .column(column)
        .unwrap()
        .field
    {
        FieldType::Enum { values } => values.clone(),
        other => panic!("{table}.{column} is {other:?}"),
    };
    assert_eq!(
        values("Sales Invoice Header", "status"),
        [" ", "Draft", "In Review", "Open", "Paid", "Canceled", "Corrective"]
    );
    assert_eq!(values("Sales Line", "type").last().map(String::as_str), Some("Allocation Account"));
    assert_eq!(values("Price List Line", "assetType").first().map(String::as_str), Some(" "));
    // The trailing blank is the source's.
    assert_eq!(values("Sales Header (Quote)", "status").last().map(String::as_str), Some("Expired "));
    let label = |table: &str, column: &str, value: i64| {
        catalogue.dataverse_table(table).unwrap().column(column).unwrap().options[&value].clone()
    };
    assert_eq!(label("quote", "statuscode", 1), "In Progress");
    assert_eq!(label("account", "paymenttermscode", 2), "2% 10, Net 30");
}

#[test]
fn f36_columns_of_dataverse_have_the_lengths_and_the_access_of_the_entity_references() {
    let catalogue = catalogue();
    let column = |table: &str, name: &str| catalogue.dataverse_table(table).unwrap().column(name).unwrap().clone();
    for table in ["salesorder", "invoice", "opportunity", "quote"] {
        assert_eq!(column(table, "name").field, FieldType::Text { length: 300 }, "{table}");
    }
    for table in ["salesorderdetail", "invoicedetail", "quotedetail"] {
        assert_eq!(column(table, "productdescription").field, FieldType::Text { length: 500 }, "{table}");
        assert_eq!(column(table, "transactioncurrencyid").access, Access::Insert, "{table}");
    }
    assert_eq!(column("annotation", "subject").field, FieldType::Text { length: 500 });
    assert_eq!(column("annotation", "objectid").access, Access::Full);
    assert_eq!(column("product", "statecode").access, Access::Full);
    assert_eq!(column("role", "businessunitid").access, Access::Insert);
    let FieldType::Lookup { targets } = column("annotation", "objectid").field.clone() else { panic!("no lookup") };
    assert!(["account", "contact"].iter().all(|table| targets.iter().any(|target| target == table)), "{targets:?}");
}

#[test]
fn s218_s219_new_installations_have_unit_groups_of_items_and_resources() {
    let order: Vec<String> =
        catalogue().active(&Switches::default()).into_iter().map(|mapping| mapping.name.0).collect();
    let place = |name: &str| order.iter().position(|other| other == name);
    assert_eq!(place("UNIT OF MEASURE"), None);
    assert!(place("UNIT GROUP").is_some() && place("UNIT GROUP") < place("ITEM UOM"));
    assert!(place("ITEM UOM") < place("ITEM-PRODUCT") && place("RESOURCE UOM") < place("RESOURCE-PRODUCT"));
    let catalogue = catalogue();
    let defaults = catalogue.defaults();
    assert_eq!(defaults.item_unit_group_name("1000"), "ITEM 1000 UOM GR");
    assert_eq!(defaults.resource_unit_group_name("LIFT"), "RESOURCE LIFT UOM GR");
}

#[test]
fn an_unknown_mapping_suggests_the_nearest_name() {
    let error = catalogue().active_mapping("ITEM-PRODUKT", &person()).unwrap_err();
    assert_eq!(error.to_string(), "there is no mapping ITEM-PRODUKT; did you mean ITEM-PRODUCT?");
    let error = catalogue().active_mapping("UNIT GROUP", &person()).unwrap_err();
    assert!(error.to_string().contains("switched off"), "{error}");
}

/// Writes the catalogue to a folder, with one text of one file replaced.
fn damaged(file: &str, from: &str, to: &str) -> CatalogueError {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue");
    for part in ["tables", "mappings", "."] {
        fs::create_dir_all(folder.path().join(part)).unwrap();
        for entry in fs::read_dir(source.join(part)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_file() {
                fs::copy(entry.path(), folder.path().join(part).join(entry.file_name())).unwrap();
            }
        }
    }
    assert!(Catalogue::from_directory(folder.path()).is_ok());
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let mut error = Catalogue::from_directory(folder.path()).unwrap_err();
    error.file = error.file.rsplit('/').next().unwrap_or_default().to_owned();
    error
}

#[test]
fn a_damaged_file_is_named_with_mapping_row_and_remedy() {
    let file = "mappings/item-product.json";
    let cases = [
        (
            r#""dataverse": "price""#,
            r#""dataverse": "pryce""#,
            "catalogue file item-product.json, mapping ITEM-PRODUCT, row 3: Dataverse table product has no field pryce; did you mean price?",
        ),
        (
            r#"["UNIT OF MEASURE"]"#,
            r#"["UNITS OF MEASURE"]"#,
            "catalogue file item-product.json, mapping ITEM-PRODUCT: depends on UNITS OF MEASURE, which is no mapping; did you mean UNIT OF MEASURE?",
        ),
        (
            r#""direction": "bidirectional",
  "only"#,
            r#""direction": "from_dataverse",
  "only"#,
            "catalogue file item-product.json, mapping ITEM-PRODUCT, row 1: direction contradicts the mapping's: to_dataverse in a mapping from_dataverse",
        ),
        (
            r#""property": "blocked""#,
            r#""property": "blockt""#,
            "catalogue file item-product.json, mapping ITEM-PRODUCT: filter: Business Central table Item has no field blockt; did you mean blocked?",
        ),
        (
            r#""direction": "to_dataverse""#,
            r#""direction": "sideways""#,
            "catalogue file item-product.json, mapping ITEM-PRODUCT, row 1: unknown direction sideways; use to_dataverse, from_dataverse or bidirectional",
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(damaged(file, from, to).to_string(), expected);
    }
    let error = damaged(file, "\"only_coupled\"", "\"only_couppled\"").to_string();
    assert!(error.contains("unknown field `only_couppled`") && error.contains("line"), "{error}");
    let error = damaged(file, "\"fields\": [", "\"fields\": [ oops").to_string();
    assert!(error.starts_with("catalogue file item-product.json: damaged:"), "{error}");
}

#[test]
fn c_109_c_110_r6_not_null_is_for_ids_and_excludes_clearing() {
    let error = damaged(
        "mappings/customer.json",
        r#""dataverse": "name", "direction""#,
        r#""dataverse": "name", "not_null": true, "direction""#,
    );
    assert!(error.problem.contains("EE43"), "{error}");
    let error =
        damaged("mappings/customer.json", r#""not_null": true"#, r#""not_null": true, "clear_on_failure": true"#);
    assert!(error.problem.contains("R6"), "{error}");
}

#[test]
fn ee8_r3_a_mapping_of_options_goes_one_way() {
    let file = "mappings/payment-terms.json";
    let error = damaged(file, r#""direction": "to_dataverse""#, r#""direction": "bidirectional""#);
    assert!(error.problem.contains("EE8"), "{error}");
}

#[test]
fn r7_a_row_of_one_way_transforms_its_own_way_alone() {
    let row = |direction: &str, way: &str| {
        let row = format!(
            r#""dataverse": "name", "transformation": "uppercase", "transformation_direction": "{way}", "direction": "{direction}""#
        );
        damaged("mappings/customer.json", r#""dataverse": "name", "direction": "bidirectional""#, &row)
    };
    let error = row("to_dataverse", "from_dataverse");
    assert!(error.problem.contains("transformation_direction contradicts the direction of the row"), "{error}");
}

#[test]
fn f01_what_is_created_in_business_central_can_be_created_in_one_request() {
    let catalogue = catalogue();
    for mapping in catalogue.mappings().iter().filter(|mapping| mapping.direction.includes(Direction::FromDataverse)) {
        let table = &mapping.business_central;
        let written = mapping.fields.iter().filter(|field| field.direction.includes(Direction::FromDataverse));
        let columns: Vec<_> = written.filter_map(|field| field.business_central.as_ref()).collect();
        // Under an id of ours through the companion API, else without one through the standard API.
        let whole =
            columns.iter().all(|column| if table.companion_takes_id { column.companion } else { column.standard });
        assert!(whole, "{}", mapping.name);
    }
}

#[test]
fn f01_the_bill_to_address_of_orders_is_written_through_the_companion_api_only() {
    let catalogue = catalogue();
    let orders = catalogue.business_central_table("Sales Header").unwrap();
    for name in ["billToAddressLine1", "billToCity", "billToCountry", "billToPostCode"] {
        let column = orders.column(name).unwrap();
        assert_eq!(
            (column.access, column.standard, column.companion),
            (crate::table::Access::Full, false, true),
            "{name}"
        );
    }
}

#[test]
fn documents_name_their_lines_and_by_which_columns_a_line_names_its_header() {
    let lines = |mapping: &str, switches: &Switches| {
        let lines = catalogue().active_mapping(mapping, switches).unwrap().lines?;
        let [bc, dv] =
            [&lines.business_central, &lines.dataverse].map(|name| (name.column.clone(), name.names.clone()));
        Some((lines.mapping.0, bc, dv))
    };
    let by_id = |column: &str| (column.to_owned(), Names::Id);
    let document = |mapping: &str, column: &str| Some((mapping.to_owned(), by_id("documentId"), by_id(column)));
    assert_eq!(lines("POSTEDSALESINV-INV", &person()), document("POSTEDSALESLINE-INV", "invoiceid"));
    let both_ways = Switches { sales_orders: SalesOrders::Bidirectional, ..person() };
    assert_eq!(lines("SALESORDER-ORDER", &both_ways), document("SOLINE-ORDERDETAIL", "salesorderid"));
    let one_way = Switches { sales_orders: SalesOrders::Legacy, ..person() };
    assert_eq!(lines("SALESORDER-ORDER", &one_way), document("SOLINE-ORDERDETAIL", "salesorderid"));
    let orders = catalogue().active_mapping("SALESORDER-ORDER", &one_way).unwrap();
    let ways = Direction::BOTH.map(|direction| orders.lines(direction).is_some());
    assert_eq!(ways, [false, true], "the lines of these orders travel with them to Business Central only");
    assert_eq!(orders.job.map(|job| job.direction), Some(MappingDirection::ToDataverse));
    assert_eq!(lines("ITEM-PRODUCT", &person()), None);
}

#[test]
fn lines_that_do_not_fit_their_headers_are_named() {
    let file = "mappings/postedsalesinv-inv.json";
    let cases = [
        (r#""POSTEDSALESLINE-INV""#, r#""POSTEDSALESLINES""#, "has the lines POSTEDSALESLINES, which is no mapping"),
        (
            r#""column": "invoiceid""#,
            r#""column": "invoice""#,
            "lines: the table invoicedetail of Dataverse has no column invoice",
        ),
        (
            r#""documentId", "names": "id""#,
            r#""documentId", "names": {"key": "no"}"#,
            "lines: the table Sales Invoice Header of Business Central has no column no",
        ),
        (r#""documentId", "names": "id""#, r#""documentId", "names": "everything""#, "lines: a line names one header"),
        (r#""POSTEDSALESLINE-INV""#, r#""POSTEDSALESINV-INV""#, "lines have no lines"),
        (
            r#""POSTEDSALESLINE-INV""#,
            r#""SOLINE-ORDERDETAIL""#,
            "the lines SOLINE-ORDERDETAIL do not travel as their headers do",
        ),
    ];
    for (from, to, expected) in cases {
        let error = damaged(file, from, to);
        assert!(error.problem.contains(expected), "{error}");
    }
}
