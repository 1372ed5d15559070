use super::*;

const FILE: &str = r#"
company = "5c1d8f2e-3b6a-4e0f-9a7c-1d2e3f4a5b6c"

[entra]
tenant = "contoso.com"
client_id = "9d1f6a54-5c3e-4a0b-8f57-0c6f1a2b3c4d"

[business_central]
environment = "Production"

[dataverse]
url = "https://contoso.crm4.dynamics.com/"

[switches]
ownership = "person"
"#;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Settings, ConfigurationError> {
    let folder = std::env::temp_dir().join(format!("couplet-settings-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(FILE_NAME);
    std::fs::write(&path, text).expect("a file");
    let settings =
        Sources::of_file(&path, true, &environment(variables)).and_then(|sources| Settings::from_sources(&sources));
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
    settings
}

fn problem(text: &str, variables: &[(&str, &str)]) -> String {
    let problem = read(text, variables).expect_err("settings with a mistake").to_string();
    assert!(!problem.contains('\n'), "one line: {problem}");
    problem
}

/// The one warning about these variables.
fn warning(variables: &[(&str, &str)]) -> String {
    let sources = Sources::of_environment(&environment(variables));
    let [warning] = sources.warnings() else { panic!("{:?}", sources.warnings()) };
    assert!(!warning.contains('\n'), "one line: {warning}");
    warning.clone()
}

#[test]
fn f29_a_variable_of_another_tool_is_ignored_with_a_warning() {
    let other = ("COUPLET_SHOP_TOKEN", "s3cret");
    read(FILE, &[SECRET, other]).expect("it is none of our settings");
    let warning = warning(&[other]);
    assert!(warning.contains("COUPLET_SHOP_TOKEN is no setting and is ignored"), "{warning}");
    assert!(!warning.contains("s3cret"), "{warning}");
    assert_eq!(Sources::of_environment(&environment(&[("COUPLETS", "1"), SECRET])).warnings(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn f29_a_file_with_a_secret_that_others_can_read_gives_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("couplet-settings-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(FILE_NAME);
    let with_secret = FILE.replace("[entra]", "[entra]\nclient_secret = \"hunter2\"");
    for (text, mode, warns) in [
        (with_secret.as_str(), 0o644, true),
        (&with_secret, 0o640, true),
        (&with_secret, 0o602, true),
        (&with_secret, 0o600, false),
        (&with_secret, 0o400, false),
        (FILE, 0o644, false),
    ] {
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("ours");
        let sources = Sources::of_file(&path, true, &Environment::new()).expect("readable");
        assert_eq!(sources.warnings().len(), usize::from(warns), "{mode:o}: {:?}", sources.warnings());
        if let [warning] = sources.warnings() {
            assert!(warning.contains("chmod 600") && !warning.contains("hunter2"), "{warning}");
        }
    }
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}

const SECRET: (&str, &str) = ("COUPLET_ENTRA_CLIENT_SECRET", "hunter2");

#[test]
fn a_file_and_a_secret_in_the_environment_are_enough() {
    let settings = read(FILE, &[SECRET]).expect("complete settings");
    assert_eq!(settings.business_central.url, "https://api.businesscentral.dynamics.com/v2.0/contoso.com/Production");
    assert_eq!(settings.dataverse.url, "https://contoso.crm4.dynamics.com");
    assert_eq!(settings.dataverse.credentials.proof, "hunter2".into());
    assert_eq!(settings.switches.ownership, couplet_model::switches::Ownership::Person);
    assert_eq!(settings.limits.lease_minutes, 15);
}

#[test]
fn the_environment_wins_over_the_file() {
    let settings = read(FILE, &[SECRET, ("COUPLET_SWITCHES_OWNERSHIP", "team")]).expect("complete settings");
    assert_eq!(settings.switches.ownership, couplet_model::switches::Ownership::Team);
}

#[test]
fn one_system_may_have_an_application_of_its_own() {
    let own = [SECRET, ("COUPLET_DATAVERSE_CLIENT_ID", "other"), ("COUPLET_DATAVERSE_CLIENT_SECRET", "sesame")];
    let settings = read(FILE, &own).expect("complete settings");
    assert_eq!(settings.dataverse.credentials.client_id, "other");
    assert_eq!(settings.dataverse.credentials.proof, "sesame".into());
    assert_eq!(settings.business_central.credentials.proof, "hunter2".into());
}

const ARN: (&str, &str) = ("COUPLET_ENTRA_CLIENT_SECRET_ARN", " arn:entra ");

/// The secrets of Business Central and Dataverse in complete settings.
fn secrets(text: &str, variables: &[(&str, &str)]) -> [SecretSetting; 2] {
    let settings = read(text, variables).expect("complete settings");
    [settings.business_central.credentials.proof, settings.dataverse.credentials.proof].map(|proof| match proof {
        ProofSetting::Secret { secret, password: None } => secret,
        other => panic!("no secret: {other:?}"),
    })
}

fn kept(arn: &str, variable: &str) -> SecretSetting {
    SecretSetting::Kept(SecretPlace { arn: arn.to_owned(), variable: variable.to_owned() })
}

#[test]
fn a_secret_is_given_by_itself_or_by_its_arn() {
    let by_arn = || kept("arn:entra", "COUPLET_ENTRA_CLIENT_SECRET_ARN");
    let own = ("COUPLET_DATAVERSE_CLIENT_SECRET_ARN", "arn:own");
    let own_by_arn = || kept("arn:own", "COUPLET_DATAVERSE_CLIENT_SECRET_ARN");
    let with_secret = FILE.replace("[entra]", "[entra]\nclient_secret = \"from-file\"");
    for (name, file, variables, expected) in [
        ("the ARN alone is enough", FILE, vec![ARN], [by_arn(), by_arn()]),
        ("a secret that is set itself wins", FILE, vec![SECRET, ARN], ["hunter2".into(), "hunter2".into()]),
        ("an empty secret is left out", FILE, vec![("COUPLET_ENTRA_CLIENT_SECRET", ""), ARN], [by_arn(), by_arn()]),
        (
            "an empty ARN is left out",
            FILE,
            vec![ARN, ("COUPLET_DATAVERSE_CLIENT_SECRET_ARN", "")],
            [by_arn(), by_arn()],
        ),
        ("one system may have its own", FILE, vec![ARN, own], [by_arn(), own_by_arn()]),
        ("which may be beside a given one", FILE, vec![SECRET, own], ["hunter2".into(), own_by_arn()]),
        ("the environment wins over the file", &with_secret, vec![ARN], [by_arn(), by_arn()]),
        ("also for one system", &with_secret, vec![own], ["from-file".into(), own_by_arn()]),
    ] {
        assert_eq!(secrets(file, &variables), expected, "{name}");
    }
}

#[test]
fn an_empty_arn_leaves_the_secret_missing() {
    assert!(problem(FILE, &[("COUPLET_ENTRA_CLIENT_SECRET_ARN", " ")]).contains("entra.client_secret is missing"));
}

#[test]
fn a_secret_put_in_place_of_its_arn_is_refused_and_not_shown() {
    let problem = problem(FILE, &[("COUPLET_ENTRA_CLIENT_SECRET_ARN", "hunter2")]);
    assert!(problem.contains("not the ARN of a secret"), "{problem}");
    assert!(problem.contains("environment variable COUPLET_ENTRA_CLIENT_SECRET_ARN"), "{problem}");
    assert!(!problem.contains("hunter2"), "{problem}");
}

#[test]
fn only_secrets_are_given_by_an_arn_and_only_in_the_environment() {
    let variable = warning(&[("COUPLET_ENTRA_CLIENT_ID_ARN", "arn:id")]);
    assert!(variable.contains("COUPLET_ENTRA_CLIENT_ID_ARN is no setting"), "{variable}");
    let in_file = problem(&FILE.replace("[entra]", "[entra]\nclient_secret_arn = \"arn:entra\""), &[SECRET]);
    assert!(in_file.contains("there is no setting entra.client_secret_arn"), "{in_file}");
    let misspelt = warning(&[("COUPLET_ENTRA_CLIENT_SECRET_ARM", "arn:entra")]);
    assert!(misspelt.contains("did you mean COUPLET_ENTRA_CLIENT_SECRET_ARN?"), "{misspelt}");
}

#[test]
fn a_missing_setting_is_named_with_its_variable_its_file_and_an_example() {
    let problem = problem(FILE, &[]);
    assert!(problem.contains("entra.client_secret is missing"), "{problem}");
    assert!(problem.contains("COUPLET_ENTRA_CLIENT_SECRET or COUPLET_ENTRA_CLIENT_SECRET_ARN"), "{problem}");
    assert!(problem.contains("couplet.toml"), "{problem}");
}

#[test]
fn a_wrong_setting_is_named_with_its_place_and_an_example() {
    let problem = problem(FILE, &[SECRET, ("COUPLET_SWITCHES_OWNERSHIP", "teams")]);
    assert!(problem.contains("\"teams\" is neither person nor team"), "{problem}");
    assert!(problem.contains("environment variable COUPLET_SWITCHES_OWNERSHIP"), "{problem}");
    assert!(problem.contains("[switches] ownership = \"team\""), "{problem}");
}

#[test]
fn a_misspelt_setting_gets_the_nearest_name() {
    let with_typo = FILE.replace("ownership", "ownersip");
    assert!(problem(&with_typo, &[SECRET]).contains("did you mean switches.ownership?"));
    let variable = warning(&[("COUPLET_DATAVERSE_ULR", "https://x.example")]);
    assert!(variable.contains("did you mean COUPLET_DATAVERSE_URL?"), "{variable}");
}

#[test]
fn numbers_outside_their_range_and_addresses_without_encryption_are_refused() {
    for (variable, value, expected) in [
        ("COUPLET_BUSINESS_CENTRAL_CONCURRENCY", "6", "not a number from 1 to 5"),
        ("COUPLET_DATAVERSE_URL", "http://contoso.example", "not encrypted"),
        ("COUPLET_DATAVERSE_URL", "contoso", "not an address"),
        ("COUPLET_COMPANY", "CRONUS", "not an id"),
    ] {
        let problem = problem(FILE, &[SECRET, (variable, value)]);
        assert!(problem.contains(expected), "{problem}");
    }
    read(FILE, &[SECRET, ("COUPLET_DATAVERSE_URL", "http://127.0.0.1:8080")]).expect("this machine may be reached so");
}

#[test]
fn a_damaged_file_is_named_with_its_line_and_shows_no_secret() {
    let damaged = format!("{FILE}\n[cloud\nclient_secret = \"hunter2\"\n");
    let problem = problem(&damaged, &[]);
    assert!(problem.contains("damaged at line"), "{problem}");
    assert!(!problem.contains("hunter2"), "{problem}");
}

#[test]
fn no_problem_and_no_debug_text_shows_a_secret() {
    let settings = read(FILE, &[SECRET]).expect("complete settings");
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn every_setting_of_the_list_is_read_and_every_setting_read_is_in_the_list() {
    let source = include_str!("typed.rs");
    let has = |text: &str| source.contains(&format!("\"{text}\""));
    for key in KEYS {
        // How an application proves itself is read by one function for all three sections.
        let (section, name) = key.name.rsplit_once('.').unwrap_or_default();
        let of_application = ["entra", "business_central", "dataverse"].contains(&section) && has(section) && has(name);
        assert!(has(key.name) || of_application, "{} is never read", key.name);
    }
    for section in ["entra", "business_central", "dataverse"] {
        for name in ["client_secret", "client_secret_file", "certificate_file", "certificate_password", "web_identity"]
        {
            assert!(key(&format!("{section}.{name}")).is_some(), "{section}.{name} is no setting");
        }
    }
    let looks_like_a_name =
        |text: &&str| text.contains('.') && text.starts_with(char::is_lowercase) && !text.contains(['/', ' ']);
    for quoted in source.split('"').skip(1).step_by(2).filter(looks_like_a_name) {
        assert!(KEYS.iter().any(|key| key.name == quoted), "{quoted} is no setting");
    }
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own_and_nowhere_else_beside_it() {
    let in_file = FILE.replace("[entra]", "[entra]\nclient_secret_file = \"couplet.secret\"");
    let settings = read(&in_file, &[]).expect("complete settings");
    assert_eq!(settings.dataverse.credentials.proof, ProofSetting::SecretFile("couplet.secret".into()));
    assert_eq!(settings.business_central.credentials.proof, ProofSetting::SecretFile("couplet.secret".into()));
    let both = problem(&in_file, &[SECRET]);
    assert!(both.contains("entra.client_secret_file") && both.contains("leave the other out"), "{both}");
    assert!(!both.contains("hunter2"), "{both}");
}
