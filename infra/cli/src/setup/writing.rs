//! What the answers are written as: a settings file, or parameters of a stack; and how a file is written whole or not at all.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use couplet_runtime::configuration::{KEYS, Key, key};
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::answers::Answers;

/// Settings of an identity: those that are not answered are taken out, so that an application has one way to prove itself.
const OF_IDENTITY: [&str; 7] = [
    "tenant",
    "client_id",
    "client_secret",
    "client_secret_file",
    "certificate_file",
    "certificate_password",
    "web_identity",
];

/// The settings file that says what was answered. What an existing one says beside it is kept, with its comments.
///
/// # Errors
/// When the existing text is no TOML.
pub fn settings(existing: Option<&str>, answers: &Answers) -> anyhow::Result<String> {
    let mut document: DocumentMut = match existing {
        Some(text) => text.parse().ok().context("the settings file is damaged; couplet check says where")?,
        None => "# Settings of Couplet, written by couplet setup. Every one can also come from the environment, which wins.\n\
                 # couplet init writes an example with all settings there are.\n"
            .parse()
            .context("the head of a settings file")?,
    };
    let in_file = answers.is("secret_in", "settings");
    for section in ["entra", "business_central", "dataverse"] {
        for name in OF_IDENTITY.iter().chain(&["authority"]) {
            let full = format!("{section}.{name}");
            if !answers.has(&full) || (!in_file && answers.secret(&full).is_some()) {
                remove(&mut document, section, name);
            }
        }
    }
    let secrets = answers.secrets().filter(|_| in_file);
    for (name, text) in answers.values().chain(secrets) {
        if let Some(key) = key(name) {
            set(&mut document, key, text);
        }
    }
    Ok(document.to_string())
}

fn remove(document: &mut DocumentMut, section: &str, name: &str) {
    if let Some(table) = document.get_mut(section).and_then(Item::as_table_like_mut) {
        table.remove(name);
        if table.is_empty() {
            document.remove(section);
        }
    }
}

/// Sets a setting; one that was not there is written with what it is.
fn set(document: &mut DocumentMut, key: &Key, text: &str) {
    let written = match key.example {
        "true" | "false" => value(text == "true"),
        _ => value(text),
    };
    let (section, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
    let table = if section.is_empty() {
        document.as_table_mut()
    } else {
        let entry = document.entry(section).or_insert_with(|| Item::Table(Table::new()));
        if !entry.is_table_like() {
            return;
        }
        match entry.as_table_mut() {
            Some(table) => table,
            None => {
                // An inline table has no room for comments.
                if let (Some(inline), Some(written)) = (entry.as_inline_table_mut(), written.as_value()) {
                    inline.insert(name, written.clone());
                }
                return;
            }
        }
    };
    match table.get_mut(name) {
        Some(standing) => {
            // The comment behind a value stays.
            let decor = standing.as_value().map(|value| value.decor().clone());
            *standing = written;
            if let (Some(decor), Some(value)) = (decor, standing.as_value_mut()) {
                *value.decor_mut() = decor;
            }
        }
        None => {
            table.insert(name, written);
            if let Some(mut inserted) = table.key_mut(name) {
                inserted.leaf_decor_mut().set_prefix(format!("# {}\n", key.what));
            }
        }
    }
}

/// What a settings file says, name by name, as a person may see it.
///
/// # Errors
/// When it is no TOML.
pub fn shown(text: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    let table: toml::Table = text.parse().ok().context("the settings file is damaged; couplet check says where")?;
    let said = |key: &&'static Key| {
        let found = match key.name.rsplit_once('.') {
            Some((section, name)) => table.get(section)?.get(name)?,
            None => table.get(key.name)?,
        };
        let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
        Some((key.name, if key.secret { "…".to_owned() } else { text }))
    };
    Ok(KEYS.iter().filter_map(|key| said(&key)).collect())
}

/// What a settings file says of one setting.
pub fn said(text: &str, name: &str) -> Option<String> {
    let table: toml::Table = text.parse().ok()?;
    let found = match name.rsplit_once('.') {
        Some((section, name)) => table.get(section)?.get(name)?,
        None => table.get(name)?,
    };
    Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned)).filter(|text| !text.is_empty())
}

/// Answers and the parameters of the stack they are given as.
const PARAMETERS: [(&str, &str); 21] = [
    ("company", "CompanyId"),
    ("business_central.environment", "BusinessCentralEnvironment"),
    ("business_central.url", "BusinessCentralUrl"),
    ("business_central.companion", "BusinessCentralCompanion"),
    ("dataverse.url", "DataverseUrl"),
    ("entra.tenant", "EntraTenant"),
    ("entra.client_id", "EntraClientId"),
    ("entra.client_secret_arn", "ClientSecretArn"),
    ("entra.authority", "EntraAuthority"),
    ("business_central.tenant", "BusinessCentralTenant"),
    ("business_central.client_id", "BusinessCentralClientId"),
    ("business_central.client_secret_arn", "BusinessCentralClientSecretArn"),
    ("business_central.authority", "BusinessCentralAuthority"),
    ("switches.ownership", "Ownership"),
    ("switches.unit_groups", "UnitGroups"),
    ("switches.extended_pricing", "ExtendedPricing"),
    ("switches.sales_orders", "SalesOrders"),
    ("switches.auto_create_orders", "AutoCreateOrders"),
    ("switches.auto_process_quotes", "AutoProcessQuotes"),
    ("switches.item_availability", "ItemAvailability"),
    ("switches.default_price_list_code_is_set", "DefaultPriceListCodeIsSet"),
];

/// A configuration file of the SAM CLI (`sam deploy --config-file FILE`) with the parameters of the stack, without a secret.
/// What an existing one says beside it is kept.
///
/// # Errors
/// When the existing text is no such file.
pub fn parameters(existing: Option<&str>, answers: &Answers) -> anyhow::Result<String> {
    let new = "# For sam deploy --config-file, written by couplet setup. The secret is not in it: sam deploy takes it as ClientSecret.\n\
        version = 0.1\n\n[default.global.parameters]\nstack_name = \"couplet\"\n\n[default.deploy.parameters]\n\
        capabilities = [\"CAPABILITY_IAM\", \"CAPABILITY_AUTO_EXPAND\"]\nconfirm_changeset = true\n\
        fail_on_empty_changeset = false\nresolve_s3 = true\ns3_prefix = \"couplet\"\n";
    let mut document: DocumentMut =
        existing.unwrap_or(new).parse().ok().context("the file of SAM parameters is damaged: it is no TOML")?;
    let ours = PARAMETERS.iter().filter_map(|(name, parameter)| Some((*parameter, answers.get(name)?)));
    let ours: Vec<(&str, &str)> = ours.collect();
    let is_ours = |line: &str| {
        let name = line.split('=').next().unwrap_or_default();
        PARAMETERS.iter().any(|(_, parameter)| *parameter == name)
    };
    let table = ["default", "deploy", "parameters"].iter().try_fold(document.as_table_mut(), |table, name| {
        let entry = table.entry(name).or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        entry.as_table_mut()
    });
    let table =
        table.context("the file of SAM parameters has no table default.deploy.parameters, and no room for one")?;
    let standing: Vec<String> = match table.get("parameter_overrides") {
        Some(item) => match (item.as_array(), item.as_str()) {
            (Some(list), _) => list.iter().filter_map(|line| line.as_str()).map(str::to_owned).collect(),
            (None, Some(text)) => text.split_whitespace().map(str::to_owned).collect(),
            (None, None) => Vec::new(),
        },
        None => Vec::new(),
    };
    let mut lines: Array = standing.into_iter().filter(|line| !is_ours(line)).collect();
    for (parameter, text) in ours {
        let is_plain = !text.contains(char::is_whitespace);
        lines.push(if is_plain { format!("{parameter}={text}") } else { format!("{parameter}=\"{text}\"") });
    }
    for line in lines.iter_mut() {
        line.decor_mut().set_prefix("\n    ");
    }
    lines.set_trailing("\n");
    lines.set_trailing_comma(true);
    table.insert("parameter_overrides", value(lines));
    Ok(document.to_string())
}

/// Writes a file for its owner alone, whole or not at all: into another one in the same folder, which then takes its name.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(file: &Path, text: &str) -> anyhow::Result<()> {
    let written = (|| {
        let temporary = beside(file, &format!(".{}.new", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut created = options.open(&temporary)?;
        created.write_all(text.as_bytes())?;
        created.sync_all()?;
        std::fs::rename(&temporary, file).inspect_err(|_| {
            // What could not be put in its place is not left lying about.
            let _ = std::fs::remove_file(&temporary);
        })
    })();
    written.map_err(|error: io::Error| {
        anyhow::anyhow!("{} cannot be written: {error}; name a file in a folder you may write to", file.display())
    })
}

/// A file beside another, its name with this end.
pub fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(end);
    file.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::super::questions::question;
    use super::*;

    fn answers(given: &[(&str, &str)]) -> Answers {
        let mut answers = Answers::default();
        let usual = [
            ("dataverse.url", "https://contoso.crm4.dynamics.com"),
            ("entra.tenant", "contoso.com"),
            ("entra.client_id", "9d1f"),
            ("entra.client_secret", "s3cret"),
            ("sign_in", "secret"),
            ("secret_in", "environment"),
            ("one_application", "true"),
            ("business_central.environment", "My Sandbox"),
            ("company", "5c1d8f2e-3b6a-4e0f-9a7c-1d2e3f4a5b6c"),
            ("switches.unit_groups", "false"),
        ];
        for (name, value) in usual.iter().chain(given) {
            answers.put(question(name).expect(name), value);
        }
        answers
    }

    #[test]
    fn c_127_settings_are_written_without_the_secret_unless_the_person_wants_them_there() {
        let text = settings(None, &answers(&[])).expect("text");
        assert!(!text.contains("s3cret"), "{text}");
        assert_eq!(said(&text, "dataverse.url").as_deref(), Some("https://contoso.crm4.dynamics.com"));
        assert_eq!(said(&text, "switches.unit_groups").as_deref(), Some("false"));
        assert!(text.contains("# address of the Dataverse environment\n"), "{text}");
        let text = settings(None, &answers(&[("secret_in", "settings")])).expect("text");
        assert_eq!(said(&text, "entra.client_secret").as_deref(), Some("s3cret"));
        assert!(!shown(&text).expect("settings").iter().any(|(_, value)| value.contains("s3cret")));
    }

    #[test]
    fn what_stands_in_a_file_beside_the_answers_is_kept_with_its_comments() {
        let existing = "# mine\ncompany = \"old\" # which?\n\n[limits]\nlease_minutes = 7\n\n[dataverse]\nurl = \"https://old\"\nclient_id = \"own\"\nclient_secret = \"0ld\"\n\n[business_central]\ntenant = \"other\"\npage_size = 100\n";
        let text = settings(Some(existing), &answers(&[])).expect("text");
        for kept in ["# mine", "# which?", "lease_minutes = 7", "page_size = 100"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        for gone in ["0ld", "own", "other", "https://old"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        assert_eq!(settings(Some(&text), &answers(&[])).expect("text"), text, "it says so already");
        let damaged = settings(Some("client_secret = \"0ld"), &answers(&[])).expect_err("damaged").to_string();
        assert!(!damaged.contains("0ld"), "{damaged}");
    }

    #[test]
    fn parameters_of_a_stack_stand_beside_those_of_others_and_hold_no_secret() {
        let text = parameters(None, &answers(&[])).expect("text");
        assert!(!text.contains("s3cret"), "{text}");
        let lines = |text: &str| -> Vec<String> {
            let table: toml::Table = text.parse().expect("TOML");
            let list =
                table["default"]["deploy"]["parameters"]["parameter_overrides"].as_array().expect("a list").clone();
            list.iter().map(|line| line.as_str().expect("text").to_owned()).collect()
        };
        assert!(lines(&text).contains(&"BusinessCentralEnvironment=\"My Sandbox\"".to_owned()), "{text}");
        assert!(lines(&text).contains(&"UnitGroups=false".to_owned()), "{text}");
        let existing = "version = 0.1\n[default.deploy.parameters]\nparameter_overrides = [\"Architecture=arm64\", \"UnitGroups=true\"]\n";
        let merged = lines(&parameters(Some(existing), &answers(&[])).expect("text"));
        assert!(merged.contains(&"Architecture=arm64".to_owned()) && !merged.contains(&"UnitGroups=true".to_owned()));
    }

    /// Every parameter is one of the template, and every question that fills in a setting has one.
    #[test]
    fn parameters_are_those_of_the_template() {
        let template = include_str!("../../../../template.yaml");
        for (name, parameter) in PARAMETERS {
            assert!(template.contains(&format!("\n  {parameter}:\n")), "{name}: {parameter}");
        }
        let on_stack = |name: &str| {
            !["certificate", "web_identity", "client_secret_file", "sign_in", "secret_in"]
                .iter()
                .any(|part| name.contains(part))
        };
        for question in super::super::questions::questions().filter(|question| on_stack(question.name)) {
            let is_setting = key(question.name).is_some_and(|key| !key.secret);
            assert!(!is_setting || PARAMETERS.iter().any(|(name, _)| *name == question.name), "{}", question.name);
        }
    }

    #[test]
    fn a_file_is_written_whole_for_its_owner_alone_or_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("couplet.toml");
        write_private(&file, "one").expect("written");
        write_private(&file, "two").expect("written");
        assert_eq!(std::fs::read_to_string(&file).expect("text"), "two");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing else is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&file).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let nowhere =
            write_private(&folder.path().join("no/such/couplet.toml"), "x").expect_err("no folder").to_string();
        assert!(nowhere.contains("cannot be written"), "{nowhere}");
    }
}
