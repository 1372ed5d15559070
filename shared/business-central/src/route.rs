//! The two APIs a table can be reached through, and versions that remember through which one they were read.

use couplet_model::Said;
use couplet_model::record::Version;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{Side, Table};

/// Path of the API that says what can be subscribed. No table is reached through it.
pub(crate) const RUNTIME: &str = "/api/microsoft/runtime/beta";

/// One of the two APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    /// API v2.0, part of the product.
    Standard,
    /// The pages of Couplet's companion app.
    Companion,
}

impl Route {
    /// Path of the API's root under the environment.
    pub fn root(self) -> &'static str {
        match self {
            Self::Standard => "/api/v2.0",
            Self::Companion => "/api/couplet/sync/v1.0",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Standard => "standard|",
            Self::Companion => "companion|",
        }
    }

    /// The API that shows all these columns of the table.
    ///
    /// # Errors
    /// When the companion app is needed and not in use, or no API shows all of them.
    pub fn choose(table: &Table, columns: &[&str], companion: bool) -> Result<Self, SystemError> {
        if !table.needs_companion(columns.iter().copied()) {
            return Ok(Self::Standard);
        }
        if !companion {
            let message = format!(
                "table {} can only be reached through the companion app; publish it in Business Central and switch it \
                 on in the settings",
                table.name
            );
            return Err(SystemError::new(Side::BusinessCentral, SystemErrorKind::Protocol, "", Said::safe(message)));
        }
        let hidden = columns.iter().find(|name| {
            ***name != *table.id_column
                && table.modified_column.as_deref() != Some(**name)
                && table.column(name).is_some_and(|column| !column.companion)
        });
        if let Some(hidden) = hidden {
            let message = format!("the companion API does not show column {hidden} of table {}", table.name);
            return Err(SystemError::new(Side::BusinessCentral, SystemErrorKind::Protocol, "", Said::safe(message)));
        }
        Ok(Self::Companion)
    }

    /// The API to read these columns from. Records are read with their time of change where the table has one, which not every
    /// page of API v2.0 shows.
    ///
    /// # Errors
    /// As [`Route::choose`].
    pub fn to_read<'a>(
        table: &'a Table,
        columns: impl Iterator<Item = &'a str>,
        companion: bool,
    ) -> Result<Self, SystemError> {
        let needed: Vec<&str> = columns.chain(table.modified_column.as_deref()).collect();
        Self::choose(table, &needed, companion)
    }

    /// The API that creates records of the table under an id of the caller's.
    ///
    /// # Errors
    /// When there is none, or it does not show these columns.
    pub fn for_ids(table: &Table, columns: &[&str], companion: bool) -> Result<Self, SystemError> {
        let wrong = |message: String| {
            Err(SystemError::new(Side::BusinessCentral, SystemErrorKind::Protocol, "", Said::safe(message)))
        };
        if !companion || !table.companion_takes_id {
            return wrong(format!("table {} takes no id for a new record without the companion app", table.name));
        }
        let shown =
            |name: &&&str| ***name == *table.id_column || table.column(name).is_none_or(|column| column.companion);
        match columns.iter().find(|name| !shown(name)) {
            Some(hidden) => wrong(format!("the companion API does not show column {hidden} of table {}", table.name)),
            None => Ok(Self::Companion),
        }
    }

    /// The table's entity set in this API.
    pub fn entity_set(self, table: &Table) -> Result<&str, SystemError> {
        let set = match self {
            Self::Standard => table.entity_set.as_deref(),
            Self::Companion => table.companion_entity_set.as_deref(),
        };
        set.ok_or_else(|| {
            let message = format!("no API of Business Central shows table {} with these columns", table.name);
            SystemError::new(Side::BusinessCentral, SystemErrorKind::Protocol, "", Said::safe(message))
        })
    }

    /// A version read through this API.
    pub fn version(self, etag: &str) -> Version {
        Version(format!("{}{etag}", self.prefix()))
    }

    /// The API a version was read through, and the etag it gave.
    pub fn of_version(version: &Version) -> (Self, &str) {
        let text = version.0.as_str();
        match text.strip_prefix(Self::Companion.prefix()) {
            Some(etag) => (Self::Companion, etag),
            None => (Self::Standard, text.strip_prefix(Self::Standard.prefix()).unwrap_or(text)),
        }
    }

    /// Puts an error of this API into words the operator can act on. An address that does not exist means, on the
    /// companion's route, that the app is missing or just being updated; one that `answered` before in this process is
    /// away for a while only.
    pub fn explain(self, error: SystemError, answered: bool) -> SystemError {
        let missing = matches!(error.kind, SystemErrorKind::NotFound | SystemErrorKind::Protocol)
            && (error.code.is_empty()
                || matches!(error.code.as_str(), "BadRequest_NotFound" | "BadRequest_ResourceNotFound"));
        let is_address = error.kind == SystemErrorKind::Protocol;
        let message = match (self, answered) {
            _ if !missing => return error,
            (Self::Standard, true) if is_address => format!(
                "an address that answered before does not answer now ({}); that passes while Business Central is being \
                 updated",
                error.message
            ),
            (Self::Standard, _) => return error,
            (Self::Companion, true) => format!(
                "the companion API answered before and does not now ({}); that passes while the app is being updated, and \
                 if somebody unpublished it, publish it again",
                error.message
            ),
            (Self::Companion, false) => format!(
                "the companion API does not answer ({}); if the app is not being updated just now, publish its current \
                 version in Business Central",
                error.message
            ),
        };
        SystemError { kind: SystemErrorKind::Outage, message, ..error }
    }

    /// Puts the refusal of a new record's id into words the operator can act on: an older companion app shows the id
    /// read-only.
    pub fn explain_id(self, table: &Table, error: SystemError) -> SystemError {
        let quoted = format!("'{}'", table.id_column);
        let refused = error.kind == SystemErrorKind::Refused
            && error.code == "BadRequest_InvalidOperation"
            && error.message.contains(&quoted);
        if self == Self::Standard || !refused {
            return error;
        }
        let message = format!(
            "the companion app published in Business Central does not create records of table {} under a given id yet; \
             publish its current version ({})",
            table.name, error.message
        );
        SystemError { kind: SystemErrorKind::Protocol, message, ..error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tests::table;

    #[test]
    fn f01_ids_are_given_through_the_companion_api_only() {
        let mut table = table();
        let choose = |table: &Table, names: &[&str], companion| Route::for_ids(table, names, companion);
        assert_eq!(choose(&table, &["displayName", "weight"], true), Ok(Route::Companion));
        assert!(choose(&table, &["displayName"], false).is_err());
        assert!(choose(&table, &["displayName", "kind"], true).is_err(), "only the standard API shows kind");
        table.companion_takes_id = false;
        assert!(choose(&table, &["displayName"], true).is_err());
    }

    #[test]
    fn f01_an_older_companion_app_that_refuses_the_id_is_a_fault_of_the_set_up() {
        let refused = |message: &'static str| {
            SystemError::new(Side::BusinessCentral, SystemErrorKind::Refused, "BadRequest_InvalidOperation", message)
        };
        let explained = Route::Companion.explain_id(&table(), refused("Control 'id' is read-only."));
        assert_eq!(explained.kind, SystemErrorKind::Protocol);
        assert!(explained.message.contains("publish"), "{explained}");
        let other = refused("Control 'inventory' is read-only.");
        assert_eq!(Route::Companion.explain_id(&table(), other.clone()), other);
    }

    #[test]
    fn columns_decide_which_api_is_asked() {
        let table = table();
        let choose = |names: &[&str], companion| Route::choose(&table, names, companion);
        assert_eq!(choose(&["displayName", "kind"], false), Ok(Route::Standard));
        assert_eq!(choose(&["displayName", "weight"], true), Ok(Route::Companion));
        let error = choose(&["weight"], false).expect_err("no companion");
        assert!(error.message.contains("publish"), "{error}");
        let error = choose(&["weight", "kind"], true).expect_err("no API has both");
        assert!(error.message.contains("kind"), "{error}");
    }

    #[test]
    fn a_version_knows_its_api() {
        for route in [Route::Standard, Route::Companion] {
            let version = route.version("W/\"x|y\"");
            assert_eq!(Route::of_version(&version), (route, "W/\"x|y\""));
        }
        assert_eq!(Route::of_version(&Version("W/\"x\"".into())), (Route::Standard, "W/\"x\""));
    }

    #[test]
    fn f20_a_missing_address_of_the_companion_means_a_missing_app_or_an_update() {
        let error = |kind, code: &'static str| SystemError::new(Side::BusinessCentral, kind, code, "No HTTP resource");
        let missing = error(SystemErrorKind::Protocol, "BadRequest_NotFound");
        for answered in [false, true] {
            let explained = Route::Companion.explain(missing.clone(), answered);
            assert_eq!(explained.kind, SystemErrorKind::Outage);
            assert!(
                explained.message.contains("publish") && explained.message.contains("being updated"),
                "{explained}"
            );
            assert_eq!(explained.message.contains("answered before"), answered);
            let record = error(SystemErrorKind::NotFound, "Internal_RecordNotFound");
            assert_eq!(Route::Companion.explain(record.clone(), answered), record);
            assert_eq!(Route::Standard.explain(record.clone(), answered), record);
        }
        assert_eq!(Route::Standard.explain(missing.clone(), false), missing);
        assert_eq!(Route::Standard.explain(missing, true).kind, SystemErrorKind::Outage);
    }
}
