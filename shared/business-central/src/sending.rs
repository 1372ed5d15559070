//! Prepared writes on their way: the operations they become, and what the answers to them mean. Repeating a create under an
//! id never duplicates.

use async_trait::async_trait;
use couplet_model::system::{SystemError, SystemErrorKind};
use couplet_model::table::{Side, Table};
use couplet_odata::fault::{part_error, unmarked};
use couplet_odata::writing::{Verdict, Writer};
use couplet_odata::{BatchPart, Identity, Load, Operation, Repeat, Request, Sizes, error_of};
use reqwest::Method;
use serde_json::Value as Json;

use crate::client::BusinessCentralClient;
use crate::entities::written_of;
use crate::prepared::{Prepared, Step, failure, has_number, number_column};
use crate::route::Route;

/// The writes of one table.
pub(crate) struct EntityWriter<'a> {
    pub client: &'a BusinessCentralClient,
    pub table: &'a Table,
}

#[async_trait]
impl Writer for EntityWriter<'_> {
    type Item = Prepared;

    fn table(&self) -> &Table {
        self.table
    }

    fn identity(&self) -> &Identity {
        &self.client.identity
    }

    fn sizes(&self) -> &Sizes {
        &self.client.sizes
    }

    fn place(&self, item: &Prepared) -> usize {
        item.place
    }

    fn repeat(&self, item: &Prepared) -> Repeat {
        item.repeat()
    }

    fn load(&self, _item: &Prepared) -> (Load, usize) {
        (Load::Batch, self.client.batch_size)
    }

    fn fit_together(&self, one: &Prepared, other: &Prepared) -> bool {
        (one.route, one.repeat()) == (other.route, other.repeat())
    }

    fn blames_data(&self, error: &SystemError) -> bool {
        error.kind == SystemErrorKind::Refused
    }

    /// One alone is sent as a request of its own, several as a batch.
    async fn send(&self, items: &[Prepared]) -> Result<Vec<Option<BatchPart>>, SystemError> {
        let Some(first) = items.first() else { return Ok(Vec::new()) };
        let operations = items.iter().map(|item| self.operation(item)).collect::<Result<Vec<Operation>, _>>()?;
        let [operation] = operations.as_slice() else {
            return self.client.batch(first.route, &operations, first.repeat()).await;
        };
        let url = self.client.absolute(first.route, &operation.url);
        let reply = self.client.identity.send(&Request::alone(operation, url, first.repeat())).await?;
        if reply.status >= 500 || matches!(reply.status, 408 | 413) {
            // The service itself failed; there is nothing to judge about the record.
            return Err(error_of(Side::BusinessCentral, &reply));
        }
        Ok(vec![Some(reply.into())])
    }

    fn judge(&self, item: &Prepared, part: &BatchPart, all: &[(Prepared, Option<BatchPart>)]) -> Verdict<Prepared> {
        // A success shows the record as it is now, or bears another mark of the service; a deletion has nothing to show.
        let is_own = part.is_own_success() || (item.step == Step::Delete && part.status == 204);
        if part.is_success() && is_own {
            if item.step == Step::CreateUnnumbered {
                self.client.note_numbered_by_series(self.table);
            }
            let written = written_of(self.table, item.route, &part.body, item.id);
            return Verdict::Settled(written.ok_or_else(|| {
                failure(SystemErrorKind::Protocol, "the record was created, but the answer does not tell its id")
            }));
        }
        if part.is_success() {
            let error = unmarked(Side::BusinessCentral, part.status);
            let may = item.repeat() == Repeat::Idempotent;
            return if may { Verdict::Later(item.clone(), error) } else { Verdict::Settled(Err(error)) };
        }
        let error = self.error_of_part(item, part);
        match error.kind {
            SystemErrorKind::NotFound if item.step == Step::Delete => {
                // Gone is what was asked for; an earlier attempt may have done it.
                Verdict::Settled(written_of(self.table, item.route, &Json::Null, item.id).ok_or(error))
            }
            // The id taken was none of ours: the first refusal is what the operator should read.
            SystemErrorKind::NotFound if item.step == Step::Adopt => Verdict::AsBefore,
            SystemErrorKind::Duplicate if item.creates() && item.id.is_some() => {
                Verdict::Changed(item.clone().adopting(), error)
            }
            SystemErrorKind::Refused if item.step == Step::Create && has_number(self.table, item) => {
                // Where others got the numbers they were given, it is not the number that was refused.
                let takes_numbers = all.iter().any(|(other, part)| {
                    other.creates() && has_number(self.table, other) && part.as_ref().is_some_and(BatchPart::is_success)
                });
                if takes_numbers {
                    return Verdict::Settled(Err(error));
                }
                let mut unnumbered = Prepared { step: Step::CreateUnnumbered, ..item.clone() };
                number_column(self.table).map(|name| unnumbered.body.remove(name));
                Verdict::Changed(unnumbered, error)
            }
            SystemErrorKind::Throttled(_) => {
                self.client.identity.note_throttled(part.retry_after());
                Verdict::Later(item.clone(), error)
            }
            SystemErrorKind::Transient | SystemErrorKind::Outage if item.repeat() == Repeat::Idempotent => {
                Verdict::Later(item.clone(), error)
            }
            _ => Verdict::Settled(Err(error)),
        }
    }
}

impl EntityWriter<'_> {
    fn operation(&self, item: &Prepared) -> Result<Operation, SystemError> {
        let mut url = self.client.relative(item.route, self.table, item.id.filter(|_| !item.creates()))?;
        let etag = item.etag.as_deref().unwrap_or("*");
        let mut body = item.body.clone();
        if let (Route::Companion, Some(parent)) = (item.route, &self.table.companion_parent) {
            // A record stays where it was posted.
            let above = body.remove(&parent.column);
            if item.creates() {
                url = self.client.relative_below(parent, above.as_ref(), self.table)?;
            }
        }
        let body = Json::Object(body);
        Ok(match item.step {
            Step::Create | Step::CreateUnnumbered => Operation::new(Method::POST, url).json(body),
            Step::Adopt | Step::Update => Operation::new(Method::PATCH, url).header("If-Match", etag).json(body),
            Step::Delete => Operation::new(Method::DELETE, url).header("If-Match", etag),
        })
    }

    /// The failure that an answer to an item stands for, in words the operator can act on.
    fn error_of_part(&self, item: &Prepared, part: &BatchPart) -> SystemError {
        let mut error = part_error(Side::BusinessCentral, part);
        let names_a_route = error.message.contains("segment") || error.message.contains("No HTTP resource");
        if part.status == 404 && !item.creates() && !names_a_route {
            error.kind = SystemErrorKind::NotFound;
        } else {
            error = self.client.explain(item.route, error);
        }
        if item.creates() && item.id.is_some() {
            error = item.route.explain_id(self.table, error);
        }
        error
    }
}
