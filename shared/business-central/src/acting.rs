//! Bound actions on records, such as posting a document: many in a batch, each with its own result. An action is not sent
//! again unless it is known not to have been processed.

use async_trait::async_trait;
use couplet_model::SystemError;
use couplet_model::system::{Action, SystemErrorKind, Written};
use couplet_model::table::{Side, Table};
use couplet_odata::fault::{part_error, unmarked};
use couplet_odata::writing::{Outcome, Verdict, Writer, all_settled, in_groups};
use couplet_odata::{BatchPart, Identity, Load, Operation, Repeat, Request, Sizes, error_of};
use reqwest::Method;
use serde_json::{Map, Value as Json};

use crate::client::BusinessCentralClient;
use crate::route::Route;

/// The namespace of the actions of both APIs.
const NAMESPACE: &str = "Microsoft.NAV";

/// The actions that only pages of the companion app have.
const OF_THE_COMPANION: [&str; 5] = ["closeAsWon", "closeAsLost", "release", "reopen", "archive"];

/// The API that has all these actions.
fn route(table: &Table, actions: &[Action], companion: bool) -> Result<Route, SystemError> {
    let is_ours = actions.iter().any(|action| OF_THE_COMPANION.contains(&action.name.as_str()));
    match (is_ours, companion) {
        (false, _) => Route::choose(table, &[], companion),
        (true, true) => Ok(Route::Companion),
        (true, false) => {
            let message = format!(
                "actions on table {} need the companion app; publish it in Business Central and switch it on in the settings",
                table.name
            );
            let message = couplet_model::Said::safe(message);
            Err(SystemError::new(Side::BusinessCentral, SystemErrorKind::Protocol, "", message))
        }
    }
}

impl BusinessCentralClient {
    pub(crate) async fn act_all(&self, table: &Table, actions: &[Action]) -> Vec<Result<(), SystemError>> {
        let route = match route(table, actions, self.companion) {
            Ok(route) => route,
            Err(error) => return actions.iter().map(|_| Err(error.clone())).collect(),
        };
        let items: Vec<(usize, &Action)> = actions.iter().enumerate().collect();
        let mut outcomes: Vec<Option<Outcome>> = vec![None; actions.len()];
        in_groups(&ActionWriter { client: self, table, route }, &items, &mut outcomes).await;
        all_settled(Side::BusinessCentral, outcomes).into_iter().map(|outcome| outcome.map(|_| ())).collect()
    }
}

/// The actions on records of one table.
struct ActionWriter<'a> {
    client: &'a BusinessCentralClient,
    table: &'a Table,
    route: Route,
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
        let operations = items.iter().map(|(_, action)| self.operation(action)).collect::<Result<Vec<_>, _>>()?;
        let [operation] = operations.as_slice() else {
            return self.client.batch(self.route, &operations, Repeat::OnlyIfUnprocessed).await;
        };
        let url = self.client.absolute(self.route, &operation.url);
        let reply = self.client.identity.send(&Request::alone(operation, url, Repeat::OnlyIfUnprocessed)).await?;
        if reply.status >= 500 || matches!(reply.status, 408 | 413) {
            // The service itself failed; there is nothing to judge about the record.
            return Err(error_of(Side::BusinessCentral, &reply));
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
            return Verdict::Settled(Err(unmarked(Side::BusinessCentral, part.status)));
        }
        let error = part_error(Side::BusinessCentral, part);
        if matches!(error.kind, SystemErrorKind::Throttled(_)) {
            self.client.identity.note_throttled(part.retry_after());
        }
        Verdict::Settled(Err(error))
    }
}

impl ActionWriter<'_> {
    fn operation(&self, action: &Action) -> Result<Operation, SystemError> {
        let record = self.client.relative(self.route, self.table, Some(action.record))?;
        let operation = Operation::new(Method::POST, format!("{record}/{NAMESPACE}.{}", action.name));
        if action.parameters.is_empty() {
            return Ok(operation);
        }
        let parameters = action.parameters.iter().map(|(name, value)| (name.to_string(), value.to_json()));
        Ok(operation.json(Json::Object(parameters.collect::<Map<String, Json>>())))
    }
}
