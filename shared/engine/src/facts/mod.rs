//! Facts of the installation that hold for every record: the company's row, currencies, the default price list, option
//! labels, countries. Each is read once per process, when first needed.

mod countries;
mod exchange_rates;

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::DataverseId;
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

pub(crate) use countries::Countries;
pub(crate) use exchange_rates::{RATE_COLUMNS, Rates};

/// Facts read so far.
pub(crate) struct Facts {
    pub known_company: Option<DataverseId>,
    pub company: OnceCell<Option<CompanyRow>>,
    pub local_currency: OnceCell<String>,
    pub base_currency: OnceCell<BaseCurrency>,
    pub local_currency_row: OnceCell<Uuid>,
    pub default_price_list: OnceCell<Uuid>,
    pub options: Mutex<HashMap<(String, String), OptionLabels>>,
    pub countries: Mutex<Option<Arc<Countries>>>,
}

/// Number and label of every option of a choice column.
pub(crate) type OptionLabels = Arc<Vec<(i64, String)>>;

/// The company in Dataverse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompanyRow {
    pub id: DataverseId,
    pub owning_team: Option<Uuid>,
}

/// The base currency of the Dataverse organization.
#[derive(Clone, Debug)]
pub(crate) struct BaseCurrency {
    pub id: Uuid,
    pub iso_code: String,
    pub precision: i64,
}

impl Facts {
    pub fn new(known_company: Option<DataverseId>) -> Self {
        Self {
            known_company,
            company: OnceCell::new(),
            local_currency: OnceCell::new(),
            base_currency: OnceCell::new(),
            local_currency_row: OnceCell::new(),
            default_price_list: OnceCell::new(),
            options: Mutex::new(HashMap::new()),
            countries: Mutex::new(None),
        }
    }
}
