//! The command with something wrong: one line with the remedy, exit code 1, nothing written.

use crate::command::Workplace;
use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator};
use couplet_local::DataFolder;
use dataverse_simulator::{DataverseOptions, DataverseSimulator};

#[test]
fn a_wrong_use_ends_with_exit_code_2() {
    let workplace = Workplace::empty();
    for arguments in [&["jbos"][..], &["run"], &["demo", "--items", "0"], &["demo", "--customers", "many"], &[]] {
        let ended = workplace.couplet(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.errors);
    }
}

#[test]
fn missing_settings_are_named_with_variable_file_and_example() {
    let workplace = Workplace::empty();
    for arguments in
        [&["jobs"][..], &["run", "CUSTOMER"], &["couplings", "CUSTOMER"], &["errors"], &["check"], &["serve"]]
    {
        let line = workplace.couplet(arguments).failed_with_one_line();
        assert!(line.contains("the setting company is missing"), "{line}");
        assert!(line.contains("COUPLET_COMPANY"), "{line}");
        assert!(line.contains("couplet.toml"), "{line}");
    }
    assert!(workplace.is_empty());
}

#[test]
fn a_settings_file_that_is_not_there_is_named() {
    let workplace = Workplace::empty();
    let line = workplace.couplet(&["jobs", "--config", "nowhere.toml"]).failed_with_one_line();
    assert!(line.contains("nowhere.toml is not there; write one with couplet init"), "{line}");
}

#[test]
fn a_misspelt_setting_gets_the_nearest_name() {
    let workplace = Workplace::with_settings("http://127.0.0.1:1", "[switches]\nownersip = \"person\"\n");
    let line = workplace.couplet(&["jobs"]).failed_with_one_line();
    assert!(line.contains("did you mean switches.ownership?"), "{line}");
}

#[cfg(unix)]
#[test]
fn f29_warnings_stop_nothing_and_addresses_that_lead_nowhere_do() {
    let workplace = Workplace::with_settings("http://127.0.0.1:1", "");
    workplace.let_others_read(true);
    let ended = workplace.couplet_with(&["jobs"], &[("COUPLET_SHOP_TOKEN", "s3cret")]);
    assert_eq!(ended.code, 0, "{}", ended.errors);
    for part in ["couplet.toml holds a secret and is open to others", "COUPLET_SHOP_TOKEN is no setting"] {
        assert!(ended.errors.contains(part), "{part}: {}", ended.errors);
    }
    assert!(!ended.errors.contains("s3cret"), "{}", ended.errors);
    let workplace = Workplace::with_settings("http://127.0.0.1:1/myOrg", "");
    let line = workplace.couplet(&["jobs"]).failed_with_one_line();
    assert!(line.contains("/myOrg, which does not belong there; set http://127.0.0.1:1"), "{line}");
}

#[test]
fn f29_a_password_in_an_address_is_not_repeated() {
    let workplace = Workplace::with_settings("http://127.0.0.1:1", "");
    let variables = [("COUPLET_DATAVERSE_URL", "http://somebody:s3cret@127.0.0.1:1/x@y")];
    let ended = workplace.couplet_with(&["jobs"], &variables);
    assert_eq!(ended.code, 1);
    assert!(
        ended.errors.contains("http://…@127.0.0.1:1") && ended.errors.contains("with a user in it"),
        "{}",
        ended.errors
    );
    assert!(!ended.errors.contains("s3cret") && !ended.errors.contains("somebody"), "{}", ended.errors);
}

#[cfg(unix)]
#[test]
fn f29_a_variable_of_another_tool_that_is_no_text_stops_nothing() {
    use std::os::unix::ffi::OsStringExt;
    let workplace = Workplace::with_settings("http://127.0.0.1:1", "");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_couplet"));
    let not_text = std::ffi::OsString::from_vec(vec![b'a', 0xff]);
    let output =
        command.arg("jobs").env("SHOP_LOGO", not_text).current_dir(workplace.path(".")).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_unknown_name_gets_the_nearest_one() {
    let workplace = Workplace::with_settings("http://127.0.0.1:1", "");
    let line = workplace.couplet(&["run", "SALESPEOPLE"]).failed_with_one_line();
    assert!(line.contains("SALESPEOPLE is not part of this installation"), "{line}");
    let line = workplace.couplet(&["couplings", "CUSTOMR"]).failed_with_one_line();
    assert!(line.contains("there is no mapping CUSTOMR; did you mean CUSTOMER?"), "{line}");
    let line = workplace.couplet(&["errors", "ITEMPRODUCT"]).failed_with_one_line();
    assert!(line.contains("did you mean ITEM-PRODUCT?"), "{line}");
    let line = workplace.couplet(&["run", "item availabilty"]).failed_with_one_line();
    assert!(line.contains("did you mean Item Availability?"), "{line}");
    assert!(!workplace.has("data"));
}

#[test]
fn a_system_that_cannot_be_reached_is_named_and_nothing_is_written() {
    let workplace = Workplace::with_settings("http://127.0.0.1:1", "");
    let line = workplace.couplet(&["run", "CUSTOMER"]).failed_with_one_line();
    assert!(line.contains("Business Central cannot be reached"), "{line}");
    assert!(line.contains("check the address"), "{line}");
    assert!(!workplace.has("data"));
}

#[test]
fn a_damaged_catalogue_is_named_with_its_file() {
    let workplace = Workplace::with_settings_before("catalogue = \"catalogue\"\n", "http://127.0.0.1:1", "");
    for arguments in [&["jobs"][..], &["run", "CUSTOMER"]] {
        let line = workplace.couplet(arguments).failed_with_one_line();
        assert!(line.contains("catalogue file catalogue"), "{line}");
        assert!(line.contains("cannot be read"), "{line}");
    }
    workplace.copy_catalogue_to("catalogue");
    assert_eq!(workplace.couplet(&["jobs"]).code, 0, "a copy of the built-in catalogue is a good one");

    let items = workplace.path("catalogue/mappings/item-product.json");
    let good = std::fs::read_to_string(&items).expect("a file");
    std::fs::write(&items, good.replace("\"productnumber\"", "\"productnumbr\"")).expect("a file");
    let line = workplace.couplet(&["jobs"]).failed_with_one_line();
    assert!(line.contains("item-product.json, mapping ITEM-PRODUCT, row 1: "), "{line}");
    assert!(line.contains("did you mean productnumber?"), "{line}");

    std::fs::write(&items, &good[..good.len() / 2]).expect("a file");
    let line = workplace.couplet(&["run", "CUSTOMER"]).failed_with_one_line();
    assert!(line.contains("item-product.json: damaged: "), "{line}");
    assert!(!workplace.has("data"));
}

#[test]
fn an_example_of_the_settings_is_written_once() {
    let workplace = Workplace::empty();
    assert_eq!(workplace.couplet(&["init"]).code, 0);
    let line = workplace.couplet(&["init"]).failed_with_one_line();
    assert!(line.contains("couplet.toml is there already"), "{line}");
    let line = workplace.couplet(&["jobs"]).failed_with_one_line();
    assert!(line.contains("entra.client_secret is missing"), "the example lacks the secret only: {line}");
}

#[test]
fn s300_a_connection_string_is_filled_in_without_its_secret() {
    let workplace = Workplace::empty();
    let id = "9d1f6a54-5c3e-4a0b-8f57-0c6f1a2b3c4d";
    let text =
        format!("AuthType=ClientSecret; Url=https://fabrikam.crm4.dynamics.com; ClientId={id}; ClientSecret=s3cret\n");
    std::fs::write(workplace.path("string.txt"), text).expect("a file");
    let ended = workplace.couplet(&["init", "--connection-string", "string.txt"]);
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert!(ended.errors.contains("COUPLET_ENTRA_CLIENT_SECRET"), "{}", ended.errors);
    assert!(ended.errors.contains("ClientSecret=…"), "{}", ended.errors);
    let written = std::fs::read_to_string(workplace.path("couplet.toml")).expect("written");
    let settings: toml::Table = written.parse().expect("TOML");
    assert_eq!(settings["dataverse"]["url"].as_str(), Some("https://fabrikam.crm4.dynamics.com"));
    assert_eq!(settings["entra"]["client_id"].as_str(), Some(id));
    assert!(![&written, &ended.errors, &ended.results].iter().any(|text| text.contains("s3cret")));
    for (text, words) in [
        ("Url=https://a.b; UserName=u; Password=s3cret; AuthType=Office365;", "create an application user"),
        ("s3cret", "has no `=`"),
        ("", "is empty"),
    ] {
        std::fs::write(workplace.path("string.txt"), text).expect("a file");
        let line =
            workplace.couplet(&["init", "other.toml", "--connection-string", "string.txt"]).failed_with_one_line();
        assert!(line.contains(words) && !line.contains("s3cret"), "{line}");
        assert!(!workplace.has("other.toml"), "nothing is written");
    }
    let line = workplace.couplet(&["init", "other.toml", "--connection-string", "nowhere.txt"]).failed_with_one_line();
    assert!(line.contains("nowhere.txt cannot be opened"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_and_a_company_that_is_not_there_are_named() {
    let business_central = BusinessCentralSimulator::start(BusinessCentralOptions::default()).await.expect("a system");
    let dataverse = DataverseSimulator::start(DataverseOptions::default()).await.expect("a system");
    let workplace = Workplace::at(&business_central, &dataverse);

    let refused = workplace.couplet_with(&["run", "CUSTOMER"], &[("COUPLET_BUSINESS_CENTRAL_CLIENT_SECRET", "wrong")]);
    let line = refused.failed_with_one_line();
    assert!(line.contains("Business Central refused the token"), "{line}");
    assert!(line.contains("entra.client_secret"), "{line}");
    assert!(!line.contains("wrong"), "{line}");

    let refused = workplace.couplet_with(&["run", "CUSTOMER"], &[("COUPLET_DATAVERSE_CLIENT_SECRET", "wrong")]);
    let line = refused.failed_with_one_line();
    assert!(line.contains("Dataverse refused the token"), "{line}");

    let elsewhere = ("COUPLET_COMPANY", "00000000-0000-0000-0000-000000000001");
    let line = workplace.couplet_with(&["run", "CUSTOMER"], &[elsewhere]).failed_with_one_line();
    assert!(line.contains(&business_central.company_id().to_string()), "{line}");
    assert!(!workplace.has("data"));

    let _held = DataFolder::take(&workplace.path("data")).expect("a folder");
    let line = workplace.couplet(&["run", "CUSTOMER"]).failed_with_one_line();
    assert!(line.contains("another couplet works in the data folder"), "{line}");
}
