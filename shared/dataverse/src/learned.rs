//! What the client has learned about the environment: kept as long as it lives, never stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use couplet_model::facts::TableFacts;

use crate::clearing_form::Form;

/// Facts, and when they were read.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub facts: Arc<TableFacts>,
    pub read_at: Instant,
}

/// Lookups that solutions add under a schema name of their own; navigation properties keep its upper-case letters.
/// Where a service spells them otherwise, it says so and the client learns.
const PUBLISHED: &[(&str, &str)] = &[("bcbi_companyid", "bcbi_CompanyId")];

/// Names and abilities of the environment's tables.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    /// Entity set by logical name.
    entity_sets: BTreeMap<String, String>,
    /// Navigation property by `table.column`, `table.column.target`, or `*.column` for a guess from another table.
    navigation: BTreeMap<String, String>,
    /// Tables whose relationships have been read.
    lookups_read: BTreeSet<String>,
    /// Tables without change tracking.
    untracked: BTreeSet<String>,
    /// Tables without optimistic concurrency.
    unversioned: BTreeSet<String>,
    /// Tables and bulk messages they do not support.
    no_bulk: BTreeSet<(String, &'static str)>,
    /// What the definitions say about the columns of a table.
    facts: BTreeMap<String, Known>,
    /// How lookups are cleared that do not obey the usual form.
    clearing: BTreeMap<(String, String), Form>,
}

impl Learned {
    pub fn new(entity_sets: BTreeMap<String, String>, navigation: BTreeMap<String, String>) -> Self {
        Self { entity_sets, navigation, ..Self::default() }
    }

    pub fn entity_set(&self, table: &str) -> Option<&str> {
        self.entity_sets.get(table).map(String::as_str)
    }

    pub fn learn_entity_set(&mut self, table: &str, entity_set: &str) {
        self.entity_sets.insert(table.to_owned(), entity_set.to_owned());
    }

    /// The navigation property to bind a lookup with. Unless told otherwise it is the column's name, followed by the
    /// target's where the column can point to several tables; an owner is one property for users and teams.
    pub fn navigation(&self, table: &str, column: &str, target: &str, polymorphic: bool) -> String {
        let known = self
            .navigation
            .get(&format!("{table}.{column}.{target}"))
            .or_else(|| self.navigation.get(&format!("{table}.{column}")))
            .or_else(|| self.navigation.get(&format!("*.{column}")).filter(|_| !polymorphic));
        let published = || PUBLISHED.iter().find(|(known, _)| *known == column).map(|(_, name)| (*name).to_owned());
        match known.cloned().or_else(published) {
            Some(name) => name,
            None if polymorphic && column != "ownerid" => format!("{column}_{target}"),
            None => column.to_owned(),
        }
    }

    /// Notes a navigation property read from the service; tells whether it differs from what was assumed.
    pub fn learn_navigation(&mut self, table: &str, column: &str, target: &str, polymorphic: bool, name: &str) -> bool {
        // Owners are related through several tables, but bound through one property.
        if column == "ownerid" || self.navigation(table, column, target, polymorphic) == name {
            return false;
        }
        self.navigation.insert(format!("{table}.{column}.{target}"), name.to_owned());
        if !polymorphic {
            self.navigation.insert(format!("*.{column}"), name.to_owned());
        }
        true
    }

    /// Whether the table's relationships have not been read yet; asking marks them as read.
    pub fn begin_lookups(&mut self, table: &str) -> bool {
        self.lookups_read.insert(table.to_owned())
    }

    /// Whether reading the table's relationships may still teach other names.
    pub fn may_learn_lookups(&self, table: &str) -> bool {
        !self.lookups_read.contains(table)
    }

    pub fn is_untracked(&self, table: &str) -> bool {
        self.untracked.contains(table)
    }

    pub fn learn_untracked(&mut self, table: &str) {
        self.untracked.insert(table.to_owned());
    }

    pub fn is_unversioned(&self, table: &str) -> bool {
        self.unversioned.contains(table)
    }

    pub fn learn_unversioned(&mut self, table: &str) {
        self.unversioned.insert(table.to_owned());
    }

    /// How a lookup is cleared.
    pub fn clearing(&self, table: &str, column: &str) -> Form {
        self.clearing.get(&(table.to_owned(), column.to_owned())).copied().unwrap_or_default()
    }

    pub fn learn_clearing(&mut self, table: &str, column: &str, form: Form) {
        self.clearing.insert((table.to_owned(), column.to_owned()), form);
    }

    pub fn facts(&self, table: &str) -> Option<&Known> {
        self.facts.get(table)
    }

    pub fn learn_facts(&mut self, table: &str, known: Known) {
        self.facts.insert(table.to_owned(), known);
    }

    pub fn supports(&self, table: &str, message: &'static str) -> bool {
        !self.no_bulk.contains(&(table.to_owned(), message))
    }

    pub fn learn_unsupported(&mut self, table: &str, message: &'static str) {
        self.no_bulk.insert((table.to_owned(), message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_are_bound_by_column_and_target() {
        let settings = BTreeMap::from([("account.new_areaid".to_owned(), "new_AreaId".to_owned())]);
        let learned = Learned::new(BTreeMap::new(), settings);
        for (table, column, target, polymorphic, expected) in [
            ("product", "defaultuomid", "uom", false, "defaultuomid"),
            ("contact", "parentcustomerid", "account", true, "parentcustomerid_account"),
            ("account", "ownerid", "team", true, "ownerid"),
            ("account", "bcbi_companyid", "bcbi_company", false, "bcbi_CompanyId"),
            ("account", "new_areaid", "new_area", false, "new_AreaId"),
            ("contact", "new_areaid", "new_area", false, "new_areaid"),
        ] {
            assert_eq!(learned.navigation(table, column, target, polymorphic), expected);
        }
    }

    #[test]
    fn a_name_learned_on_one_table_is_tried_on_the_others() {
        let mut learned = Learned::default();
        assert!(learned.learn_navigation("contact", "new_areaid", "new_area", false, "new_AreaId"));
        assert!(!learned.learn_navigation("contact", "new_areaid", "new_area", false, "new_AreaId"));
        assert!(!learned.learn_navigation("contact", "ownerid", "owner", true, "owningteam"));
        assert_eq!(learned.navigation("contact", "new_areaid", "new_area", false), "new_AreaId");
        assert_eq!(learned.navigation("account", "new_areaid", "new_area", false), "new_AreaId");
        assert!(learned.learn_navigation("account", "new_areaid", "new_area", false, "new_areaid"));
        assert_eq!(learned.navigation("contact", "new_areaid", "new_area", false), "new_AreaId");
        assert_eq!(learned.navigation("account", "new_areaid", "new_area", false), "new_areaid");
    }

    #[test]
    fn relationships_are_read_once_per_table() {
        let mut learned = Learned::default();
        assert!(learned.begin_lookups("account"));
        assert!(!learned.may_learn_lookups("account"));
        assert!(!learned.begin_lookups("account"));
        assert!(learned.may_learn_lookups("contact"));
    }
}
