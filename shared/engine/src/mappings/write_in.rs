//! The item or resource that stands for what sellers only write into a line: it is no product in Sales, so it is left out of
//! the synchronization of products (S68).

use couplet_model::Value;
use couplet_model::comparing::folded;
use couplet_model::switches::SalesOrders;

use super::rules::Obstacle;
use super::unit_owners::Owner;
use crate::error::EngineError;
use crate::installation::Installation;

/// The number of that item or resource, if there is one of this kind.
pub(super) struct WriteIn {
    owner: Owner,
    number: Option<String>,
}

impl WriteIn {
    /// What the sales setup says of items, or of resources. Without sales orders nobody writes anything in.
    pub async fn of(installation: &Installation, owner: Owner) -> Result<Self, EngineError> {
        if installation.switches().sales_orders == SalesOrders::Off {
            return Ok(Self { owner, number: None });
        }
        let setup = installation.sales_setup(|_| true).await?;
        let number = setup.write_in.as_ref().filter(|(kind, _)| kind.as_str() == owner.source_type());
        Ok(Self { owner, number: number.map(|(_, number)| folded(number)) })
    }

    /// Whether a number is that of it.
    pub fn is(&self, number: &str) -> bool {
        self.number.as_deref() == Some(folded(number).as_str())
    }

    /// Keeps the record with that number where it is.
    pub fn leave_out(&self, number: &Value) -> Result<(), Obstacle> {
        if !number.as_text().is_some_and(|number| self.is(number)) {
            return Ok(());
        }
        let what = self.owner.what();
        Err(Obstacle::Ignore(format!(
            "this {what} stands for what sellers write into lines (Sales & Receivables Setup)"
        )))
    }
}
