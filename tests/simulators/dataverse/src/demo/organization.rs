//! What every organization has: currency, business units, users, roles, the company and its team.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::people::{FIRST_NAMES, LAST_NAMES};
use crate::options::{DataverseOptions, DemoSize};
use crate::schema::NAMESPACE;
use crate::store::{Cell, Row, Store};
use crate::world::Fixed;

/// Roles that the Business Central solutions bring, and two of the platform: id, name.
const ROLES: [(u128, &str); 6] = [
    (0xa2b1_8661_9ff5_e911_a812_000d_3a0b_9028, "Business Central Integration"),
    (0xd7db_ad50_c0f6_4b30_81cf_d215_8f1e_7c06, "Business Central Virtual Tables Integration"),
    (0x8c8d_4f51_a72b_e511_80d9_3863_bb34_9780, "Business Central Product Availability User"),
    (0x6f96_0e32_a72b_e511_80d9_3863_bb34_9780, "Business Central Integration User"),
    (0x6270_90ff_40a3_4053_8790_584e_dc5b_e201, "System Administrator"),
    (0x119f_245c_3cc8_4b62_b31c_d1a0_46ce_d15d, "System Customizer"),
];

/// Puts rows in place without rules.
pub(super) struct Planter<'a> {
    pub store: &'a mut Store,
    pub past: i64,
    pub human: Uuid,
}

impl Planter<'_> {
    fn link(&self, table: &str, id: Uuid) -> Cell {
        Cell::Lookup { table: self.store.schema.position(table).unwrap_or_default(), id }
    }

    /// Puts a row in place without rules.
    fn plant(&mut self, table: &str, id: Uuid, values: &[(&str, Cell)]) {
        let Some(at) = self.store.schema.position(table) else {
            return;
        };
        let definition = std::sync::Arc::clone(self.store.schema.table(at));
        let mut row = Row::new(id);
        row.set(definition.id, Some(Cell::Guid(id)));
        let by = self.link("systemuser", self.human);
        for (name, value) in [
            ("createdon", Cell::Time(self.past)),
            ("modifiedon", Cell::Time(self.past)),
            ("createdby", by.clone()),
            ("modifiedby", by),
        ] {
            crate::rules::set(&definition, &mut row, name, Some(value));
        }
        crate::rules::states::initial(&definition, &mut row);
        for (name, value) in values {
            crate::rules::set(&definition, &mut row, name, Some(value.clone()));
        }
        self.store.put(at, row);
    }

    pub fn organization(&mut self, options: &DataverseOptions, fixed: Fixed) {
        let currency =
            Uuid::new_v5(&NAMESPACE, format!("currency {} {}", options.base_currency, options.seed).as_bytes());
        let (name, symbol) = match options.base_currency.as_str() {
            "USD" => ("US Dollar", "$"),
            "EUR" => ("Euro", "€"),
            "GBP" => ("Pound Sterling", "£"),
            other => (other, other),
        };
        let organization = self.link("organization", fixed.organization);
        self.plant(
            "transactioncurrency",
            currency,
            &[
                ("isocurrencycode", Cell::text(&options.base_currency)),
                ("currencyname", Cell::text(name)),
                ("currencysymbol", Cell::text(symbol)),
                ("currencyprecision", Cell::Int(2)),
                ("exchangerate", Cell::Decimal(Decimal::ONE)),
                ("organizationid", organization.clone()),
            ],
        );
        let base = self.link("transactioncurrency", currency);
        self.plant(
            "organization",
            fixed.organization,
            &[
                ("name", Cell::text("simulator")),
                ("friendlyname", Cell::text("Dataverse simulator")),
                ("basecurrencyid", base),
                ("basecurrencysymbol", Cell::text(symbol)),
                ("basecurrencyprecision", Cell::Int(2)),
                ("currencydecimalprecision", Cell::Int(2)),
                ("pricingdecimalprecision", Cell::Int(2)),
                ("isautosaveenabled", Cell::Bool(true)),
                ("expirechangetrackingindays", Cell::Int(7)),
                ("createproductswithoutparentinactivestate", Cell::Bool(options.behaviour.products_start_active)),
            ],
        );
        self.plant(
            "businessunit",
            fixed.business_unit,
            &[
                ("name", Cell::text("simulator")),
                ("description", Cell::text("The root of the organization")),
                ("isdisabled", Cell::Bool(false)),
                ("organizationid", organization),
            ],
        );
        let publisher = Uuid::new_v5(&NAMESPACE, b"publisher dynamics365");
        self.plant(
            "publisher",
            publisher,
            &[
                ("uniquename", Cell::text("dynamics365businesscentral")),
                ("friendlyname", Cell::text("Dynamics 365 Business Central")),
                ("description", Cell::text("Publishes the solutions that Business Central brings.")),
                ("customizationprefix", Cell::text("bcbi")),
                ("customizationoptionvalueprefix", Cell::Int(72_700)),
                ("isreadonly", Cell::Bool(true)),
            ],
        );
        let publisher = self.link("publisher", publisher);
        for (unique, friendly, version) in [
            ("bcbi_CdsBaseIntegration", "Business Central Base Integration", "25.0.0.0"),
            ("MicrosoftDynamicsNavIntegration", "Business Central Sales Integration", "25.0.0.0"),
        ] {
            let id = Uuid::new_v5(&NAMESPACE, format!("solution {unique}").as_bytes());
            let values = [
                ("uniquename", Cell::text(unique)),
                ("friendlyname", Cell::text(friendly)),
                ("description", Cell::text(&format!("{friendly}, release {version}"))),
                ("publisherid", publisher.clone()),
                ("isvisible", Cell::Bool(true)),
                ("version", Cell::text(version)),
                ("ismanaged", Cell::Bool(true)),
                ("installedon", Cell::Time(self.past)),
            ];
            self.plant("solution", id, &values);
        }
    }

    pub fn users(&mut self, size: &DemoSize, fixed: Fixed, seed: u64) {
        let unit = self.link("businessunit", fixed.business_unit);
        let organization = self.link("organization", fixed.organization);
        self.plant(
            "systemuser",
            fixed.integration_user,
            &[
                ("fullname", Cell::text("Business Central Integration")),
                ("firstname", Cell::text("Business Central")),
                ("lastname", Cell::text("Integration")),
                ("internalemailaddress", Cell::text("john@contoso.com")),
                ("domainname", Cell::text("john@contoso.com")),
                ("businessunitid", unit.clone()),
                ("organizationid", organization.clone()),
                ("applicationid", Cell::Guid(fixed.client)),
                ("isdisabled", Cell::Bool(false)),
                ("islicensed", Cell::Bool(false)),
                ("isintegrationuser", Cell::Bool(true)),
                ("accessmode", Cell::Int(4)),
            ],
        );
        // The first user always exists: changes "as a user" need somebody.
        let total = size.users.max(1) + size.inactive_users;
        for number in 0..total {
            let id = Uuid::new_v5(&NAMESPACE, format!("user {number} {seed}").as_bytes());
            let first = FIRST_NAMES[number % FIRST_NAMES.len()];
            let last = LAST_NAMES[(number / FIRST_NAMES.len() + number) % LAST_NAMES.len()];
            let suffix =
                if number < FIRST_NAMES.len() { String::new() } else { (number / FIRST_NAMES.len()).to_string() };
            let mail = format!("{}.{}{suffix}@contoso.com", first.to_lowercase(), last.to_lowercase());
            let active = number < size.users.max(1);
            let disabled = !active && number % 2 == 0;
            let licensed = active || disabled;
            self.plant(
                "systemuser",
                id,
                &[
                    ("fullname", Cell::text(&format!("{first} {last}{suffix}"))),
                    ("firstname", Cell::text(first)),
                    ("lastname", Cell::text(&format!("{last}{suffix}"))),
                    ("internalemailaddress", Cell::text(&mail)),
                    ("domainname", Cell::text(&mail)),
                    ("mobilephone", Cell::text(&format!("+1 425 555 {:04}", 100 + number))),
                    ("jobtitle", Cell::text("Salesperson")),
                    ("businessunitid", unit.clone()),
                    ("organizationid", organization.clone()),
                    (
                        "azureactivedirectoryobjectid",
                        Cell::Guid(Uuid::new_v5(&NAMESPACE, format!("object {number} {seed}").as_bytes())),
                    ),
                    ("isdisabled", Cell::Bool(disabled)),
                    ("islicensed", Cell::Bool(licensed)),
                    ("isintegrationuser", Cell::Bool(false)),
                    ("accessmode", Cell::Int(0)),
                ],
            );
        }
    }

    /// The company's business unit, team and row.
    pub fn company(&mut self, options: &DataverseOptions, fixed: Fixed) -> Uuid {
        let id =
            |what: &str| Uuid::new_v5(&NAMESPACE, format!("{what} {} {}", options.company_id, options.seed).as_bytes());
        let (unit, team, root_team, company) = (id("unit"), id("team"), id("root team"), id("company"));
        let root = self.link("businessunit", fixed.business_unit);
        let unit_name = format!("{} ({})", options.company_name, options.company_id);
        let organization = self.link("organization", fixed.organization);
        self.plant(
            "businessunit",
            unit,
            &[
                ("name", Cell::text(&unit_name)),
                ("parentbusinessunitid", root.clone()),
                ("organizationid", organization),
            ],
        );
        let unit_link = self.link("businessunit", unit);
        let admin = self.link("systemuser", fixed.human_user);
        let owner_team = Cell::Int(0);
        self.plant(
            "team",
            root_team,
            &[
                ("name", Cell::text("simulator")),
                ("businessunitid", root),
                ("teamtype", owner_team.clone()),
                ("isdefault", Cell::Bool(true)),
                ("administratorid", admin.clone()),
            ],
        );
        self.plant(
            "team",
            team,
            &[
                ("name", Cell::text(&format!("BCI - {unit_name}"))),
                ("businessunitid", unit_link.clone()),
                ("teamtype", owner_team),
                ("isdefault", Cell::Bool(false)),
                ("administratorid", admin),
            ],
        );
        let team_link = self.link("team", team);
        let name: String = options.company_name.chars().take(30).collect();
        self.plant(
            "bcbi_company",
            company,
            &[
                ("bcbi_name", Cell::text(&name)),
                ("bcbi_externalid", Cell::text(&options.company_id.to_string())),
                ("bcbi_defaultowningteam", team_link.clone()),
                ("ownerid", team_link.clone()),
                ("owningteam", team_link),
                ("owningbusinessunit", unit_link),
            ],
        );
        team
    }

    pub fn roles(&mut self, fixed: Fixed, team: Uuid) {
        let root = self.link("businessunit", fixed.business_unit);
        for (number, name) in ROLES {
            let id = Uuid::from_u128(number);
            let itself = self.link("role", id);
            self.plant(
                "role",
                id,
                &[
                    ("name", Cell::text(name)),
                    ("businessunitid", root.clone()),
                    ("parentrootroleid", itself),
                    ("ismanaged", Cell::Bool(true)),
                    ("organizationid", Cell::Guid(fixed.organization)),
                ],
            );
        }
        let tie =
            |what: &str, left: Uuid, right: Uuid| Uuid::new_v5(&NAMESPACE, format!("{what} {left} {right}").as_bytes());
        for (number, _) in &ROLES[..4] {
            let role = Uuid::from_u128(*number);
            self.plant(
                "systemuserroles",
                tie("user role", fixed.integration_user, role),
                &[("systemuserid", Cell::Guid(fixed.integration_user)), ("roleid", Cell::Guid(role))],
            );
            self.plant(
                "teamroles",
                tie("team role", team, role),
                &[("teamid", Cell::Guid(team)), ("roleid", Cell::Guid(role))],
            );
        }
        let admin = Uuid::from_u128(ROLES[4].0);
        self.plant(
            "systemuserroles",
            tie("user role", fixed.human_user, admin),
            &[("systemuserid", Cell::Guid(fixed.human_user)), ("roleid", Cell::Guid(admin))],
        );
    }
}
