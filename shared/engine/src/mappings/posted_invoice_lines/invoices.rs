//! The invoices in Dataverse that lines belong to: whether they take changes, their price list and their discount.

use std::collections::{BTreeSet, HashMap};

use couplet_model::table::Side;
use couplet_model::{MappingName, Record, RecordId};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::error::EngineError;
use crate::installation::Installation;

/// The mapping of the invoices.
const INVOICES: &str = "POSTEDSALESINV-INV";

/// An invoice of Dataverse.
pub(super) struct Invoice {
    pub id: Uuid,
    /// Whether it takes changes; one of which that is not known is left to say so itself.
    pub is_open: bool,
    /// Its price list.
    pub price_list: Option<Uuid>,
    /// What is taken off the sum of its lines.
    pub discount: Decimal,
}

/// The invoices of lines, by what these name them by.
pub(super) struct Invoices(HashMap<Uuid, Invoice>);

impl Invoices {
    /// The invoices that lines belong to; they are written before their lines are.
    pub async fn of<'r>(
        installation: &Installation,
        lines: impl Iterator<Item = &'r Record>,
    ) -> Result<Self, EngineError> {
        let documents: BTreeSet<RecordId> =
            lines.filter_map(|line| line.get("documentId").as_guid().map(RecordId)).collect();
        let documents: Vec<RecordId> = documents.into_iter().collect();
        let (company, name) = (installation.company(), MappingName::from(INVOICES));
        let coupled = installation.store().couplings_by_id(company, &name, Side::BusinessCentral, &documents).await?;
        let documents: HashMap<RecordId, Uuid> =
            coupled.into_iter().map(|(document, coupling)| (coupling.id(Side::Dataverse), document.0)).collect();
        let mut invoices = HashMap::new();
        if documents.is_empty() {
            return Ok(Self(invoices));
        }
        let ids: Vec<RecordId> = documents.keys().copied().collect();
        let table = installation.table(Side::Dataverse, "invoice")?;
        let columns = ["statecode", "pricelevelid", "discountamount"].map(str::to_owned);
        for row in installation.system(Side::Dataverse).fetch(&table, &ids, &columns).await? {
            let invoice = Invoice {
                id: row.id.0,
                is_open: row.get("statecode").as_int().is_none_or(|state| state == 0),
                price_list: row.get("pricelevelid").as_guid(),
                discount: row.get("discountamount").as_decimal().unwrap_or_default(),
            };
            if let Some(document) = documents.get(&row.id) {
                invoices.insert(*document, invoice);
            }
        }
        Ok(Self(invoices))
    }

    /// The invoice that a line belongs to.
    pub fn of_line(&self, line: &Record) -> Option<&Invoice> {
        self.of_document(line.get("documentId").as_guid()?)
    }

    /// The invoice that lines name by an id.
    pub fn of_document(&self, document: Uuid) -> Option<&Invoice> {
        self.0.get(&document)
    }
}
