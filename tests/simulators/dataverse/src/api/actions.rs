//! Actions: what happens to documents and products beyond create, update and delete.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body::{self, Surroundings};
use super::{Context, keys, merge, unsupported};
use crate::rules::{self, documents, states};
use crate::schema::Kind;
use crate::store::{Cell, guid};
use crate::wire::error::{ApiError, ApiResult};
use crate::wire::request::{ApiResponse, Verb, Work};
use crate::wire::rows::RowWriter;
use crate::write::{Changes, Session};

/// Answers an action; `None` when the request is none.
pub(crate) fn post(context: &Context<'_>, session: &mut Session<'_>) -> ApiResult<Option<ApiResponse>> {
    if context.request.verb != Verb::Post {
        return Ok(None);
    }
    let segments = &context.target.segments;
    let (bound, name) = match segments.as_slice() {
        [only] => (None, only.name.as_str()),
        [first, action] if action.name.starts_with("Microsoft.Dynamics.CRM.") => (Some(first), action.name.as_str()),
        _ => return Ok(None),
    };
    let name = name.trim_start_matches("Microsoft.Dynamics.CRM.");
    let action = Action { context, parameters: parameters(context)? };
    let target = match bound.and_then(|segment| segment.key.as_ref().map(|key| (segment, key))) {
        Some((segment, key)) => {
            let at = session
                .store
                .schema
                .set_position(&segment.name)
                .ok_or_else(|| ApiError::unknown_segment(&segment.name))?;
            let table = session.table(at);
            let id = keys::resolve(session.store, at, key)?.existing(&table)?;
            if session.store.get(at, id).is_none() {
                return Err(ApiError::missing_row(&table.name, id));
            }
            Some((at, id))
        }
        None => None,
    };
    let answered = match name {
        "WinQuote" => action.close_quote(session, 2),
        "CloseQuote" => action.close_quote(session, 3),
        "ReviseQuote" => action.revise_quote(session, target),
        "ConvertQuoteToSalesOrder" => action.convert_quote(session),
        "FulfillSalesOrder" => action.close_order(session, 3),
        "CancelSalesOrder" => action.close_order(session, 2),
        "WinOpportunity" => action.close_opportunity(session, 1),
        "LoseOpportunity" => action.close_opportunity(session, 2),
        "LockSalesOrderPricing" => action.lock(session, "salesorder", "SalesOrderId", target, true),
        "UnlockSalesOrderPricing" => action.lock(session, "salesorder", "SalesOrderId", target, false),
        "LockInvoicePricing" => action.lock(session, "invoice", "InvoiceId", target, true),
        "UnlockInvoicePricing" => action.lock(session, "invoice", "InvoiceId", target, false),
        "PublishProductHierarchy" => action.publish(session, target),
        "CalculatePrice" => action.calculate(session),
        "BulkDelete" => action.bulk_delete(session),
        "Merge" => merge::merge(context, &action.parameters, session),
        "CreateMultiple" | "UpdateMultiple" | "UpsertMultiple" | "DeleteMultiple" => return Ok(None),
        other => match unsupported::action(other) {
            Some(refusal) => Err(refusal),
            None if bound.is_some() => Err(ApiError::unknown_segment(&format!("Microsoft.Dynamics.CRM.{other}"))),
            None => return Ok(None),
        },
    };
    answered.map(|mut response| {
        response.rows = response.rows.max(1);
        response.work = Work { single_writes: 1, ..Work::default() };
        Some(response)
    })
}

fn parameters(context: &Context<'_>) -> ApiResult<Value> {
    if context.request.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    // Creates share this path, so a body that is no JSON is their error to tell.
    Ok(context.request.json().unwrap_or(Value::Null))
}

struct Action<'a> {
    context: &'a Context<'a>,
    parameters: Value,
}

impl Action<'_> {
    fn missing(name: &str) -> ApiError {
        ApiError::new(400, "0x80040203", format!("The parameter '{name}' is missing or has the wrong type."))
    }

    fn id(&self, name: &str) -> ApiResult<Uuid> {
        self.parameters.get(name).and_then(Value::as_str).and_then(guid).ok_or_else(|| Self::missing(name))
    }

    fn status(&self) -> Option<i64> {
        self.parameters.get("Status").and_then(Value::as_i64)
    }

    /// The row that a close activity in the parameters points at; the activity is stored.
    fn closed(
        &self,
        session: &mut Session<'_>,
        parameter: &str,
        activity: &str,
        lookup: &str,
    ) -> ApiResult<(usize, Uuid)> {
        let value =
            self.parameters.get(parameter).filter(|value| value.is_object()).ok_or_else(|| Self::missing(parameter))?;
        let at = session.position(activity)?;
        let table = session.table(at);
        let around =
            Surroundings { store: session.store, api: &self.context.api(), references: self.context.references };
        let body = body::read(&around, at, value)?;
        let column = table.column(lookup).unwrap_or_default();
        let Some((_, Some(Cell::Lookup { table: target, id }))) =
            body.changes.iter().find(|(at, _)| *at == column).cloned()
        else {
            return Err(Self::missing(lookup));
        };
        session.consequence(|session| session.create(at, body.id, body.changes))?;
        Ok((target, id))
    }

    fn close_quote(&self, session: &mut Session<'_>, state: i64) -> ApiResult<ApiResponse> {
        let (at, id) = self.closed(session, "QuoteClose", "quoteclose", "quoteid")?;
        let table = session.table(at);
        let now = session.store.get(at, id).map(|row| rules::state(&table, row));
        if now != Some(1) {
            return Err(ApiError::refused("0x80048408", "Only an active quote can be closed or won."));
        }
        self.set_state(session, at, id, state)?;
        Ok(ApiResponse::no_content())
    }

    fn close_order(&self, session: &mut Session<'_>, state: i64) -> ApiResult<ApiResponse> {
        let (at, id) = self.closed(session, "OrderClose", "orderclose", "salesorderid")?;
        let table = session.table(at);
        let now = session.store.get(at, id).map(|row| rules::state(&table, row)).unwrap_or_default();
        if !matches!((now, state), (0 | 1, _)) {
            return Err(ApiError::refused(
                "0x80048408",
                "Only an active or submitted order can be fulfilled or canceled.",
            ));
        }
        self.set_state(session, at, id, state)?;
        if state == 3
            && let Some(column) = table.column("datefulfilled")
            && session.store.get(at, id).is_some_and(|row| row.get(column).is_none())
        {
            let today = match table.columns[column].kind {
                Kind::DateTime => Some(Cell::Time(session.now)),
                _ => crate::store::day(&Cell::Time(session.now).plain_text()).map(Cell::Day),
            };
            session.consequence(|session| session.update(at, id, vec![(column, today)]))?;
        }
        Ok(ApiResponse::no_content())
    }

    /// The activity tells what the opportunity brought and when it ended; without it nothing was earned, today.
    fn close_opportunity(&self, session: &mut Session<'_>, state: i64) -> ApiResult<ApiResponse> {
        let (at, id) = self.closed(session, "OpportunityClose", "opportunityclose", "opportunityid")?;
        let table = session.table(at);
        if session.store.get(at, id).map(|row| rules::state(&table, row)) != Some(0) {
            return Err(ApiError::refused("0x80043b1f", "Only an open opportunity can be won or lost."));
        }
        self.set_state(session, at, id, state)?;
        let told = |name: &str| self.parameters.pointer(&format!("/OpportunityClose/{name}"));
        let revenue = told("actualrevenue").and_then(|value| value.to_string().parse::<Decimal>().ok());
        let ended =
            told("actualend").and_then(Value::as_str).and_then(|text| text.get(..10)).and_then(crate::store::day);
        let today = crate::store::day(&Cell::Time(session.now).plain_text());
        let changes: Changes =
            [("actualvalue", revenue.map(Cell::Decimal)), ("actualclosedate", ended.or(today).map(Cell::Day))]
                .into_iter()
                .filter_map(|(name, cell)| Some((table.column(name)?, Some(cell?))))
                .collect();
        session.consequence(|session| session.update(at, id, changes))?;
        Ok(ApiResponse::no_content())
    }

    /// `Status` -1 lets the server choose.
    fn set_state(&self, session: &mut Session<'_>, at: usize, id: Uuid, state: i64) -> ApiResult<()> {
        let status = self.status().filter(|status| *status >= 0);
        set_state(session, at, id, state, status)
    }

    fn revise_quote(&self, session: &mut Session<'_>, target: Option<(usize, Uuid)>) -> ApiResult<ApiResponse> {
        let at = session.position("quote")?;
        let id = match target {
            Some((_, id)) => id,
            None => self.id("QuoteId")?,
        };
        let table = session.table(at);
        let old = session.store.get(at, id).cloned().ok_or_else(|| ApiError::missing_row("quote", id))?;
        if !matches!(rules::state(&table, &old), 1 | 3) {
            return Err(ApiError::refused("0x80048408", "Only an active or closed quote can be revised."));
        }
        if rules::state(&table, &old) == 1 {
            set_state(session, at, id, 3, Some(7))?;
        }
        let revision = match rules::get(&table, &old, "revisionnumber") {
            Some(Cell::Int(number)) => number + 1,
            _ => 1,
        };
        let mut changes = copied(&table, &old);
        let mut put = |name: &str, value: Cell| {
            if let Some(column) = table.column(name) {
                changes.retain(|(at, _)| *at != column);
                changes.push((column, Some(value)));
            }
        };
        put("revisionnumber", Cell::Int(revision));
        let new = session.consequence(|session| session.create(at, None, changes))?;
        copy_lines(session, "quotedetail", "quotedetail", id, at, new)?;
        self.entity(session, at, new)
    }

    fn convert_quote(&self, session: &mut Session<'_>) -> ApiResult<ApiResponse> {
        let quotes = session.position("quote")?;
        let orders = session.position("salesorder")?;
        let id = self.id("QuoteId")?;
        let (quote_table, order_table) = (session.table(quotes), session.table(orders));
        let quote = session.store.get(quotes, id).cloned().ok_or_else(|| ApiError::missing_row("quote", id))?;
        if rules::state(&quote_table, &quote) == 1 {
            set_state(session, quotes, id, 2, None)?;
        } else if rules::state(&quote_table, &quote) != 2 {
            return Err(ApiError::refused("0x80048408", "Only an active or won quote can be converted to an order."));
        }
        let mut changes = Changes::new();
        for (column, cell) in quote.cells() {
            let name = &quote_table.columns[column].name;
            if let Some(target) = order_table
                .column(name)
                .filter(|target| order_table.columns[*target].creatable && *target != order_table.id)
            {
                changes.push((target, Some(cell.clone())));
            }
        }
        if let Some(column) = order_table.column("quoteid") {
            changes.retain(|(at, _)| *at != column);
            changes.push((column, Some(Cell::Lookup { table: quotes, id })));
        }
        changes.retain(|(column, _)| {
            !matches!(order_table.columns[*column].name.as_str(), "statecode" | "statuscode" | "ordernumber")
        });
        let order = session.consequence(|session| session.create(orders, None, changes))?;
        copy_lines(session, "quotedetail", "salesorderdetail", id, orders, order)?;
        self.entity(session, orders, order)
    }

    fn lock(
        &self,
        session: &mut Session<'_>,
        table: &str,
        parameter: &str,
        target: Option<(usize, Uuid)>,
        locked: bool,
    ) -> ApiResult<ApiResponse> {
        let at = session.position(table)?;
        let id = match target {
            Some((_, id)) => id,
            None => self.id(parameter)?,
        };
        let column = session.table(at).column("ispricelocked").unwrap_or_default();
        session.consequence(|session| session.update(at, id, vec![(column, Some(Cell::Bool(locked)))]))?;
        Ok(ApiResponse::no_content())
    }

    fn publish(&self, session: &mut Session<'_>, target: Option<(usize, Uuid)>) -> ApiResult<ApiResponse> {
        let Some((at, id)) = target else { return Err(Self::missing("entity")) };
        let table = session.table(at);
        let now = session.store.get(at, id).map(|row| rules::state(&table, row)).unwrap_or_default();
        if table.name != "product" || !matches!(now, 2 | 3) {
            return Err(ApiError::refused(
                "0x8004F995",
                "You can only publish products that are in the Draft or Under Revision state.",
            ));
        }
        set_state(session, at, id, 0, Some(1))?;
        Ok(ApiResponse::no_content())
    }

    fn calculate(&self, session: &mut Session<'_>) -> ApiResult<ApiResponse> {
        let target = self.parameters.get("Target").ok_or_else(|| Self::missing("Target"))?;
        let reference = target.get("@odata.id").and_then(Value::as_str).map(str::to_owned);
        let (at, id) = match reference {
            Some(reference) => keys::reference(
                &session.store.schema.clone(),
                session.store,
                &reference,
                &self.context.api(),
                self.context.references,
            )?,
            None => {
                let kind = target
                    .get("@odata.type")
                    .and_then(Value::as_str)
                    .and_then(|name| name.rsplit('.').next())
                    .ok_or_else(|| Self::missing("Target"))?;
                let at = session.position(kind)?;
                let table = session.table(at);
                let id = target
                    .get(&table.columns[table.id].name)
                    .and_then(Value::as_str)
                    .and_then(guid)
                    .ok_or_else(|| Self::missing("Target"))?;
                (at, id)
            }
        };
        let table = session.table(at);
        let mut row = session
            .store
            .get(at, id)
            .map(|row| (**row).clone())
            .ok_or_else(|| ApiError::missing_row(&table.name, id))?;
        let before = row.clone();
        documents::sum_up(&table, &mut row);
        let changes: Changes = row
            .cells()
            .filter(|(column, cell)| before.get(*column) != Some(*cell))
            .map(|(column, cell)| (column, Some(cell.clone())))
            .collect();
        if !changes.is_empty() {
            session.consequence(|session| session.update(at, id, changes))?;
        }
        Ok(ApiResponse::no_content())
    }

    /// Deletes the rows that the queries name; the job is over when the answer arrives.
    fn bulk_delete(&self, session: &mut Session<'_>) -> ApiResult<ApiResponse> {
        let Some(Value::Array(queries)) = self.parameters.get("QuerySet") else {
            return Err(Self::missing("QuerySet"));
        };
        for query in queries {
            let name = query.get("EntityName").and_then(Value::as_str).ok_or_else(|| Self::missing("EntityName"))?;
            let at = session.position(name)?;
            let table = session.table(at);
            let conditions =
                query.pointer("/Criteria/Conditions").and_then(Value::as_array).cloned().unwrap_or_default();
            let [condition] = conditions.as_slice() else {
                return Err(ApiError::not_supported("BulkDelete with other than one condition"));
            };
            let text = |name: &str| condition.get(name).and_then(Value::as_str).unwrap_or_default();
            let column = table
                .column(text("AttributeName"))
                .ok_or_else(|| ApiError::unknown_property(text("AttributeName"), &table.type_name()))?;
            if !matches!(text("Operator"), "In" | "Equal") {
                return Err(ApiError::not_supported(&format!("BulkDelete with the operator {}", text("Operator"))));
            }
            let values = condition.get("Values").and_then(Value::as_array).cloned().unwrap_or_default();
            for value in &values {
                let value = value.get("Value").unwrap_or(value);
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let Some(cell) = crate::query::bind::text_cell(&table.columns[column].kind, &value) else { continue };
                let ids = if column == table.id {
                    cell.id().filter(|id| session.store.get(at, *id).is_some()).into_iter().collect()
                } else {
                    session.store.rows(at).find(column, &cell)
                };
                for id in ids {
                    session.delete(at, id)?;
                }
            }
        }
        let job = session.new_id(&session.table(session.position("asyncoperation")?));
        Ok(ApiResponse::value(
            200,
            &json!({"@odata.context": format!("{}/$metadata#Microsoft.Dynamics.CRM.BulkDeleteResponse", self.context.api()), "JobId": job}),
        ))
    }

    /// The answer of actions that return a row, narrowed to `ColumnSet`.
    fn entity(&self, session: &Session<'_>, at: usize, id: Uuid) -> ApiResult<ApiResponse> {
        let table = session.table(at);
        let mut query = crate::query::options::Query::default();
        let columns = self.parameters.pointer("/ColumnSet/Columns").and_then(Value::as_array);
        if let Some(columns) = columns
            && self.parameters.pointer("/ColumnSet/AllColumns") != Some(&Value::Bool(true))
        {
            let mut positions = Vec::new();
            for name in columns.iter().filter_map(Value::as_str) {
                positions.push(table.column(name).ok_or_else(|| {
                    ApiError::new(
                        400,
                        "0x80041103",
                        format!("'{}' entity doesn't contain attribute with Name = '{name}'.", table.name),
                    )
                })?);
            }
            query.select = Some(positions);
        }
        let row = session.store.get(at, id).ok_or_else(|| ApiError::missing_row(&table.name, id))?;
        let mut out = Vec::new();
        let context_url = format!("{}/$metadata#{}/$entity", self.context.api(), table.set);
        RowWriter::new(session.store, &self.context.prefer).row(&mut out, at, row, &query, Some(&context_url));
        Ok(ApiResponse::json(200, out))
    }
}

/// Sets a state past the rules that hold for plain updates.
fn set_state(session: &mut Session<'_>, at: usize, id: Uuid, state: i64, status: Option<i64>) -> ApiResult<()> {
    let table = session.table(at);
    let default = states::pairs(&table.name)
        .iter()
        .find(|(value, _)| *value == state)
        .and_then(|(_, statuses)| statuses.first().copied());
    let changes: Changes = [("statecode", Some(state)), ("statuscode", status.or(default))]
        .iter()
        .filter_map(|(name, value)| Some((table.column(name)?, Some(Cell::Int((*value)?)))))
        .collect();
    session.consequence(|session| session.update(at, id, changes))
}

/// What a copy of a document takes along.
fn copied(table: &crate::schema::Table, row: &crate::store::Row) -> Changes {
    row.cells()
        .filter(|(column, _)| {
            let definition = &table.columns[*column];
            let state = matches!(definition.name.as_str(), "statecode" | "statuscode");
            *column != table.id && definition.creatable && !state && !matches!(definition.kind, Kind::BigInteger)
        })
        .map(|(column, cell)| (column, Some(cell.clone())))
        .collect()
}

/// Copies the lines of one document to another.
fn copy_lines(
    session: &mut Session<'_>,
    from: &str,
    to: &str,
    source: Uuid,
    target_table: usize,
    target: Uuid,
) -> ApiResult<()> {
    let (from_at, to_at) = (session.position(from)?, session.position(to)?);
    let (from_table, to_table) = (session.table(from_at), session.table(to_at));
    let parent = from_table.column(documents::parent_column(&from_table)).unwrap_or_default();
    for line in session.store.rows(from_at).find(parent, &Cell::Guid(source)) {
        let Some(row) = session.store.get(from_at, line).cloned() else { continue };
        let mut changes = Changes::new();
        for (column, cell) in row.cells() {
            let name = from_table.columns[column].name.as_str();
            let kept = to_table.column(name).filter(|target| {
                to_table.columns[*target].creatable
                    && *target != to_table.id
                    && column != from_table.id
                    && column != parent
            });
            if let Some(column) = kept {
                changes.push((column, Some(cell.clone())));
            }
        }
        if let Some(column) = to_table.column(documents::parent_column(&to_table)) {
            changes.push((column, Some(Cell::Lookup { table: target_table, id: target })));
        }
        session.consequence(|session| session.create(to_at, None, changes))?;
    }
    Ok(())
}
