//! The company's row in Dataverse, what the filters' placeholders stand for, and rows that exist once per company.

use couplet_model::catalogue::FilterContext;
use couplet_model::ids::derived_id;
use couplet_model::record::Values;
use couplet_model::system::Write;
use couplet_model::table::Side;
use couplet_model::{ActiveMapping, Condition, Filter, MappingName, RecordId, Value};
use uuid::Uuid;

use super::Installation;
use crate::error::EngineError;
use crate::facts::CompanyRow;

impl Installation {
    /// What the placeholders of filters stand for.
    pub(crate) async fn filter_context(&self) -> Result<FilterContext, EngineError> {
        let company = match self.facts.known_company {
            Some(id) => Some(id),
            None => self.company_row().await?.map(|row| row.id),
        };
        let default_price_list_code_is_set = self.switches().default_price_list_code_is_set;
        Ok(FilterContext { company, default_price_list_code_is_set })
    }

    /// The row of the company in Dataverse: the one whose external id is the company's (S324).
    pub(crate) async fn company_row(&self) -> Result<Option<CompanyRow>, EngineError> {
        let read = async {
            let external = Value::Text(self.company().to_string());
            let filter = Filter::all(vec![Condition::equal("bcbi_externalid", external)]);
            let rows = self.find_rows("bcbi_company", &filter, &["bcbi_externalid", "bcbi_defaultowningteam"]).await?;
            Ok::<_, EngineError>(
                rows.first().map(|row| CompanyRow {
                    id: row.id.into(),
                    owning_team: row.get("bcbi_defaultowningteam").as_guid(),
                }),
            )
        };
        self.facts.company.get(self.now(), read).await
    }

    /// The mapping's filter on a side, with the facts of this installation filled in.
    ///
    /// # Errors
    /// When the company's row cannot be looked up.
    pub(crate) async fn filter(&self, mapping: &ActiveMapping, side: Side) -> Result<Filter, EngineError> {
        Ok(mapping.filter(side, self.filter_context().await?))
    }

    /// Creates a row that exists once per company, under an id of its own so that a second attempt finds the first.
    pub(super) async fn create_row(&self, table: &str, role: &str, values: Values) -> Result<Uuid, EngineError> {
        let owner = MappingName::from("(company)");
        let id = derived_id(self.company(), &owner, role, RecordId(self.company().0));
        let table = self.table(Side::Dataverse, table)?;
        let mut results = self.system(Side::Dataverse).write(&table, &[Write::create(Some(id), values)]).await;
        match results.pop() {
            Some(Ok(written)) => Ok(written.id.0),
            Some(Err(error)) => Err(error.into()),
            None => Err(EngineError::SetUp(format!("the client of Dataverse gave no result for {role}"))),
        }
    }
}
