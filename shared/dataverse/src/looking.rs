//! What a person wants to know about an environment before anything is synchronized: who the application is there and what
//! it may do, which solutions are installed, and how tables are set up. Nothing here is asked for while records travel.

use std::collections::BTreeSet;

use couplet_model::system::SystemError;
use couplet_model::table::Side;
use couplet_odata::Request;
use couplet_odata::answer::{typed, typed_list};
use couplet_odata::literal::quoted;
use couplet_odata::query::{Query, any_equal};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::client::DataverseClient;

/// The application's user.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct ApplicationUser {
    /// Its name.
    #[serde(rename = "fullname", default)]
    pub name: Option<String>,
    /// Whether it may not sign in.
    #[serde(rename = "isdisabled", default)]
    pub is_disabled: bool,
    /// How it may enter: 0 is reading and writing, 4 is without a person.
    #[serde(rename = "accessmode", default)]
    pub access_mode: Option<i64>,
    /// The roles it has itself, those of its teams aside.
    #[serde(rename = "systemuserroles_association", default)]
    pub roles: Vec<Role>,
}

/// A security role.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Role {
    /// Its id; roles that come with a solution have the same everywhere.
    #[serde(rename = "roleid")]
    pub id: Uuid,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// The role it was copied from: every business unit below the first has its own copy of each role.
    #[serde(rename = "_parentrootroleid_value", default)]
    pub root: Option<Uuid>,
    /// The template it was made of; the roles of the platform are known by it.
    #[serde(rename = "_roletemplateid_value", default)]
    pub template: Option<Uuid>,
}

impl Role {
    /// Whether it is this role, or a business unit's copy of it.
    pub fn is(&self, id: Uuid) -> bool {
        self.id == id || self.root == Some(id)
    }
}

/// A solution that is installed.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Solution {
    /// Its name for programs.
    #[serde(rename = "uniquename")]
    pub unique_name: String,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
}

/// How a table is set up.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub struct TableSetUp {
    /// Its name.
    pub logical_name: String,
    /// Whether the service keeps what changed in it.
    #[serde(default)]
    pub change_tracking_enabled: Option<bool>,
    /// What roles may allow with its rows.
    #[serde(default)]
    pub privileges: Vec<Privilege>,
}

/// What a role may allow.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub struct Privilege {
    /// Its name, such as `prvReadAccount`.
    pub name: String,
    /// Its id.
    pub privilege_id: Uuid,
    /// Its kind: `Read`, `Create`, `Write`, `Delete`, `Append`, `AppendTo`, `Assign` or another.
    pub privilege_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GivenPrivileges {
    role_privileges: Vec<GivenPrivilege>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GivenPrivilege {
    privilege_id: Uuid,
}

impl DataverseClient {
    /// The service's time, as far as it tells.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn time(&self) -> Result<Option<Timestamp>, SystemError> {
        Ok(self.call(&Request::get(format!("{}/WhoAmI", self.api))).await?.date())
    }

    /// A user and its roles.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn application_user(&self, id: Uuid) -> Result<ApplicationUser, SystemError> {
        let url = Query::new()
            .select(&["fullname", "isdisabled", "accessmode"])
            .option(
                "$expand",
                "systemuserroles_association($select=roleid,name,_parentrootroleid_value,_roletemplateid_value)",
            )
            .on(&format!("{}/systemusers({id})", self.api));
        typed(Side::Dataverse, "the application's user", self.call(&Request::get(url)).await?.json())
    }

    /// Roles of an environment, of those ids.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn roles(&self, ids: &[Uuid]) -> Result<Vec<Role>, SystemError> {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let url = Query::new()
            .select(&["roleid", "name", "_parentrootroleid_value", "_roletemplateid_value"])
            .option("$filter", any_equal("roleid", &ids))
            .on(&format!("{}/roles", self.api));
        typed_list(Side::Dataverse, "the roles", self.call(&Request::get(url)).await?.json())
    }

    /// Which of these solutions are installed, and in which version.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn solutions(&self, unique_names: &[&str]) -> Result<Vec<Solution>, SystemError> {
        let names: Vec<String> = unique_names.iter().map(|name| quoted(name)).collect();
        let url = Query::new()
            .select(&["uniquename", "version"])
            .option("$filter", any_equal("uniquename", &names))
            .on(&format!("{}/solutions", self.api));
        typed_list(Side::Dataverse, "the solutions", self.call(&Request::get(url)).await?.json())
    }

    /// How tables are set up; those that are not there are left out.
    ///
    /// # Errors
    /// When the definitions cannot be read.
    pub async fn tables_set_up(&self, tables: &BTreeSet<String>) -> Result<Vec<TableSetUp>, SystemError> {
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = tables.iter().map(|table| quoted(table)).collect();
        let url = Query::new()
            .select(&["LogicalName", "ChangeTrackingEnabled", "Privileges"])
            .option("$filter", any_equal("LogicalName", &names))
            .on(&format!("{}/EntityDefinitions", self.api));
        typed_list(Side::Dataverse, "the tables", self.call(&Request::get(url)).await?.json())
    }

    /// The ids of all privileges a user has, by its own roles and those of its teams.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn privileges_of(&self, user: Uuid) -> Result<BTreeSet<Uuid>, SystemError> {
        let url = format!("{}/systemusers({user})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()", self.api);
        let answer = self.call(&Request::get(url)).await?.json();
        let given: GivenPrivileges = typed(Side::Dataverse, "the user's privileges", answer)?;
        Ok(given.role_privileges.into_iter().map(|given| given.privilege_id).collect())
    }
}
