//! What stands in Business Central for products that are only written into a line (S67, S119).

use couplet_model::Record;
use couplet_model::Value;
use couplet_model::comparing::same;

use crate::error::EngineError;
use crate::facts::Kind;
use crate::installation::Installation;

/// The item or resource, if the sales setup names one.
pub(crate) struct WriteIn(Option<(Kind, String)>);

impl WriteIn {
    /// Whether a line of Business Central sells it.
    pub fn is_sold_by(&self, line: &Record) -> bool {
        self.0.as_ref().is_some_and(|(kind, number)| {
            line.get("type") == &Value::text(kind.as_str())
                && line.get("lineObjectNumber").as_text().is_some_and(|own| same(own, number))
        })
    }
}

/// What the sales setup names.
pub(crate) async fn write_in(installation: &Installation) -> Result<WriteIn, EngineError> {
    Ok(WriteIn(installation.sales_setup(|_| true).await?.write_in.clone()))
}
