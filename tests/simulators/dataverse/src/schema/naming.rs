//! Names that Dataverse derives from other names: plural entity sets, schema names, navigation properties of custom lookups.

use super::words::capitalized;

/// The entity set name Dataverse gives to a table by default.
#[must_use]
pub fn plural(name: &str) -> String {
    match name {
        "teamroles" | "systemuserroles" => format!("{name}collection"),
        _ if name.ends_with(['s', 'x', 'z']) || name.ends_with("ch") || name.ends_with("sh") => {
            format!("{name}es")
        }
        _ if name.ends_with('y') && !["ay", "ey", "oy", "uy"].iter().any(|vowel| name.ends_with(vowel)) => {
            format!("{}ies", &name[..name.len() - 1])
        }
        _ => format!("{name}s"),
    }
}

/// A table or column made by a publisher: its name starts with a customization prefix.
#[must_use]
pub fn custom_table(name: &str) -> bool {
    ["bcbi_", "nav_", "cdm_", "msdyn_", "new_", "cr_", "couplet_"].iter().any(|prefix| name.starts_with(prefix))
}

/// Schema names that are not the capitalized words of the logical name: those of the Business Central solutions and the common data model,
/// and those of the platform that follow no rule. (table, logical name, schema name); no table means every table.
const PUBLISHED: [(&str, &str, &str); 18] = [
    ("", "bcbi_companyid", "bcbi_CompanyId"),
    ("", "bcbi_defaultowningteam", "bcbi_DefaultOwningTeam"),
    ("", "nav_accountstatisticsid", "nav_AccountStatisticsId"),
    ("", "cdm_defaultowningteam", "cdm_DefaultOwningTeam"),
    ("", "bcbi_company", "bcbi_Company"),
    ("account", "ftpsiteurl", "FtpSiteURL"),
    ("account", "websiteurl", "WebSiteURL"),
    ("", "donotbulkemail", "DoNotBulkEMail"),
    ("", "donotemail", "DoNotEMail"),
    ("", "emailaddress1", "EMailAddress1"),
    ("", "emailaddress2", "EMailAddress2"),
    ("", "emailaddress3", "EMailAddress3"),
    ("", "internalemailaddress", "InternalEMailAddress"),
    ("", "mobilealertemail", "MobileAlertEMail"),
    ("", "personalemailaddress", "PersonalEMailAddress"),
    ("team", "emailaddress", "EMailAddress"),
    ("product", "vendorid", "VendorID"),
    ("systemuser", "windowsliveid", "WindowsLiveID"),
];

/// Schema name of a table.
#[must_use]
pub fn schema_name(name: &str) -> String {
    column_schema_name("", name)
}

/// Schema name of a column.
#[must_use]
pub fn column_schema_name(table: &str, name: &str) -> String {
    let published = PUBLISHED.iter().find(|(of, logical, _)| *logical == name && (of.is_empty() || *of == table));
    if let Some((.., published)) = published {
        return (*published).to_owned();
    }
    if custom_table(name) {
        return name.to_owned();
    }
    capitalized(name).unwrap_or_else(|| {
        let mut letters = name.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    })
}

/// Object type codes of the tables that have a fixed one; custom tables get numbers above 10,000.
#[must_use]
pub fn type_code(name: &str, at: usize) -> i32 {
    const CODES: [(&str, i32); 24] = [
        ("account", 1),
        ("contact", 2),
        ("opportunity", 3),
        ("annotation", 5),
        ("systemuser", 8),
        ("team", 9),
        ("businessunit", 10),
        ("pricelevel", 1022),
        ("product", 1024),
        ("productpricelevel", 1026),
        ("role", 1036),
        ("organization", 1019),
        ("uom", 1055),
        ("uomschedule", 1056),
        ("quote", 1084),
        ("quotedetail", 1085),
        ("salesorder", 1088),
        ("salesorderdetail", 1089),
        ("invoice", 1090),
        ("invoicedetail", 1091),
        ("sdkmessage", 4606),
        ("serviceendpoint", 4618),
        ("post", 8000),
        ("transactioncurrency", 9105),
    ];
    let fallback = i32::try_from(10_001 + at).unwrap_or(10_001);
    CODES.iter().find(|(table, _)| *table == name).map_or(fallback, |(_, code)| *code)
}

/// Display name of a table.
#[must_use]
pub fn display_name(name: &str) -> String {
    match name {
        "uom" => "Unit".to_owned(),
        "uomschedule" => "Unit Group".to_owned(),
        "pricelevel" => "Price List".to_owned(),
        "productpricelevel" => "Price List Item".to_owned(),
        "salesorder" => "Order".to_owned(),
        "salesorderdetail" => "Order Product".to_owned(),
        "transactioncurrency" => "Currency".to_owned(),
        "annotation" => "Note".to_owned(),
        "systemuser" => "User".to_owned(),
        other => schema_name(other.split_once('_').map_or(other, |(_, rest)| rest)),
    }
}
