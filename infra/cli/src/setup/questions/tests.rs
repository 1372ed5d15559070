use super::*;

fn put(answers: &mut Answers, name: &str, value: &str) {
    answers.put(question(name).expect(name), value);
}

/// Answers with what is there, and the usual answer to the rest; the names of what was asked, in order.
fn asked(given: &[(&str, &str)]) -> Vec<&'static str> {
    let (mut answers, mut done, mut names) = (Answers::default(), vec![false; STAGES.len()], Vec::new());
    while let Some(at) = next(&answers, &done) {
        match &STAGES[at] {
            Stage::Ask(question) => {
                let value = given.iter().find(|(name, _)| *name == question.name).map(|(_, value)| *value);
                put(&mut answers, question.name, value.or(question.default).unwrap_or("x"));
                names.push(question.name);
            }
            Stage::Part(_) | Stage::Do(_) => done[at] = true,
        }
    }
    names
}

#[test]
fn what_is_asked_follows_from_what_was_answered() {
    for (given, are_asked, are_not) in [
        (
            &[][..],
            &["dataverse.url", "entra.client_secret", "company", "full_sync"][..],
            &["entra.certificate_file", "business_central.client_id", "switches.auto_create_orders", "replace"][..],
        ),
        (
            &[("sign_in", "certificate")],
            &["entra.certificate_file"],
            &["secret_in", "entra.client_secret", "entra.certificate_password"],
        ),
        (
            &[("sign_in", "certificate"), ("entra.certificate_file", "x.PFX")],
            &["entra.certificate_password"],
            &["entra.client_secret"],
        ),
        (&[("sign_in", "web-identity")], &["entra.web_identity"], &["entra.client_secret"]),
        (&[("secret_in", "secrets-manager")], &["entra.client_secret_arn"], &["entra.client_secret"]),
        (&[("secret_in", "file")], &["entra.client_secret_file", "entra.client_secret"], &["entra.client_secret_arn"]),
        (
            &[("one_application", "false")],
            &["business_central.tenant", "business_central.client_id", "business_central.client_secret"],
            &["business_central.certificate_file"],
        ),
        (&[("switches.sales_orders", "legacy")], &["switches.auto_create_orders", "switches.auto_process_quotes"], &[]),
    ] {
        let names = asked(given);
        for name in are_asked {
            assert!(names.contains(name), "{given:?}: {name} of {names:?}");
        }
        for name in are_not {
            assert!(!names.contains(name), "{given:?}: {name} of {names:?}");
        }
    }
}

/// Wherever it was left: what was answered is asked no more, and everything is tried again.
#[test]
fn it_goes_on_wherever_it_was_left() {
    let all = asked(&[]);
    for left in 0..all.len() {
        let mut answers = Answers::default();
        for name in &all[..left] {
            put(&mut answers, name, question(name).and_then(|question| question.default).unwrap_or("x"));
        }
        let again = Answers::parse(&answers.to_text(), "kept").expect("answers");
        let first = next(&again, &vec![true; STAGES.len()]).expect("a stage");
        let Stage::Ask(first) = &STAGES[first] else { panic!("{first}") };
        // A secret is not kept, and asked for again.
        let secret = all[..left].contains(&"entra.client_secret");
        assert_eq!(first.name, if secret { "entra.client_secret" } else { all[left] });
    }
}

#[test]
fn c_133_c_134_a_new_set_up_has_the_worldwide_service_and_team_ownership() {
    let default = |name: &str| question(name).and_then(|question| question.default);
    assert_eq!(default("entra.authority"), Some("https://login.microsoftonline.com"));
    assert_eq!(default("business_central.url"), Some("https://api.businesscentral.dynamics.com"));
    assert_eq!(default("switches.ownership"), Some("team"));
}

#[test]
fn every_question_fills_in_a_setting_or_is_known_to_fill_in_none() {
    let none = ["sign_in", "secret_in", "one_application", "accept_findings", "replace", "full_sync", "full_sync_by"];
    for question in questions() {
        let of_arn = question.name.strip_suffix("_arn").and_then(couplet_runtime::configuration::key);
        let key = couplet_runtime::configuration::key(question.name);
        assert!(key.or(of_arn).is_some() != none.contains(&question.name), "{}", question.name);
        assert_eq!(key.is_some_and(|key| key.secret), question.kind.is_secret(), "{}", question.name);
    }
}

#[test]
fn answers_are_read_or_refused_in_one_line() {
    let choice = Kind::Choice(&[("off", ""), ("legacy", "")]);
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x";
    let companies = [
        ListedCompany {
            id: "5c1d".to_owned(),
            name: "CRONUS".to_owned(),
            display_name: "Cronus International".to_owned(),
        },
        ListedCompany { id: "77aa".to_owned(), name: "My Company".to_owned(), display_name: String::new() },
    ];
    for (kind, text, expected) in [
        (Kind::Host, "contoso.crm4.dynamics.com/main.aspx", Ok("https://contoso.crm4.dynamics.com")),
        (Kind::Host, "http://contoso.crm4.dynamics.com", Err("not encrypted; use https")),
        (Kind::Address, "bc.example:7048/BC/", Ok("https://bc.example:7048/BC")),
        (Kind::Flag, "Yes", Ok("true")),
        (Kind::Flag, "n", Ok("false")),
        (Kind::Flag, "perhaps", Err("yes or no")),
        (choice, "2", Ok("legacy")),
        (choice, "OFF", Ok("off")),
        (choice, "3", Err("off, legacy")),
        (choice, "0", Err("off, legacy")),
        (Kind::Arn, arn, Ok(arn)),
        (Kind::Arn, "s3cret", Err("is not the ARN")),
        (Kind::Company, "2", Ok("77aa")),
        (Kind::Company, "cronus", Ok("5c1d")),
        (Kind::Company, "Cronus International", Ok("5c1d")),
        (Kind::Company, "77AA", Ok("77aa")),
        (Kind::Company, "Fabrikam", Err("choose one of: CRONUS, My Company")),
        (Kind::File, "/no/such/file", Err("there is no file")),
        (Kind::Text, "  Production ", Ok("Production")),
    ] {
        match (kind.read(text, &companies), expected) {
            (Ok(read), Ok(value)) => assert_eq!(read.value, value, "{text}"),
            (Err(problem), Err(words)) => {
                assert!(problem.contains(words) && !problem.contains("s3cret") && !problem.contains('\n'), "{problem}");
            }
            (read, _) => panic!("{text}: {read:?}"),
        }
    }
}
