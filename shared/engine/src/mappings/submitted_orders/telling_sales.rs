//! What becomes of an order in Business Central, told to the order of Sales that it came from (S87, S88).

use std::collections::HashMap;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::outcome::DataFailure;
use couplet_model::{Record, RecordId, SystemError, Value, Version};
use rust_decimal::{Decimal, RoundingStrategy};

use super::states::{OrderState, Step, TAKEN_OVER, bring_into};
use crate::mappings::rules::{AfterWrite, BatchRules, BeforeWrite, Context, Obstacle, Transferring, WrittenBeside};
use crate::mappings::sales_documents::as_moments;

/// What the orders of Dataverse are.
pub(super) struct Prepared {
    /// Their states and versions by the order of Business Central, as they were read.
    states: HashMap<RecordId, (OrderState, Option<Version>)>,
}

impl Prepared {
    /// The orders of a batch.
    pub fn of(sources: &[Transferring<'_>]) -> Self {
        let state = |order: &Record| Some((OrderState::of(order)?, order.version.clone()));
        let states = sources.iter().filter_map(|one| Some((one.source.id, state(one.destination?)?)));
        Self { states: states.collect() }
    }
}

/// The state that an order needs after it was found or written; `None`: it is in the right one. An order that this side opened
/// is submitted again, also when the attempt that opened it broke off; one that a seller opened is left to the seller, until
/// something of it is written.
fn wanted(held: OrderState, is_invoiced: bool, was_written: bool) -> Option<OrderState> {
    let next = if is_invoiced { OrderState::Invoiced } else { OrderState::Submitted };
    match held {
        OrderState::Pending => Some(next),
        OrderState::Active | OrderState::Submitted if was_written || is_invoiced => Some(next),
        _ => None,
    }
    .filter(|next| *next != held || was_written)
}

/// The part of the discount of a whole order that Dataverse keeps as an amount: what its own percentage does not take off
/// already.
fn discount_beside_percentage(discount: Decimal, order: &Record) -> Decimal {
    let number = |column: &str| order.get(column).as_decimal().unwrap_or_default();
    let by_percentage = number("totallineitemamount") * number("discountpercentage") / Decimal::ONE_HUNDRED;
    let by_percentage = by_percentage.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    (discount - by_percentage).max(Decimal::ZERO).normalize()
}

#[async_trait]
impl BatchRules for Prepared {
    fn admit(&self, record: Transferring<'_>) -> Result<(), Obstacle> {
        // Orders that begin in Business Central stay there, whatever a full synchronization asks for.
        let Some(order) = record.destination else {
            return match record.creating {
                true => Err(Obstacle::Ignore("it did not come from Sales".to_owned())),
                false => Ok(()),
            };
        };
        if order.get(TAKEN_OVER).is_null() {
            return Err(Obstacle::Ignore("it has not been taken over from Sales completely yet".to_owned()));
        }
        if OrderState::of(order) == Some(OrderState::Canceled) {
            let message = format!(
                "order {} was canceled in Sales, while order {} goes on in Business Central: delete that one, or let the seller open the \
                 order again",
                order.get("ordernumber"),
                record.source.get("number")
            );
            return Err(DataFailure::new(message).into());
        }
        Ok(())
    }

    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        let Some(order) = record.destination else { return Ok(()) };
        as_moments(record.source, record.destination, fields);
        // A closed order takes no changes any more.
        if matches!(OrderState::of(order), Some(OrderState::Invoiced | OrderState::Fulfilled)) {
            fields.clear();
        }
        for field in fields.iter_mut().filter(|field| field.destination.name == "discountamount") {
            let discount = field.desired.as_decimal().unwrap_or_default();
            field.desired = Value::Decimal(discount_beside_percentage(discount, order));
        }
        Ok(())
    }

    /// Opens the orders that are about to be written: Dataverse locks submitted ones.
    async fn before_write(&self, context: Context<'_>, records: &mut [BeforeWrite<'_>]) {
        let mut closed: Vec<&mut BeforeWrite<'_>> = records
            .iter_mut()
            .filter(|record| {
                let state = self.states.get(&record.source.id);
                record.values.is_some() && state.is_some_and(|(state, _)| !state.is_open())
            })
            .collect();
        let open = |record: &&mut BeforeWrite<'_>| {
            let order = record.destination?;
            Some(Step { order: order.id, to: OrderState::Pending, seen: order.version.clone() })
        };
        let steps: Vec<Step> = closed.iter().filter_map(open).collect();
        let results = bring_into(context, &context.mapping.dataverse, &steps).await;
        for (record, result) in closed.iter_mut().zip(results) {
            match result {
                // Its version is another one now; that of the opened order guards the write where the answer tells it.
                Ok(opened) => record.version = opened.version,
                Err(error) => record.ready = Err(error),
            }
        }
    }

    /// Submits the orders again, or closes those that are invoiced.
    async fn after_write(&self, context: Context<'_>, records: &mut [AfterWrite<'_>]) {
        let (mut steps, mut moved) = (Vec::new(), Vec::new());
        for record in records.iter_mut() {
            record.beside = Ok(WrittenBeside::default());
            let Some((held, version)) = self.states.get(&record.source.id) else { continue };
            let is_invoiced = record.source.get("fullyInvoiced").as_bool() == Some(true);
            if let Some(next) = wanted(*held, is_invoiced, record.written) {
                // What was written just now has another version.
                let seen = if record.written { None } else { version.clone() };
                steps.push(Step { order: record.destination, to: next, seen });
                moved.push(record);
            }
        }
        let results = bring_into(context, &context.mapping.dataverse, &steps).await;
        for (record, result) in moved.iter_mut().zip(results) {
            record.beside = followed(result.map(|_| ()));
        }
    }
}

fn followed(result: Result<(), SystemError>) -> Result<WrittenBeside, SystemError> {
    result.map(|()| WrittenBeside { is_change: true, ..WrittenBeside::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s87_an_order_is_submitted_again_or_closed_and_one_that_a_seller_opened_is_left_to_the_seller() {
        use OrderState::{Active, Canceled, Fulfilled, Invoiced, Pending, Submitted};
        for (held, is_invoiced, was_written, expected) in [
            (Submitted, false, false, None),
            (Submitted, false, true, Some(Submitted)),
            (Submitted, true, false, Some(Invoiced)),
            (Submitted, true, true, Some(Invoiced)),
            (Pending, false, false, Some(Submitted)),
            (Pending, true, false, Some(Invoiced)),
            (Active, false, false, None),
            (Active, false, true, Some(Submitted)),
            (Active, true, false, Some(Invoiced)),
            (Invoiced, true, false, None),
            (Fulfilled, true, false, None),
            (Canceled, false, false, None),
        ] {
            assert_eq!(wanted(held, is_invoiced, was_written), expected, "{held:?} {is_invoiced} {was_written}");
        }
    }

    #[test]
    fn s88_what_the_percentage_takes_off_already_is_no_amount_besides() {
        let order = |percentage: &str, lines: &str| Record {
            id: RecordId(uuid::Uuid::nil()),
            version: None,
            modified: None,
            values: [
                ("discountpercentage".into(), Value::Decimal(percentage.parse().expect("a number"))),
                ("totallineitemamount".into(), Value::Decimal(lines.parse().expect("a number"))),
            ]
            .into(),
            unreadable: None,
        };
        for (discount, percentage, lines, expected) in [
            ("100", "0", "1000", "100"),
            ("100", "10", "1000", "0"),
            ("150", "10", "1000", "50"),
            ("33.33", "3.333", "1000", "0"),
            ("5", "10", "1000", "0"),
        ] {
            let of = discount_beside_percentage(discount.parse().expect("a number"), &order(percentage, lines));
            assert_eq!(of, expected.parse::<Decimal>().expect("a number"), "{discount} {percentage} {lines}");
        }
    }
}
