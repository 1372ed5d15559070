//! The two simulated systems of one company.

use business_central_simulator::{BusinessCentralOptions, BusinessCentralSimulator, DemoSize};
use dataverse_simulator::{DataverseOptions, DataverseSimulator};

/// A company of Business Central without records.
pub const NOTHING: DemoSize = DemoSize {
    items: 0,
    blocked_items: 0,
    customers: 0,
    vendors: 0,
    contacts: 0,
    resources: 0,
    blocked_resources: 0,
    salesperson_codes: false,
    trade: business_central_simulator::TradeSize::NONE,
};

/// Both systems on loopback, in memory. Clones are handles to the same ones.
#[derive(Clone)]
pub struct Systems {
    /// The ERP.
    pub business_central: BusinessCentralSimulator,
    /// The CRM, whose company row stands for the ERP's company.
    pub dataverse: DataverseSimulator,
}

impl Systems {
    /// A company of this size, and the usual organization.
    pub async fn start(size: DemoSize) -> Self {
        let business_central = BusinessCentralOptions { demo: Some(size), ..BusinessCentralOptions::default() };
        Self::start_with(business_central, DataverseOptions::default()).await
    }

    /// A company and an organization set up like this; the organization's company row follows the company.
    pub async fn start_with(business_central: BusinessCentralOptions, dataverse: DataverseOptions) -> Self {
        let business_central = BusinessCentralSimulator::start(business_central).await;
        let business_central = business_central.expect("the Business Central simulator starts");
        let dataverse = DataverseOptions {
            company_id: business_central.company_id(),
            company_name: business_central.company_name(),
            ..dataverse
        };
        let dataverse = DataverseSimulator::start(dataverse).await.expect("the Dataverse simulator starts");
        Self { business_central, dataverse }
    }
}
