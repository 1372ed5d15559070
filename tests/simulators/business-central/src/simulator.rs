//! The handle tests and programs hold.

use std::sync::{Arc, RwLock};

use rust_decimal::Decimal;
use serde_json::{Map, Value};
use simulator_platform::{Clock, Identity, Port, Registration, Running, TOKEN_LIFETIME};
use uuid::Uuid;

use crate::demo;
use crate::errors::ApiError;
use crate::faults::Faults;
use crate::options::BusinessCentralOptions;
use crate::request_log::{RequestLog, RequestLogEntry};
use crate::server::{PUBLIC_NAMES, SCOPE, Server};
use crate::service::execute::Api;
use crate::state_file;
use crate::store::{Company, Prepayment, QuoteVersion, Store};
use crate::throttle::Throttle;
use crate::webhooks::{self, Webhooks};

/// A running simulator. Clones are handles of the same one; it ends with [`BusinessCentralSimulator::stop`] or the last handle.
#[derive(Clone)]
pub struct BusinessCentralSimulator {
    server: Arc<Server>,
    running: Arc<Running>,
    certificate: Option<String>,
}

impl std::fmt::Debug for BusinessCentralSimulator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BusinessCentralSimulator").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl BusinessCentralSimulator {
    /// Opens the port and serves the company.
    #[allow(clippy::needless_pass_by_value)] // options are made for one simulator
    pub async fn start(options: BusinessCentralOptions) -> anyhow::Result<Self> {
        let port = Port::open(options.port, options.https.then_some(&PUBLIC_NAMES[..])).await?;
        let clock = Arc::new(Clock::default());
        let saved = options.state_file.as_deref().filter(|path| path.exists());
        let mut options = options.clone();
        let mut store = match saved {
            Some(path) => {
                let store = state_file::load(path, Arc::clone(&clock))?;
                (options.company_id, options.company_name, options.local_currency) =
                    (store.company.id, store.company.name.clone(), store.company.local_currency.clone());
                store
            }
            None => {
                let company = Company::new(options.company_id, &options.company_name, &options.local_currency);
                let mut store = Store::new(company, Arc::clone(&clock));
                demo::found(&mut store, options.seed, options.demo.as_ref())?;
                store
            }
        };
        store.company.manual_numbers = options.manual_numbers;
        store.company.requires_country = options.requires_country;
        store.company.contacts_of_partners = options.contacts_of_partners;
        store.company.tax_percent = options.tax_percent;
        port.write_certificate(options.ca_file.as_deref())?;
        let identity = Arc::new(Identity::new(
            Registration {
                tenant: options.tenant.clone(),
                client: options.client.0.clone(),
                secret: options.client.1.clone(),
                scope: Some(SCOPE),
            },
            TOKEN_LIFETIME,
        ));
        let faults = Faults::new(
            clock,
            Arc::clone(&identity),
            options.latency,
            options.limits,
            options.switches,
            options.webhook_delay,
        );
        let server = Arc::new(Server {
            api: Api { store: RwLock::new(store), faults },
            options,
            origin: port.origin().to_owned(),
            identity,
            throttle: Throttle::default(),
            log: RequestLog::default(),
            webhooks: Webhooks::new()?,
        });
        let notifying = Arc::clone(&server);
        let notify = tokio::spawn(async move {
            let delay = || notifying.api.faults.webhook_delay();
            let draw = || notifying.api.faults.next_delivery();
            let _: std::convert::Infallible =
                webhooks::deliver(&notifying.webhooks, notifying.options.company_id, delay, draw).await;
        });
        let certificate = port.certificate().map(str::to_owned);
        let running = Running::start(Arc::clone(&server), port, vec![notify]);
        Ok(Self { server, running: Arc::new(running), certificate })
    }

    /// Sets faults from JSON, in the form that `POST /_simulator/faults` takes.
    ///
    /// # Errors
    /// When the text is not such a body; nothing is changed then.
    pub fn set_faults(&self, body: &str) -> anyhow::Result<()> {
        Ok(crate::admin::set_faults(&self.server.api.faults, body)?)
    }

    /// Base URL up to and including `/v2.0/{tenant}/{environment}`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.base()
    }

    /// Where tokens are given: `POST {authority}/{tenant}/oauth2/v2.0/token`.
    #[must_use]
    pub fn authority(&self) -> String {
        self.server.origin.clone()
    }

    /// Tenant, client id and secret that are given tokens.
    #[must_use]
    pub fn credentials(&self) -> (String, String, String) {
        let options = &self.server.options;
        (options.tenant.clone(), options.client.0.clone(), options.client.1.clone())
    }

    /// The identity platform that gives tokens for it.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.server.identity
    }

    /// Id of the company.
    #[must_use]
    pub fn company_id(&self) -> Uuid {
        self.server.options.company_id
    }

    /// Name of the company.
    #[must_use]
    pub fn company_name(&self) -> String {
        self.server.options.company_name.clone()
    }

    /// Requests of the API since the start or the last reset. Tokens do not count; a batch counts once.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.server.log.count()
    }

    /// The requests since the start or the last reset, in the order of their arrival.
    #[must_use]
    pub fn request_log(&self) -> Vec<RequestLogEntry> {
        self.server.log.entries()
    }

    /// Forgets the requests so far.
    pub fn reset_requests(&self) {
        self.server.log.reset();
    }

    /// The run-time switches.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.server.api.faults
    }

    /// All records of a table of the catalogue, in the order of the primary key, with the properties of both routes.
    ///
    /// # Panics
    /// If the catalogue has no such table.
    #[must_use]
    pub fn rows(&self, table: &str) -> Vec<Map<String, Value>> {
        self.server.rows(table).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Shows what `rows` gives record by record, for tables too large to be held as JSON.
    ///
    /// # Panics
    /// If the catalogue has no such table.
    pub fn visit_rows(&self, table: &str, visit: &mut dyn FnMut(Map<String, Value>)) {
        self.server.visit_rows(table, visit).unwrap_or_else(|error| panic!("{error}"));
    }

    /// One record of a table of the catalogue.
    ///
    /// # Panics
    /// If the catalogue has no such table.
    #[must_use]
    pub fn row(&self, table: &str, id: Uuid) -> Option<Map<String, Value>> {
        self.server.row(table, id).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The id under which the companion app shows a record: posted invoices have another one than API v2.0 shows.
    ///
    /// # Panics
    /// If the catalogue has no such table.
    #[must_use]
    pub fn companion_id(&self, table: &str, id: Uuid) -> Option<Uuid> {
        self.server.companion_id(table, id).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Creates a record as a person in the application; properties of both routes may be given, read-only ones too.
    pub fn create_as_user(&self, table: &str, values: Value) -> Result<Uuid, ApiError> {
        self.server.create_as_user(table, values)
    }

    /// Changes a record as a person in the application.
    pub fn update_as_user(&self, table: &str, id: Uuid, values: Value) -> Result<(), ApiError> {
        self.server.update_as_user(table, id, values)
    }

    /// Deletes a record as a person in the application.
    pub fn delete_as_user(&self, table: &str, id: Uuid) -> Result<(), ApiError> {
        self.server.delete_as_user(table, id)
    }

    /// Posts an item ledger entry: the inventory changes, the item's own timestamp does not.
    pub fn post_item_ledger_entry(&self, item_number: &str, quantity: Decimal) -> Result<Uuid, ApiError> {
        self.server.post_item_ledger_entry(item_number, quantity)
    }

    /// Runs a document action as a person in the application: `release`, `ship`, `invoice`, `shipAndInvoice`, `makeOrder`, `post`, `cancel`, ... Gives the SystemId
    /// of the document that came of it, if any.
    pub fn run_action_as_user(&self, table: &str, id: Uuid, action: &str) -> Result<Option<Uuid>, ApiError> {
        self.server.run_action_as_user(table, id, action)
    }

    /// Has orders reserve an item always, as far as there is any.
    pub fn always_reserve(&self, item_number: &str) {
        self.server.api.writing().company.always_reserved.insert(item_number.to_owned());
    }

    /// Gives an item a tax of its own, in percent, as its posting group would.
    pub fn tax_item(&self, item_number: &str, percent: Decimal) {
        self.server.api.writing().company.tax_of_items.insert(item_number.to_owned(), percent);
    }

    /// Has the prices of new orders and quotes of a customer include tax.
    pub fn price_with_tax(&self, customer_number: &str) {
        self.server.api.writing().company.priced_with_tax.insert(customer_number.to_owned());
    }

    /// Asks for a prepayment of an order: so many percent of what it comes to are due, now and after every change of it, until they
    /// are invoiced.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn ask_prepayment(&self, order: Uuid, percent: Decimal) -> Result<(), ApiError> {
        let mut store = self.server.api.writing();
        store.company.prepayments.insert(order, Prepayment { percent, invoiced: Decimal::ZERO });
        crate::documents::refresh_order(&mut store, order)
    }

    /// Invoices what is due of the prepayment of an order.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn invoice_prepayment(&self, order: Uuid) -> Result<(), ApiError> {
        crate::documents::invoice_prepayment(&mut self.server.api.writing(), order)
    }

    /// Whether quotes are archived when they are deleted.
    pub fn archive_deleted_quotes(&self, archives: bool) {
        self.server.api.writing().company.archives_deleted_quotes = archives;
    }

    /// Whether releasing is for an approval workflow, and refused to others.
    pub fn refuse_release(&self, refuses: bool) {
        self.server.api.writing().company.refuses_release = refuses;
    }

    /// The versions of quotes in the archive, in the order in which they were made.
    #[must_use]
    pub fn quote_versions(&self) -> Vec<QuoteVersion> {
        self.server.api.writing().quote_versions.clone()
    }

    /// Changes the sales setup of the company: write-in product, freight account, archives.
    ///
    /// # Errors
    /// When the company has none, or the values do not fit.
    pub fn set_up_sales(&self, values: Value) -> Result<(), ApiError> {
        let setup = "Sales & Receivables Setup";
        let id = self.rows(setup).first().and_then(|row| row["id"].as_str()?.parse().ok());
        match id {
            Some(id) => self.update_as_user(setup, id, values),
            None => self.create_as_user(setup, values).map(|_| ()),
        }
    }

    /// Posts an invoice of its own over what of an order was shipped and not invoiced, or over a part of that; the order
    /// stays. Gives the SystemId of the invoice.
    ///
    /// # Errors
    /// When there is nothing to invoice.
    pub fn invoice_shipments(&self, order: Uuid, part: Decimal) -> Result<Uuid, ApiError> {
        self.server.invoice_shipments(order, part)
    }

    /// Applies a payment to a posted invoice.
    pub fn pay_invoice(&self, id: Uuid, amount: Decimal) -> Result<(), ApiError> {
        self.server.pay_invoice(id, amount)
    }

    /// The certificate of the throw-away authority, PEM, if HTTPS is on.
    #[must_use]
    pub fn authority_certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Writes the company to a file, as a backup.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn back_up(&self, path: &std::path::Path) -> anyhow::Result<()> {
        state_file::save(&self.server.api.reading(), path)
    }

    /// Puts the company back into the state of a backup, as a restore to a point in time does: what was created since is
    /// gone, what was changed is as it was, times of change included.
    ///
    /// # Errors
    /// When the file is no backup; nothing is changed then.
    pub fn restore(&self, path: &std::path::Path) -> anyhow::Result<()> {
        let clock = Arc::clone(&self.server.api.reading().clock);
        let restored = state_file::load(path, clock)?;
        *self.server.api.writing() = restored;
        Ok(())
    }

    /// Writes the company to the state file, if there is one.
    pub fn save(&self) -> anyhow::Result<()> {
        match &self.server.options.state_file {
            Some(path) => state_file::save(&self.server.api.reading(), path),
            None => Ok(()),
        }
    }

    /// Closes the port, and saves the company if there is a state file.
    pub async fn stop(self) {
        self.running.stop().await;
        if let Err(error) = self.save() {
            tracing::error!(error = format!("{error:#}"), "the company could not be saved");
        }
    }
}
