//! Bound actions on rows, such as closing a document: many in a batch, each with its own result. An action is not sent
//! again unless it is known not to have been processed.

use async_trait::async_trait;
use couplet_model::SystemError;
use couplet_model::system::{Action, SystemErrorKind, Written};
use couplet_model::table::{Side, Table};
use couplet_odata::fault::{part_error, unmarked};
use couplet_odata::sizes::is_too_much;
use couplet_odata::writing::{Outcome, Verdict, Writer, all_settled, in_groups};
use couplet_odata::{BatchPart, Identity, Load, Operation, Repeat, Request, Sizes, error_of};
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use crate::client::DataverseClient;

/// The namespace of the actions of the Web API.
const NAMESPACE: &str = "Microsoft.Dynamics.CRM";

/// An action that closes a row. It is bound to no row; it takes the activity of closing, which names the row.
struct Closing {
    action: &'static str,
    /// The parameter with the activity.
    parameter: &'static str,
    /// The table of the activity.
    activity: &'static str,
    /// The lookup by which the activity names the row.
    lookup: &'static str,
}

/// The actions that close opportunities and orders.
const CLOSINGS: [Closing; 3] = [
    Closing {
        action: "WinOpportunity",
        parameter: "OpportunityClose",
        activity: "opportunityclose",
        lookup: "opportunityid",
    },
    Closing {
        action: "LoseOpportunity",
        parameter: "OpportunityClose",
        activity: "opportunityclose",
        lookup: "opportunityid",
    },
    Closing { action: "FulfillSalesOrder", parameter: "OrderClose", activity: "orderclose", lookup: "salesorderid" },
];

/// The parameter that stands beside the activity of closing.
const STATUS: &str = "Status";

impl DataverseClient {
    pub(crate) async fn act_all(&self, table: &Table, actions: &[Action]) -> Vec<Result<(), SystemError>> {
        let set = match self.entity_set(table).await {
            Ok(set) => set,
            Err(error) => return actions.iter().map(|_| Err(error.clone())).collect(),
        };
        let items: Vec<(usize, &Action)> = actions.iter().enumerate().collect();
        let mut outcomes: Vec<Option<Outcome>> = vec![None; actions.len()];
        in_groups(&ActionWriter { client: self, table, set: &set }, &items, &mut outcomes).await;
        all_settled(Side::Dataverse, outcomes).into_iter().map(|outcome| outcome.map(|_| ())).collect()
    }
}

/// The actions on records of one table.
struct ActionWriter<'a> {
    client: &'a DataverseClient,
    table: &'a Table,
    /// The table's entity set.
    set: &'a str,
}

#[async_trait]
impl<'a> Writer for ActionWriter<'a> {
    type Item = (usize, &'a Action);

    fn table(&self) -> &Table {
        self.table
    }

    fn identity(&self) -> &Identity {
        &self.client.identity
    }

    fn sizes(&self) -> &Sizes {
        &self.client.sizes
    }

    fn place(&self, (place, _): &Self::Item) -> usize {
        *place
    }

    fn repeat(&self, _: &Self::Item) -> Repeat {
        Repeat::OnlyIfUnprocessed
    }

    fn load(&self, _: &Self::Item) -> (Load, usize) {
        (Load::Batch, self.client.batch_size)
    }

    fn fit_together(&self, _: &Self::Item, _: &Self::Item) -> bool {
        true
    }

    fn blames_data(&self, error: &SystemError) -> bool {
        error.kind == SystemErrorKind::Refused
    }

    async fn send(&self, items: &[Self::Item]) -> Result<Vec<Option<BatchPart>>, SystemError> {
        let [(_, action)] = items else {
            let operations: Vec<Operation> =
                items.iter().map(|(_, action)| operation(&self.client.path, self.set, action)).collect();
            return self.client.batch(&operations, Repeat::OnlyIfUnprocessed).await;
        };
        let operation = operation(&self.client.api, self.set, action);
        let request = Request::alone(&operation, operation.url.as_str(), Repeat::OnlyIfUnprocessed);
        let reply = self.client.identity.send(&request).await?;
        if !reply.is_success() {
            let error = error_of(Side::Dataverse, &reply);
            if is_too_much(&error) || error.kind == SystemErrorKind::Outage {
                // There is nothing to judge about the row.
                return Err(error);
            }
        }
        Ok(vec![Some(reply.into())])
    }

    fn judge(
        &self,
        (_, action): &Self::Item,
        part: &BatchPart,
        _: &[(Self::Item, Option<BatchPart>)],
    ) -> Verdict<Self::Item> {
        // An action has nothing to show; whatever else calls itself a success bears a mark of the service.
        if part.status == 204 || part.is_own_success() {
            return Verdict::Settled(Ok(Written { id: action.record, version: None, modified: None, values: None }));
        }
        if part.is_success() {
            return Verdict::Settled(Err(unmarked(Side::Dataverse, part.status)));
        }
        let error = part_error(Side::Dataverse, part);
        if matches!(error.kind, SystemErrorKind::Throttled(_)) {
            self.client.identity.note_throttled(part.retry_after());
        }
        Verdict::Settled(Err(error))
    }
}

fn operation(root: &str, set: &str, action: &Action) -> Operation {
    let mut parameters: Map<String, Json> =
        action.parameters.iter().map(|(name, value)| (name.to_string(), value.to_json())).collect();
    if let Some(closing) = CLOSINGS.iter().find(|closing| closing.action == action.name) {
        let status = parameters.remove(STATUS);
        let mut activity = parameters;
        activity.insert("@odata.type".to_owned(), json!(format!("{NAMESPACE}.{}", closing.activity)));
        activity.insert(format!("{}@odata.bind", closing.lookup), json!(format!("/{set}({})", action.record)));
        let mut body = Map::from_iter([(closing.parameter.to_owned(), Json::Object(activity))]);
        body.extend(status.map(|status| (STATUS.to_owned(), status)));
        return Operation::new(Method::POST, format!("{root}/{}", action.name)).json(Json::Object(body));
    }
    let operation =
        Operation::new(Method::POST, format!("{root}/{set}({})/{NAMESPACE}.{}", action.record, action.name));
    if parameters.is_empty() { operation } else { operation.json(Json::Object(parameters)) }
}
