//! Which answers exclude each other, why, and what to do (S343 to S348).

use super::answers::Answers;
use super::questions::questions;

/// Answers that cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// The question to answer otherwise.
    pub name: &'static str,
    /// Why, and what to do.
    pub message: String,
}

/// Settings for ways of signing in, with the one they are for.
const WAYS: [(&str, &str); 7] = [
    ("secret_in", "secret"),
    ("entra.client_secret", "secret"),
    ("entra.client_secret_file", "secret"),
    ("entra.client_secret_arn", "secret"),
    ("entra.certificate_file", "certificate"),
    ("entra.certificate_password", "certificate"),
    ("entra.web_identity", "web-identity"),
];

/// The first answers that exclude each other.
pub fn excluded(answers: &Answers) -> Option<Exclusion> {
    let refuse = |name: &'static str, message: &str| Some(Exclusion { name, message: message.to_owned() });
    let both = |name: &str, one: &str, other: &str| {
        answers.get(name).is_some_and(|value| value.contains(one) && value.contains(other))
    };
    if both("switches.sales_orders", "legacy", "bidirectional") {
        return refuse(
            "switches.sales_orders",
            "legacy and bidirectional order integration exclude each other, because an order would be taken over twice: choose one of them",
        );
    }
    if both("switches.ownership", "person", "team") {
        return refuse(
            "switches.ownership",
            "a record belongs to a person or to a team, not to both: choose one of them",
        );
    }
    if answers.is("switches.sales_orders", "off") {
        if answers.is("switches.auto_create_orders", "true") {
            return refuse(
                "switches.auto_create_orders",
                "orders cannot be created by themselves while orders are not synchronized: set switches.sales_orders to legacy or bidirectional, or switches.auto_create_orders to false",
            );
        }
        if answers.is("switches.auto_process_quotes", "true") {
            return refuse(
                "switches.auto_process_quotes",
                "quotes are processed with the orders, which are not synchronized: set switches.sales_orders to legacy or bidirectional, or switches.auto_process_quotes to false",
            );
        }
    }
    if let (Some(in_use), Some(wanted)) = (answers.facts.unit_groups_in_use, answers.get("switches.unit_groups"))
        && wanted != in_use.to_string()
    {
        return Some(Exclusion {
            name: "switches.unit_groups",
            message: format!(
                "single units and unit groups never stand side by side, and there are data of this installation: keep switches.unit_groups = {in_use}, and change it later with couplet switch-units"
            ),
        });
    }
    if answers.facts.is_for_stack {
        let not_on_stack = match answers.get("sign_in") {
            Some("certificate") => Some(
                "a stack reads no file: put the certificate with its key into Secrets Manager as text, and answer sign_in = secret and secret_in = secrets-manager",
            ),
            Some("web-identity") => Some(
                "setup does not write the parameters for a token on a stack: answer sign_in = secret, or deploy as docs/deploy.md says",
            ),
            _ => None,
        };
        if let Some(message) = not_on_stack {
            return refuse("sign_in", message);
        }
        if answers.is("one_application", "false")
            && answers.get("secret_in").is_some_and(|place| place != "secrets-manager")
        {
            return refuse(
                "secret_in",
                "a stack takes the secret of a second application from Secrets Manager alone: answer secret_in = secrets-manager",
            );
        }
    }
    if let Some(way) = answers.get("sign_in") {
        for (name, its_way) in WAYS {
            if answers.has(name) && its_way != way {
                let message = format!(
                    "{name} is for sign_in = {its_way}, and sign_in is {way}: an application proves itself in one way; leave one of them out"
                );
                return Some(Exclusion { name: "sign_in", message });
            }
        }
    }
    unasked(answers)
}

/// An answer to a question that the answers before it leave no room for.
fn unasked(answers: &Answers) -> Option<Exclusion> {
    let places = [
        ("entra.client_secret_file", "file"),
        ("entra.client_secret_arn", "secrets-manager"),
        ("business_central.client_secret_file", "file"),
        ("business_central.client_secret_arn", "secrets-manager"),
    ];
    if let Some(place) = answers.get("secret_in") {
        let stray = places.iter().find(|(name, its_place)| answers.has(name) && *its_place != place);
        if let Some((name, its_place)) = stray {
            let message = format!(
                "{name} is for secret_in = {its_place}, and secret_in is {place}: a secret is kept in one place; leave one of them out"
            );
            return Some(Exclusion { name: "secret_in", message });
        }
        let secrets = ["entra.client_secret", "business_central.client_secret"];
        if place == "secrets-manager"
            && let Some(name) = secrets.iter().find(|name| answers.has(name))
        {
            let message = format!(
                "{name} holds a secret, and secret_in = secrets-manager says that it is there: leave one of them out"
            );
            return Some(Exclusion { name: "secret_in", message });
        }
    }
    let own = questions().find(|question| {
        let name = question.name;
        let of_identity = [
            "tenant",
            "authority",
            "client_id",
            "client_secret",
            "client_secret_file",
            "client_secret_arn",
            "certificate_file",
            "certificate_password",
        ];
        let is_own = name.strip_prefix("business_central.").is_some_and(|rest| of_identity.contains(&rest));
        is_own && answers.has(name) && answers.is("one_application", "true")
    });
    own.map(|question| Exclusion {
        name: "one_application",
        message: format!(
            "{} is for an application of its own, and one_application = true says that there is none: leave one of them out",
            question.name
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::questions::question;
    use super::*;

    fn answers(given: &[(&str, &str)]) -> Answers {
        let mut answers = Answers::default();
        for (name, value) in given {
            answers.put(question(name).expect(name), value);
        }
        answers
    }

    #[test]
    fn s343_s344_s347_s348_what_excludes_each_other_is_refused_with_the_way_out() {
        let orders = "switches.sales_orders";
        for (given, words) in [
            (&[(orders, "legacy, bidirectional")][..], Some("exclude each other")),
            (&[("switches.ownership", "person, team")], Some("to a person or to a team")),
            (&[(orders, "off"), ("switches.auto_create_orders", "true")], Some("set switches.sales_orders")),
            (&[(orders, "off"), ("switches.auto_process_quotes", "true")], Some("set switches.sales_orders")),
            (&[(orders, "off"), ("switches.auto_create_orders", "false")], None),
            (&[(orders, "legacy"), ("switches.auto_create_orders", "true")], None),
            (&[(orders, "bidirectional"), ("switches.auto_process_quotes", "true")], None),
            (&[("switches.unit_groups", "true"), ("switches.extended_pricing", "false")], None),
            (&[("sign_in", "secret"), ("entra.certificate_file", "x.pem")], Some("in one way")),
            (&[("sign_in", "certificate"), ("entra.client_secret", "s3cret")], Some("in one way")),
            (&[("sign_in", "web-identity"), ("entra.web_identity", "aws")], None),
            (&[("secret_in", "environment"), ("entra.client_secret_file", "x")], Some("kept in one place")),
            (&[("secret_in", "secrets-manager"), ("entra.client_secret", "s3cret")], Some("leave one of them out")),
            (&[("secret_in", "file"), ("entra.client_secret_file", "x"), ("entra.client_secret", "s3cret")], None),
            (&[("one_application", "true"), ("business_central.client_id", "x")], Some("application of its own")),
            (&[("one_application", "false"), ("business_central.client_id", "x")], None),
        ] {
            let found = excluded(&answers(given)).map(|exclusion| exclusion.message);
            match words {
                None => assert_eq!(found, None, "{given:?}"),
                Some(words) => {
                    let message = found.unwrap_or_else(|| panic!("{given:?}"));
                    assert!(message.contains(words) && !message.contains("s3cret"), "{message}");
                }
            }
        }
    }

    #[test]
    fn s347_units_do_not_change_under_data() {
        for (in_use, wanted, is_refused) in [
            (None, "false", false),
            (Some(true), "true", false),
            (Some(true), "false", true),
            (Some(false), "true", true),
        ] {
            let mut answers = answers(&[("switches.unit_groups", wanted)]);
            answers.facts.unit_groups_in_use = in_use;
            let found = excluded(&answers);
            assert_eq!(found.is_some(), is_refused, "{in_use:?} {wanted}");
            assert!(found.is_none_or(|exclusion| exclusion.message.contains("couplet switch-units")));
        }
    }

    #[test]
    fn a_stack_takes_secrets_of_secrets_manager_alone() {
        for (given, is_refused) in [
            (&[("sign_in", "certificate"), ("entra.certificate_file", "x.pem")][..], true),
            (&[("sign_in", "web-identity")], true),
            (&[("sign_in", "secret"), ("secret_in", "environment")], false),
            (&[("sign_in", "secret"), ("secret_in", "environment"), ("one_application", "false")], true),
            (&[("sign_in", "secret"), ("secret_in", "secrets-manager"), ("one_application", "false")], false),
        ] {
            let mut answers = answers(given);
            answers.facts.is_for_stack = true;
            assert_eq!(excluded(&answers).is_some(), is_refused, "{given:?}");
        }
    }
}
