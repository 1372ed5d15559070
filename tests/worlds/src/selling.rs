//! What sellers do in Sales with orders and quotes, and what people in Business Central do with the orders that came of them.

use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::World;

impl World {
    /// An order that a seller enters in Sales; lookups are given as `_x_value`, lines without the order.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub fn enter_order(&self, order: &Json, lines: &[Json]) -> Uuid {
        self.enter("salesorder", order, "salesorderdetail", lines)
    }

    /// A quote that a seller enters in Sales, a draft.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub fn enter_quote(&self, quote: &Json, lines: &[Json]) -> Uuid {
        self.enter("quote", quote, "quotedetail", lines)
    }

    fn enter(&self, table: &str, document: &Json, line_table: &str, lines: &[Json]) -> Uuid {
        let id = self.dataverse.create_as_user(table, document.clone()).expect("a document");
        let lookup = format!("_{table}id_value");
        let below = |line: &Json| {
            let mut line = line.clone();
            line[&lookup] = json!(id);
            line
        };
        self.dataverse.create_many_as_user(line_table, lines.iter().map(below).collect()).expect("its lines");
        id
    }

    /// Moves an order or quote of Sales to a state, as its forms do: 1 submits an order and activates a quote, 0 opens an order.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub fn move_to_state(&self, table: &str, document: Uuid, state: i64) {
        self.dataverse.update_as_user(table, document, json!({"statecode": state})).expect("the state");
    }

    /// An order that a seller enters and submits.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub fn submit_order(&self, order: &Json, lines: &[Json]) -> Uuid {
        let id = self.enter_order(order, lines);
        self.move_to_state("salesorder", id, 1);
        id
    }

    /// A quote that a seller enters and activates.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub fn activate_quote(&self, quote: &Json, lines: &[Json]) -> Uuid {
        let id = self.enter_quote(quote, lines);
        self.move_to_state("quote", id, 1);
        id
    }

    /// Revises an active quote: it is closed as revised, and a draft of the same number takes its place.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub async fn revise_quote(&self, quote: Uuid) -> Uuid {
        let answer =
            self.sales_answer("ReviseQuote", &json!({"QuoteId": quote, "ColumnSet": {"AllColumns": true}})).await;
        id_in(&answer, "quoteid")
    }

    /// Wins an active quote.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub async fn win_quote(&self, quote: Uuid) {
        self.close("WinQuote", quote, -1).await;
    }

    /// Closes an active quote: 5 lost, 6 canceled, 7 revised.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub async fn close_quote(&self, quote: Uuid, status: i64) {
        self.close("CloseQuote", quote, status).await;
    }

    async fn close(&self, action: &str, quote: Uuid, status: i64) {
        let activity = json!({"quoteid@odata.bind": format!("/quotes({quote})"), "subject": "Closed"});
        self.sales_action(action, &json!({"QuoteClose": activity, "Status": status})).await;
    }

    /// The order that Sales makes of a won quote, which stays open until it is submitted.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub async fn order_of_quote(&self, quote: Uuid) -> Uuid {
        let body = json!({"QuoteId": quote, "ColumnSet": {"AllColumns": true}});
        id_in(&self.sales_answer("ConvertQuoteToSalesOrder", &body).await, "salesorderid")
    }

    /// Cancels an order of Sales.
    ///
    /// # Panics
    /// If Dataverse refuses it.
    pub async fn cancel_order(&self, order: Uuid) {
        let activity = json!({"salesorderid@odata.bind": format!("/salesorders({order})"), "subject": "Canceled"});
        self.sales_action("CancelSalesOrder", &json!({"OrderClose": activity, "Status": 4})).await;
    }

    /// Does something with an order or quote of Business Central as a person: `release`, `reopen`, `archive`, `ship`,
    /// `invoice`, `shipAndInvoice`, `makeOrder`. Gives the document that came of it.
    ///
    /// # Panics
    /// If Business Central refuses it.
    pub fn do_in_business_central(&self, table: &str, document: Uuid, action: &str) -> Option<Uuid> {
        let done = self.business_central.run_action_as_user(table, document, action);
        done.unwrap_or_else(|error| panic!("{action} was refused: {error:?}"))
    }

    /// Ships so much of each line of an order of Business Central, in the order of the lines; lines beyond are not shipped.
    ///
    /// # Panics
    /// If Business Central refuses it.
    pub fn ship_parts(&self, order: Uuid, quantities: &[Decimal]) {
        let of = |row: &serde_json::Map<String, Json>| row["documentId"] == json!(order.to_string());
        let lines = self.business_central.rows("Sales Line").into_iter().filter(of);
        for (at, line) in lines.enumerate() {
            let id = line["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
            let quantity = quantities.get(at).copied().unwrap_or_default();
            let quantity: serde_json::Number = quantity.to_string().parse().expect("a number");
            let sent = json!({"shipQuantity": quantity});
            self.business_central.update_as_user("Sales Line", id, sent).expect("a quantity to ship");
        }
        self.do_in_business_central("Sales Header", order, "ship");
    }
}

fn id_in(answer: &Json, column: &str) -> Uuid {
    answer[column].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no {column} in {answer}"))
}
