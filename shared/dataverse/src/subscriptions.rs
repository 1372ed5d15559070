//! The webhook: one service endpoint, and a step for each table and message that is to be told of. All of them have ids of
//! ours, so that making them twice makes them once, and nothing that is not ours is touched. Source: "Register a WebHook".

mod plan;

use couplet_model::notification::DATAVERSE;
use couplet_model::subscription::{Subscription, SubscriptionState, WantedSubscriptions};
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::Side;
use couplet_odata::answer::typed_list;
use couplet_odata::fault::part_error;
use couplet_odata::literal::quoted;
use couplet_odata::query::{Query, all_of, any_equal};
use couplet_odata::{BatchPart, Operation, Repeat, Request};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use self::plan::{MESSAGES, Plan, Registered, Step, endpoint_id, plan, state_of};
use crate::client::DataverseClient;

const ENDPOINTS: &str = "serviceendpoints";
const STEPS: &str = "sdkmessageprocessingsteps";
/// Kind of the endpoint: a webhook.
const WEBHOOK: i32 = 8;
/// How it shows who it is: `?code=…`.
const WEBHOOK_KEY: i32 = 4;
/// A step that runs after the change, and not before its user has an answer.
const ASYNCHRONOUS: i32 = 1;
const POST_OPERATION: i32 = 40;

#[derive(Deserialize)]
struct MessageRow {
    sdkmessageid: Uuid,
    name: String,
}

/// Which table has which message.
#[derive(Deserialize)]
struct FilterRow {
    sdkmessagefilterid: Uuid,
    primaryobjecttypecode: String,
    #[serde(rename = "_sdkmessageid_value")]
    message: Uuid,
    #[serde(default)]
    secondaryobjecttypecode: Option<String>,
}

#[derive(Deserialize)]
struct StepRow {
    sdkmessageprocessingstepid: Uuid,
    #[serde(default)]
    statecode: Option<i32>,
}

#[derive(Deserialize)]
struct EndpointRow {}

impl DataverseClient {
    /// Has the service tell of changes of these tables and of no others that were subscribed here.
    ///
    /// # Errors
    /// When what there is cannot be read, or the endpoint cannot be made. What becomes of each table is part of the answer.
    pub(crate) async fn keep(&self, wanted: &WantedSubscriptions<'_>) -> Result<Vec<Subscription>, SystemError> {
        let endpoint = endpoint_id(wanted.company);
        let names: Vec<&str> =
            wanted.tables.iter().filter(|table| table.choice.is_none()).map(|table| table.name.as_str()).collect();
        let registered = self.registered_steps(endpoint).await?;
        let filters = if names.is_empty() { Vec::new() } else { self.filters(&names).await? };
        let Plan { steps, gone } = plan(wanted.company, &names, &filters, &registered);
        if names.is_empty() {
            self.remove_steps(&gone).await?;
            self.remove_endpoint(endpoint).await?;
        } else {
            self.put_endpoint(endpoint, wanted).await?;
            self.remove_steps(&gone).await?;
        }
        let missing: Vec<&Step> = steps.iter().filter(|step| step.is_missing).collect();
        let made = self.make_steps(endpoint, &missing).await?;
        let failed: Vec<(&Step, String)> =
            missing.into_iter().zip(made).filter_map(|(step, why)| Some((step, why?))).collect();
        let state = |table: &str, is_choice: bool| match is_choice {
            true => SubscriptionState::Impossible {
                why: "choices are no rows, and Dataverse does not tell of their changes; its timer finds them"
                    .to_owned(),
            },
            false => state_of(table, &steps, &failed),
        };
        let answer = wanted.tables.iter().map(|table| Subscription {
            side: Side::Dataverse,
            table: table.name.clone(),
            state: state(&table.name, table.choice.is_some()),
        });
        Ok(answer.collect())
    }

    /// The steps of our endpoint, and whether each is switched on.
    async fn registered_steps(&self, endpoint: Uuid) -> Result<Vec<Registered>, SystemError> {
        let query = Query::new()
            .select(&["sdkmessageprocessingstepid", "statecode"])
            .option("$filter", format!("_eventhandler_value eq {endpoint}"));
        let rows: Vec<StepRow> = self.list("the steps of the webhook", STEPS, &query).await?;
        let registered = rows
            .into_iter()
            .map(|row| Registered { id: row.sdkmessageprocessingstepid, is_on: row.statecode != Some(1) });
        Ok(registered.collect())
    }

    /// The messages that the tables have.
    async fn filters(&self, tables: &[&str]) -> Result<Vec<plan::Filter>, SystemError> {
        let query =
            Query::new().select(&["sdkmessageid", "name"]).option("$filter", any_equal("name", &MESSAGES.map(quoted)));
        let messages: Vec<MessageRow> = self.list("the messages", "sdkmessages", &query).await?;
        let ids: Vec<String> = messages.iter().map(|message| message.sdkmessageid.to_string()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = tables.iter().map(|table| quoted(table)).collect();
        let query = Query::new()
            .select(&["sdkmessagefilterid", "primaryobjecttypecode", "_sdkmessageid_value", "secondaryobjecttypecode"])
            .option(
                "$filter",
                all_of(&[any_equal("primaryobjecttypecode", &names), any_equal("_sdkmessageid_value", &ids)]),
            );
        let rows: Vec<FilterRow> = self.list("the messages of tables", "sdkmessagefilters", &query).await?;
        let alone = |other: &Option<String>| other.as_deref().is_none_or(|other| other.is_empty() || other == "none");
        let filters = rows.into_iter().filter(|row| alone(&row.secondaryobjecttypecode)).filter_map(|row| {
            let message = messages.iter().find(|message| message.sdkmessageid == row.message)?;
            Some(plan::Filter {
                id: row.sdkmessagefilterid,
                table: row.primaryobjecttypecode,
                message: MESSAGES.into_iter().find(|name| *name == message.name)?,
                message_id: message.sdkmessageid,
            })
        });
        Ok(filters.collect())
    }

    async fn list<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        set: &str,
        query: &Query,
    ) -> Result<Vec<T>, SystemError> {
        let reply = self.call(&Request::get(query.clone().on(&format!("{}/{set}", self.api)))).await?;
        typed_list(Side::Dataverse, what, reply.json())
    }

    /// Makes the endpoint, or gives it today's address and secret: the service never shows which secret it has.
    async fn put_endpoint(&self, id: Uuid, wanted: &WantedSubscriptions<'_>) -> Result<(), SystemError> {
        let url = format!("{}{DATAVERSE}", wanted.door);
        let query = Query::new().select(&["serviceendpointid"]).option("$filter", format!("serviceendpointid eq {id}"));
        let there: Vec<EndpointRow> = self.list("the webhook", ENDPOINTS, &query).await?;
        if there.is_empty() {
            let row = json!({
                "serviceendpointid": id, "name": format!("Couplet {}", wanted.company), "url": url, "contract": WEBHOOK,
                "authtype": WEBHOOK_KEY, "authvalue": wanted.secret, "connectionmode": 1, "messageformat": 2, "userclaim": 1,
            });
            let request =
                Request::write(Method::POST, format!("{}/{ENDPOINTS}", self.api), Repeat::OnlyIfUnprocessed).json(&row);
            match self.call(&request).await {
                // Somebody made it at the same time.
                Err(error) if error.kind == SystemErrorKind::Duplicate => {}
                answer => return answer.map(drop),
            }
        }
        let address = format!("{}/{ENDPOINTS}({id})", self.api);
        let request = Request::write(Method::PATCH, address, Repeat::Idempotent)
            .header("If-Match", "*")
            .json(&json!({ "url": url, "authvalue": wanted.secret }));
        self.call(&request).await.map(drop)
    }

    async fn remove_endpoint(&self, id: Uuid) -> Result<(), SystemError> {
        let request = Request::write(Method::DELETE, format!("{}/{ENDPOINTS}({id})", self.api), Repeat::Idempotent);
        match self.call(&request).await {
            Err(error) if error.kind == SystemErrorKind::NotFound => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn remove_steps(&self, gone: &[Uuid]) -> Result<(), SystemError> {
        let base = format!("{}/{STEPS}", self.path);
        let operations: Vec<Operation> =
            gone.iter().map(|id| Operation::new(Method::DELETE, format!("{base}({id})"))).collect();
        if operations.is_empty() {
            return Ok(());
        }
        for part in self.batch(&operations, Repeat::Idempotent).await?.into_iter().flatten() {
            if !part.is_success() {
                let error = part_error(Side::Dataverse, &part);
                if error.kind != SystemErrorKind::NotFound {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Makes steps in one batch; for each why it could not be made, or nothing.
    async fn make_steps(&self, endpoint: Uuid, missing: &[&Step]) -> Result<Vec<Option<String>>, SystemError> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let operations: Vec<Operation> = missing
            .iter()
            .map(|step| Operation::new(Method::POST, format!("{}/{STEPS}", self.path)).json(row_of(step, endpoint)))
            .collect();
        let parts = self.batch(&operations, Repeat::OnlyIfUnprocessed).await?;
        let refused = |part: Option<BatchPart>| match part {
            Some(part) if part.is_success() => None,
            Some(part) => {
                let error = part_error(Side::Dataverse, &part);
                // Its id is ours: whoever was faster made it.
                (error.kind != SystemErrorKind::Duplicate).then(|| error.to_string())
            }
            None => Some("no answer came; it is tried again".to_owned()),
        };
        Ok(parts.into_iter().map(refused).collect())
    }
}

fn row_of(step: &Step, endpoint: Uuid) -> serde_json::Value {
    json!({
        "sdkmessageprocessingstepid": step.id,
        "name": format!("Couplet: {} of {}", step.message, step.table),
        "mode": ASYNCHRONOUS, "stage": POST_OPERATION, "rank": 1, "supporteddeployment": 0,
        // A system job for each change would be left behind.
        "asyncautodelete": true,
        "sdkmessageid@odata.bind": format!("/sdkmessages({})", step.message_id),
        "sdkmessagefilterid@odata.bind": format!("/sdkmessagefilters({})", step.filter_id),
        "eventhandler_serviceendpoint@odata.bind": format!("/{ENDPOINTS}({endpoint})"),
    })
}
