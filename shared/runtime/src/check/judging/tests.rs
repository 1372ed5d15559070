use couplet_model::catalogue::Catalogue;
use couplet_model::switches::Switches;

use super::*;
use crate::check::finding::Level::{Bad, Good, Warning};

fn role(id: u128, name: &str) -> Role {
    Role { id: Uuid::from_u128(id), name: Some(name.to_owned()), root: None, template: None }
}

fn with(roles: &[Role]) -> ApplicationUser {
    ApplicationUser {
        name: Some("Couplet".to_owned()),
        is_disabled: false,
        access_mode: Some(4),
        roles: roles.to_vec(),
    }
}

#[test]
fn s315_s316_the_application_user_is_enabled_has_roles_and_is_no_administrator() {
    let plain = role(7, "Sales");
    let made_of = Role { template: Some(Uuid::from_u128(SYSTEM_ADMINISTRATOR)), ..role(8, "Admin") };
    for (user, level, words) in [
        (with(std::slice::from_ref(&plain)), Good, "Couplet"),
        (ApplicationUser { is_disabled: true, ..with(std::slice::from_ref(&plain)) }, Bad, "is disabled"),
        (ApplicationUser { access_mode: Some(2), ..with(std::slice::from_ref(&plain)) }, Bad, "access mode 2"),
        (ApplicationUser { access_mode: Some(0), ..with(std::slice::from_ref(&plain)) }, Good, "Couplet"),
        (ApplicationUser { access_mode: None, ..with(std::slice::from_ref(&plain)) }, Good, "Couplet"),
        (with(&[]), Warning, "no security role of its own"),
        (with(&[role(SYSTEM_ADMINISTRATOR, "System Administrator")]), Warning, "is a system administrator"),
        (with(&[plain, made_of]), Warning, "is a system administrator"),
    ] {
        let finding = super::user("user", &user, Uuid::nil());
        assert_eq!(finding.level, level, "{finding:?}");
        assert!(finding.remark.contains(words), "{finding:?}");
        assert_eq!(finding.remedy.is_some(), level != Good, "{finding:?}");
    }
}

#[test]
fn s315_s318_roles_that_are_deployed_and_missing_are_named() {
    let all: Vec<Role> = INTEGRATION_ROLES.iter().map(|(id, name)| role(*id, name)).collect();
    // Those of a user in another business unit are copies.
    let copies: Vec<Role> =
        all.iter().map(|role| Role { id: Uuid::new_v4(), root: Some(role.id), ..role.clone() }).collect();
    for (has, deployed, level, words) in [
        (&copies[..], &all[..], Some(Good), "Business Central Integration"),
        (&all[..], &all[..], Some(Good), "Business Central Integration"),
        (&all[..1], &all, Some(Warning), "integration administrator, Business Central integration user"),
        (&all[..1], &all[..1], Some(Good), "Business Central Integration"),
        (&[][..], &[][..], Some(Warning), "none of the integration roles is deployed"),
        (&[role(SYSTEM_ADMINISTRATOR, "System Administrator")][..], &all, None, ""),
    ] {
        let finding = roles(&with(has), deployed);
        assert_eq!(finding.as_ref().map(|finding| finding.level), level, "{finding:?}");
        assert!(finding.is_none_or(|finding| finding.remark.contains(words)));
    }
}

#[test]
fn clocks_may_differ_by_half_a_minute_and_not_by_five() {
    let there: Timestamp = "2026-11-29T12:00:00Z".parse().expect("an instant");
    for (seconds, level, words) in [
        (0, Good, "agrees"),
        (29, Good, "agrees"),
        (-29, Good, "agrees"),
        (30, Warning, "30 s ahead"),
        (-30, Warning, "30 s behind"),
        (299, Warning, "299 s ahead"),
        (300, Bad, "300 s ahead"),
        (-86_400, Bad, "86400 s behind"),
    ] {
        let finding = clock(Side::Dataverse, there, there + SignedDuration::from_secs(seconds));
        assert_eq!((finding.level, finding.remark.contains(words)), (level, true), "{finding:?}");
    }
}

#[test]
fn c_130_s293_currencies_fit_or_the_missing_one_is_named() {
    let of = |local: &str, base: &str, has_local, rate: Result<(), &str>| {
        currencies(&Currencies {
            local: local.to_owned(),
            base: base.to_owned(),
            has_local,
            rate: rate.map_err(str::to_owned),
        })
    };
    for (finding, level, words) in [
        (of("USD", "usd", true, Ok(())), Good, "both reckon in USD"),
        (of("GBP", "USD", true, Ok(())), Good, "GBP here, USD there"),
        (of("GBP", "USD", false, Ok(())), Warning, "has no currency GBP"),
        (of("GBP", "USD", false, Err("no rate")), Bad, "has no currency GBP, and there is no rate"),
    ] {
        assert_eq!((finding.level, finding.remark.contains(words)), (level, true), "{finding:?}");
    }
}

#[test]
fn s327_s328_a_missing_solution_is_named_and_one_that_is_there_shows_its_version() {
    let base = Solution { unique_name: "bcbi_cdsbaseintegration".to_owned(), version: Some("25.0.0.0".to_owned()) };
    let found = solutions(&[base], &[BASE_SOLUTION, SALES_SOLUTION]);
    assert_eq!((found[0].level, found[0].remark.as_str()), (Good, "25.0.0.0"));
    assert_eq!(found[1].level, Warning);
    assert!(found[1].what.contains(SALES_SOLUTION), "{:?}", found[1]);
}

/// The mappings of an installation with default settings.
fn mappings() -> Vec<ActiveMapping> {
    let catalogue = Catalogue::embedded().expect("a catalogue");
    catalogue.active(&Switches::default())
}

#[test]
fn every_mapping_needs_to_read_and_those_that_write_need_more() {
    let mut written = 0;
    for mapping in mappings() {
        let needed = needed_rights(&mapping);
        let has = |kind: &'static str| needed.contains(&(mapping.dataverse.name.clone(), kind));
        if mapping.dataverse.choice.is_some() {
            assert!(needed.is_empty(), "{}", mapping.name);
            continue;
        }
        let writes = mapping.direction.directions().any(|direction| direction == Direction::ToDataverse);
        written += usize::from(writes);
        assert!(has("Read"), "{}", mapping.name);
        assert_eq!(has("Write"), writes, "{}", mapping.name);
        assert_eq!(has("Create"), writes, "{}", mapping.name);
        assert!(!has("Delete"), "{}", mapping.name);
    }
    assert!(written > 5, "{written}");
}

#[test]
fn a_missing_right_is_named_and_one_for_lookups_alone_is_a_warning() {
    let all = mappings();
    let mapping = all.iter().find(|mapping| mapping.dataverse.name == "account").expect("a mapping of accounts");
    let needed = needed_rights(mapping);
    let id = |table: &str, kind: &str| Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{kind} {table}").as_bytes());
    let tables: BTreeSet<&String> = needed.iter().map(|(table, _)| table).collect();
    let set_up = |tracked: Option<bool>| -> Vec<TableSetUp> {
        let of = |table: &&String| TableSetUp {
            logical_name: (*table).clone(),
            change_tracking_enabled: tracked,
            privileges: ["Create", "Read", "Write", "Append", "AppendTo"]
                .map(|kind| couplet_dataverse::Privilege {
                    name: format!("prv{kind}_{table}"),
                    privilege_id: id(table, kind),
                    privilege_type: kind.to_owned(),
                })
                .into(),
        };
        tables.iter().map(of).collect()
    };
    let create = if mapping.only_coupled { Warning } else { Bad };
    let given: BTreeSet<Uuid> = needed.iter().map(|(table, kind)| id(table, kind)).collect();
    assert_eq!(rights(mapping, &set_up(Some(true)), &given), []);
    for (table, kind, level) in [
        ("account", "Create", create),
        ("account", "Write", Bad),
        ("account", "Read", Bad),
        ("transactioncurrency", "AppendTo", Warning),
    ] {
        let mut less = given.clone();
        assert!(less.remove(&id(table, kind)), "{table} {kind} is needed");
        let found = rights(mapping, &set_up(Some(true)), &less);
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(finding.level, level, "{finding:?}");
        assert!(finding.remark.contains(&format!("prv{kind}_{table}")), "{finding:?}");
    }
    let without: Vec<TableSetUp> = set_up(None).into_iter().filter(|table| table.logical_name != "account").collect();
    assert!(rights(mapping, &without, &given)[0].remark.contains("no table account"));
    for (tracked, warns) in [(None, false), (Some(true), false), (Some(false), true)] {
        assert_eq!(change_tracking(mapping, &set_up(tracked)).is_some(), warns, "{tracked:?}");
    }
}

#[test]
fn s319_s324_the_row_of_the_company_matters_where_teams_own_records() {
    let id = RecordId(Uuid::nil());
    for (row, ownership, level) in [
        (Ok(Some(id)), Ownership::Team, Good),
        (Ok(None), Ownership::Team, Warning),
        (Ok(None), Ownership::Person, Good),
    ] {
        assert_eq!(company_row("row", row, ownership).level, level, "{ownership:?}");
    }
}
