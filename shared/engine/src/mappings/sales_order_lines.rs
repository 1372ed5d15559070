//! SOLINE-ORDERDETAIL: the lines of orders that travel both ways: what they sell, at which price, less which discounts (S103 to
//! S107, S116 to S122, decision 0051).

mod amounts;
mod from_dataverse;
mod numbers;
mod to_dataverse;
mod write_ins;

use async_trait::async_trait;
use couplet_model::message::Direction;
use couplet_model::{RecordId, SystemError};

pub(crate) use self::amounts::{Grossing, PriceForm, discount_beside, is_sent, line_amounts, tax_factor};
pub(crate) use self::numbers::numbers_of_pairs;
pub(crate) use self::write_ins::write_in;
use super::order_names::LINE_NUMBER;
use super::order_releasing::reopen_orders;
use super::order_standing::{for_each, open_orders};
use super::rules::{BatchRules, Context, MappingRules, Transferring};
use crate::error::EngineError;

pub(crate) struct SalesOrderLines;

#[async_trait]
impl MappingRules for SalesOrderLines {
    fn source_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => &[
                "documentId",
                "type",
                "lineObjectNumber",
                "description",
                "unitOfMeasureCode",
                "taxPercent",
                "discountAmount",
                "netAmount",
                "netAmountIncludingTax",
            ],
            Direction::FromDataverse => &[
                "salesorderid",
                "productid",
                "uomid",
                "productdescription",
                "description",
                "volumediscountamount",
                "manualdiscountamount",
                "sequencenumber",
            ],
        }
    }

    fn destination_columns(&self, direction: Direction) -> &'static [&'static str] {
        match direction {
            Direction::ToDataverse => {
                &["productid", "uomid", "volumediscountamount", "manualdiscountamount", "quantity", "tax", LINE_NUMBER]
            }
            Direction::FromDataverse => &[
                "type",
                "lineObjectNumber",
                "description",
                "unitOfMeasureCode",
                "unitPrice",
                "discountAmount",
                "taxPercent",
            ],
        }
    }

    fn has_key(&self) -> bool {
        false
    }

    /// New lines are numbered as they come (S64).
    fn ordered_by(&self, direction: Direction) -> Option<&'static str> {
        (direction == Direction::FromDataverse).then_some("sequencenumber")
    }

    async fn open_documents(&self, context: Context<'_>, orders: &[RecordId]) -> Vec<Result<(), SystemError>> {
        let opened = match context.direction {
            Direction::ToDataverse => open_orders(context.installation, orders).await,
            Direction::FromDataverse => reopen_orders(context.installation, orders).await,
        };
        opened.unwrap_or_else(|error| for_each(&error, orders.len()))
    }

    async fn prepare(
        &self,
        context: Context<'_>,
        lines: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError> {
        Ok(match context.direction {
            Direction::ToDataverse => Box::new(to_dataverse::Prepared::of(context, lines).await?),
            Direction::FromDataverse => Box::new(from_dataverse::Prepared::of(context, lines).await?),
        })
    }
}

#[cfg(test)]
mod tests;
