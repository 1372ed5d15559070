//! Choice columns as tables: every option is a row with its label and its number. Rows are read from the column's
//! definition and changed by the actions for choices, one option at a time, because the service takes no more; what changed
//! is published once.

use couplet_model::SystemError;
use couplet_model::filter::Filter;
use couplet_model::ids::{RecordId, option_id};
use couplet_model::record::{Change, Record, Values};
use couplet_model::system::{
    ChangePage, ChangesQuery, Cursor, NextPage, Resume, SystemErrorKind, Write, WriteAction, Written,
};
use couplet_model::table::{Choice, OPTION_LABELS, OPTION_NUMBER, Side, Table};
use couplet_model::{Said, Value};
use couplet_odata::answer::typed;
use couplet_odata::{Repeat, Request};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::client::DataverseClient;
use crate::metadata::{OptionRow, Options};

/// The language of labels where no option tells one: English of the United States.
const ENGLISH: u32 = 1033;

/// The answer to `InsertOptionValue`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inserted {
    new_option_value: i64,
}

impl DataverseClient {
    /// The options that meet a filter.
    pub(crate) async fn find_options(&self, choice: &Choice, filter: &Filter) -> Result<Vec<Record>, SystemError> {
        let options = self.read_options(&choice.table, &choice.column).await?.0;
        let rows = options.rows.iter().map(|option| row(choice, option));
        Ok(rows.filter(|row| filter.first_unmet(row).is_none()).collect())
    }

    /// The options of these ids.
    pub(crate) async fn fetch_options(&self, choice: &Choice, ids: &[RecordId]) -> Result<Vec<Record>, SystemError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.find_options(choice, &Filter::default()).await?;
        Ok(rows.into_iter().filter(|row| ids.contains(&row.id)).collect())
    }

    /// All options, each time: the service does not tell when one was changed.
    pub(crate) async fn option_changes(
        &self,
        choice: &Choice,
        query: &ChangesQuery<'_>,
        from: &Resume,
    ) -> Result<ChangePage, SystemError> {
        let (options, at) = self.read_options(&choice.table, &choice.column).await?;
        let known = match from {
            Resume::Since(cursor) => Some(cursor.as_of),
            Resume::Everything | Resume::Page(_) => None,
        };
        let untold = || {
            let message = Said::safe("the answer does not tell the time");
            SystemError::new(Side::Dataverse, SystemErrorKind::Protocol, "", message)
        };
        let as_of = at.or(known).ok_or_else(untold)?;
        let rows = options.rows.iter().map(|option| row(choice, option));
        let changes = rows.filter(|row| query.filter.first_unmet(row).is_none()).map(Change::Upserted).collect();
        let next = NextPage::Done(Cursor::by_time(None, as_of, query.look_back));
        Ok(ChangePage { changes, next, note: None })
    }

    /// Adds, renames and removes options, in the column and in those that repeat it; then publishes.
    pub(crate) async fn write_options(
        &self,
        table: &Table,
        choice: &Choice,
        writes: &[Write],
    ) -> Vec<Result<Written, SystemError>> {
        let all = |error: SystemError| writes.iter().map(|_| Err(error.clone())).collect();
        let mut columns = Vec::with_capacity(1 + choice.mirrors.len());
        let mirrors = choice.mirrors.iter().map(|(table, column)| (table.as_str(), column.as_str()));
        for (owner, column) in [(choice.table.as_str(), choice.column.as_str())].into_iter().chain(mirrors) {
            match self.read_options(owner, column).await {
                Ok((options, _)) => columns.push(OptionColumn { owner, column, options }),
                Err(error) => return all(error),
            }
        }
        let mut results = Vec::with_capacity(writes.len());
        for write in writes {
            results.push(self.write_option(table, choice, &mut columns, write).await);
        }
        if results.iter().any(Result::is_ok)
            && let Err(error) = self.publish(&columns).await
        {
            let unpublished = |result: Result<Written, SystemError>| result.and_then(|_| Err(not_published(&error)));
            results = results.into_iter().map(unpublished).collect();
        }
        results
    }

    async fn write_option(
        &self,
        table: &Table,
        choice: &Choice,
        columns: &mut [OptionColumn<'_>],
        write: &Write,
    ) -> Result<Written, SystemError> {
        let number = match write.action {
            WriteAction::Create { .. } => None,
            WriteAction::Update { id, .. } | WriteAction::Delete { id } => {
                Some(columns.first().and_then(|own| own.number_of(choice, id)).ok_or_else(|| gone(choice))?)
            }
        };
        if let (WriteAction::Delete { id }, Some(number)) = (&write.action, number) {
            for column in columns.iter_mut().filter(|column| column.label_of(number).is_some()) {
                self.change("DeleteOptionValue", column, json!({ "Value": number })).await?;
                column.options.rows.retain(|known| known.number != number);
            }
            return Ok(Written { id: *id, version: None, modified: None, values: None });
        }
        let label = write.values.get(choice.column.as_str()).and_then(Value::as_text).unwrap_or_default().to_owned();
        if label.trim().is_empty() {
            let message = format!("an option of {} needs a label", table.name);
            return Err(SystemError::new(Side::Dataverse, SystemErrorKind::Refused, "", Said::safe(message)));
        }
        let mut number = number;
        for column in columns.iter_mut() {
            number = Some(self.set_label(column, number, &label).await?);
        }
        let number = number.ok_or_else(|| gone(choice))?;
        let known = columns.first().and_then(|own| own.options.rows.iter().find(|known| known.number == number));
        let row = row(choice, known.ok_or_else(|| gone(choice))?);
        Ok(Written { id: row.id, version: None, modified: None, values: Some(row.values) })
    }

    /// Gives an option its label, and makes it where it is missing; gives its number.
    async fn set_label(
        &self,
        column: &mut OptionColumn<'_>,
        number: Option<i64>,
        label: &str,
    ) -> Result<i64, SystemError> {
        let language = column.options.language.unwrap_or(ENGLISH);
        let localized = json!({
            "@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", "Label": label, "LanguageCode": language
        });
        let labels = json!({ "@odata.type": "Microsoft.Dynamics.CRM.Label", "LocalizedLabels": [localized] });
        match number.map(|number| (number, column.label_of(number).map(str::to_owned))) {
            Some((number, Some(known))) if known == label => Ok(number),
            Some((number, Some(_))) => {
                let body = json!({ "Value": number, "Label": labels, "MergeLabels": true });
                self.change("UpdateOptionValue", column, body).await?;
                for known in column.options.rows.iter_mut().filter(|known| known.number == number) {
                    label.clone_into(&mut known.label);
                }
                Ok(number)
            }
            missing => {
                let mut body = json!({ "Label": labels });
                if let Some((number, _)) = missing {
                    body["Value"] = json!(number);
                }
                let answer = self.change("InsertOptionValue", column, body).await?;
                let inserted: Inserted = typed(Side::Dataverse, "the new option", answer)?;
                let number = inserted.new_option_value;
                column.options.rows.push(OptionRow { number, label: label.to_owned(), translations: Vec::new() });
                Ok(number)
            }
        }
    }

    /// Sends an action about one option of a column, or of the global choice that the column shares.
    async fn change(&self, action: &str, column: &OptionColumn<'_>, mut body: Json) -> Result<Json, SystemError> {
        match &column.options.global {
            Some(name) => body["OptionSetName"] = json!(name),
            None => {
                body["EntityLogicalName"] = json!(column.owner);
                body["AttributeLogicalName"] = json!(column.column);
            }
        }
        let url = format!("{}/{action}", self.api);
        let request = Request::write(Method::POST, url, Repeat::OnlyIfUnprocessed).json(&body);
        let answer = self.call(&request).await.map_err(not_changed)?;
        Ok(answer.json())
    }

    /// Shows people what was changed.
    async fn publish(&self, columns: &[OptionColumn<'_>]) -> Result<(), SystemError> {
        let global = columns.iter().filter_map(|column| column.options.global.as_deref());
        let sets: String = global.map(|name| format!("<optionset>{name}</optionset>")).collect();
        let own = columns.iter().filter(|column| column.options.global.is_none());
        let entities: String = own.map(|column| format!("<entity>{}</entity>", column.owner)).collect();
        let xml = format!(
            "<importexportxml><entities>{entities}</entities><optionsets>{sets}</optionsets></importexportxml>"
        );
        let url = format!("{}/PublishXml", self.api);
        let request = Request::write(Method::POST, url, Repeat::Idempotent).json(&json!({ "ParameterXml": xml }));
        self.call(&request).await.map(|_| ())
    }
}

/// A choice column with the options that it has.
struct OptionColumn<'a> {
    owner: &'a str,
    column: &'a str,
    options: Options,
}

impl OptionColumn<'_> {
    fn label_of(&self, number: i64) -> Option<&str> {
        self.options.rows.iter().find(|known| known.number == number).map(|known| known.label.as_str())
    }

    fn number_of(&self, choice: &Choice, id: RecordId) -> Option<i64> {
        let is_it = |number: i64| option_id(&choice.table, &choice.column, number) == id;
        self.options.rows.iter().map(|known| known.number).find(|number| is_it(*number))
    }
}

fn row(choice: &Choice, option: &OptionRow) -> Record {
    let mut labels = option.label.clone();
    for translation in &option.translations {
        labels.push('\n');
        labels.push_str(translation);
    }
    let values: Values = [
        (choice.column.as_str().into(), Value::text(option.label.as_str())),
        (OPTION_NUMBER.into(), Value::Int(option.number)),
        (OPTION_LABELS.into(), Value::text(labels)),
    ]
    .into();
    let id = option_id(&choice.table, &choice.column, option.number);
    Record { id, version: None, modified: None, values, unreadable: None }
}

fn gone(choice: &Choice) -> SystemError {
    let message = format!("the choice {} of {} has no such option any more", choice.column, choice.table);
    SystemError::new(Side::Dataverse, SystemErrorKind::NotFound, "", Said::safe(message))
}

fn not_published(error: &SystemError) -> SystemError {
    let message = format!(
        "the options were changed and could not be published: {}; give Couplet's application user the right to publish \
         customizations, or publish them by hand",
        error.message
    );
    explained(error, message)
}

/// An error of a change to a choice, with the right that is missing where one is.
fn not_changed(error: SystemError) -> SystemError {
    if error.kind != SystemErrorKind::Forbidden {
        return error;
    }
    let message = format!(
        "the options could not be changed: {}; give Couplet's application user the role System Customizer, or change the \
         options by hand",
        error.message
    );
    explained(&error, message)
}

/// The same error in other words. A right that is missing here concerns the option, and only a person can give it: the
/// record of that option fails and says so, as it would if its values were refused.
fn explained(error: &SystemError, message: String) -> SystemError {
    let said = if error.may_be_logged { Said::safe(message) } else { Said::from(message) };
    let kind = match &error.kind {
        SystemErrorKind::Forbidden => SystemErrorKind::Refused,
        kind => kind.clone(),
    };
    SystemError::new(Side::Dataverse, kind, error.code.clone(), said)
}
