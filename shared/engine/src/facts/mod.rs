//! Facts of the installation that hold for every record: the company's row, currencies, the default price list, option
//! labels, countries, the sales setup. Each is read when it is first needed, and again when it has aged.

mod aging;
mod countries;
mod exchange_rates;
mod options;
mod sales_setup;

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::DataverseId;
use jiff::Timestamp;
use tokio::sync::Mutex;
use uuid::Uuid;

pub(crate) use aging::{Aging, BELIEVED};
pub(crate) use countries::Countries;
pub(crate) use exchange_rates::{RATE_COLUMNS, Rates};
pub(crate) use options::{ChoiceOption, Options};
pub(crate) use sales_setup::{Kind, SalesSetup};

/// Facts read so far.
pub(crate) struct Facts {
    pub known_company: Option<DataverseId>,
    pub company: Aging<Option<CompanyRow>>,
    pub local_currency: Aging<String>,
    pub base_currency: Aging<BaseCurrency>,
    pub local_currency_row: Aging<Uuid>,
    pub default_price_list: Aging<Uuid>,
    pub options: Mutex<HashMap<String, (Timestamp, Options)>>,
    pub countries: Mutex<Option<(Timestamp, Arc<Countries>)>>,
    pub sales_setup: Mutex<Option<(Timestamp, Arc<SalesSetup>)>>,
}

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
            company: Aging::default(),
            local_currency: Aging::default(),
            base_currency: Aging::default(),
            local_currency_row: Aging::default(),
            default_price_list: Aging::default(),
            options: Mutex::new(HashMap::new()),
            countries: Mutex::new(None),
            sales_setup: Mutex::new(None),
        }
    }
}
