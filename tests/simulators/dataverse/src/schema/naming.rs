//! Names that Dataverse derives from other names: plural entity sets, schema names, navigation properties of custom lookups.

/// The entity set name Dataverse gives to a table by default.
#[must_use]
pub fn plural(name: &str) -> String {
    match name {
        "teamroles" | "systemuserroles" => format!("{name}collection"),
        _ if name.ends_with(['s', 'x', 'z']) || name.ends_with("ch") || name.ends_with("sh") => format!("{name}es"),
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

/// Schema names of the columns that the Business Central solutions and the common data model publish.
const PUBLISHED: [(&str, &str); 5] = [
    ("bcbi_companyid", "bcbi_CompanyId"),
    ("bcbi_defaultowningteam", "bcbi_DefaultOwningTeam"),
    ("nav_accountstatisticsid", "nav_AccountStatisticsId"),
    ("cdm_defaultowningteam", "cdm_DefaultOwningTeam"),
    ("bcbi_company", "bcbi_Company"),
];

/// Schema name of a column or table.
#[must_use]
pub fn schema_name(name: &str) -> String {
    if let Some((_, published)) = PUBLISHED.iter().find(|(logical, _)| *logical == name) {
        return (*published).to_owned();
    }
    if custom_table(name) {
        return name.to_owned();
    }
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
