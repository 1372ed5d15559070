//! The demonstration company, made from a seed.

mod names;
mod trading;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::options::{DemoSize, TradeSize};
use crate::records::{self, Incoming, Writer};
use crate::schema::{TableId, schema};
use crate::store::{Row, Store};
use simulator_platform::mix;

/// Fills a new company: its setup always, its records if a size is given.
pub(crate) fn found(store: &mut Store, seed: u64, size: Option<&DemoSize>) -> anyhow::Result<()> {
    let clock = std::sync::Arc::clone(&store.clock);
    let now = Timestamp::now();
    // Whole days back, so that nothing in the company is younger than the start.
    let birth = Timestamp::from_second(now.as_second() - now.as_second().rem_euclid(86_400)).unwrap_or(now)
        - SignedDuration::from_hours(24 * 180);
    let mut founder = Founder { random: seed, birth, made: 0 };
    store.seed_ids(Some(seed ^ 0x00C0_FFEE));
    let result = founder.setup(store).and_then(|()| size.map_or(Ok(()), |size| founder.records(store, size)));
    store.seed_ids(None);
    clock.stand_at(None);
    store.take_changes();
    result
}

struct Founder {
    random: u64,
    birth: Timestamp,
    made: u64,
}

impl Founder {
    fn below(&mut self, limit: u64) -> u64 {
        mix(&mut self.random) % limit.max(1)
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(list.len() as u64)).unwrap_or(0);
        &list[at]
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn cents(&mut self, from: u64, to: u64) -> Decimal {
        Decimal::new(i64::try_from(from + self.below(to - from)).unwrap_or(0), 2)
    }

    /// Creates one record, each a moment after the last, all in the past.
    #[allow(clippy::needless_pass_by_value)] // literals read best as they stand
    fn make(&mut self, store: &mut Store, table: &str, values: Value) -> anyhow::Result<Uuid> {
        self.made += 1;
        // 170 days hold more than the largest company at this pace, and the last ten days stay free.
        let pace = if self.made < 10_000 { self.made * 1_300_007 } else { 13_000_070_000 + (self.made - 10_000) * 397 };
        let at =
            self.birth.checked_add(SignedDuration::from_millis(i64::try_from(pace % 14_600_000_000).unwrap_or(0)))?;
        store.clock.stand_at(Some(at));
        let id = schema().known(table);
        let body: Map<String, Value> = values.as_object().cloned().unwrap_or_default();
        let incoming = Incoming::for_create(schema().table(id), Writer::User, &body)?;
        let made = records::create(store, id, &incoming, Writer::User)
            .with_context(|| format!("the demonstration company: {table} {values}"))?;
        store.take_changes();
        Ok(made)
    }

    fn setup(&mut self, store: &mut Store) -> anyhow::Result<()> {
        let local = store.company.local_currency.clone();
        let name = store.company.name.clone();
        self.make(store, "General Ledger Setup", json!({"localCurrencyCode": local, "localCurrencySymbol": names::symbol(&local), "allowQueryFromConsolidation": "false"}))?;
        self.make(store, "Sales & Receivables Setup", json!({}))?;
        self.make(store, "Company Information", json!({"displayName": name, "addressLine1": "7122 South Ashford Street", "city": "Atlanta", "state": "GA", "country": "US", "postalCode": "31772", "phoneNumber": "+1 425 555 0100", "experience": "Premium"}))?;
        Ok(())
    }

    fn records(&mut self, store: &mut Store, size: &DemoSize) -> anyhow::Result<()> {
        self.codes(store, size.trade != TradeSize::NONE)?;
        let vendors = self.vendors(store, size.vendors)?;
        self.customers(store, size)?;
        self.contacts(store, size.contacts)?;
        self.items(store, size, &vendors)?;
        self.resources(store, size, &vendors)?;
        self.trade(store, &size.trade)
    }

    /// Codes of all kinds. A company that trades has a currency whose rate goes through another one.
    fn codes(&mut self, store: &mut Store, trades: bool) -> anyhow::Result<()> {
        let local = store.company.local_currency.clone();
        for (code, name, symbol, rate) in names::CURRENCIES {
            if *code == local {
                continue;
            }
            self.make(store, "Currency", json!({"code": code, "displayName": name, "symbol": symbol, "amountDecimalPlaces": if *code == "JPY" { "0:0" } else { "2:2" }, "amountRoundingPrecision": number(if *code == "JPY" { "1" } else { "0.01" })?}))?;
            for start in ["2025-01-01", "2026-01-01"] {
                let through = names::CURRENCIES_THROUGH_OTHERS.iter().find(|(currency, ..)| trades && currency == code);
                let (other, rate) = through.map_or(("", *rate), |(_, other, rate)| (*other, *rate));
                self.make(
                    store,
                    "Currency Exchange Rate",
                    json!({"currencyCode": code, "startingDate": start, "exchangeRateAmount": number("100")?,
                    "relationalCurrencyCode": other, "relationalExchangeRateAmount": number(rate)?}),
                )?;
            }
        }
        for (code, name, iso) in names::UNITS {
            self.make(
                store,
                "Unit of Measure",
                json!({"code": code, "displayName": name, "internationalStandardCode": iso}),
            )?;
        }
        for (code, name, formula) in names::PAYMENT_TERMS {
            self.make(
                store,
                "Payment Terms",
                json!({"code": code, "displayName": name, "dueDateCalculation": formula}),
            )?;
        }
        for (table, list) in [
            ("Shipment Method", names::SHIPMENT_METHODS),
            ("Shipping Agent", names::SHIPPING_AGENTS),
            ("Payment Method", names::PAYMENT_METHODS),
            ("Country/Region", names::COUNTRIES),
            ("Customer Price Group", names::PRICE_GROUPS),
            ("Location", names::LOCATIONS),
        ] {
            for (code, name) in list {
                self.make(store, table, json!({"code": code, "displayName": name}))?;
            }
        }
        for (code, name, title) in names::SALESPEOPLE {
            let email = format!("{}@contoso.com", code.to_lowercase());
            self.make(store, "Salesperson/Purchaser", json!({"code": code, "displayName": name, "email": email, "jobTitle": title, "commisionPercent": number("5")?}))?;
        }
        Ok(())
    }

    fn company(&mut self, at: usize) -> (String, Map<String, Value>) {
        let first = names::FIRST_WORDS[at % names::FIRST_WORDS.len()];
        let second = names::SECOND_WORDS[(at / names::FIRST_WORDS.len() + at * 7) % names::SECOND_WORDS.len()];
        let turn = at / (names::FIRST_WORDS.len() * names::SECOND_WORDS.len());
        let name = if turn == 0 { format!("{first} {second}") } else { format!("{first} {second} {}", turn + 1) };
        let mut values = Map::new();
        let (city, state, country, post_code) = *self.pick(names::PLACES);
        let street = format!("{} {}", 10 + self.below(990), self.pick(names::STREETS));
        let domain = name.to_lowercase().replace([' ', '.', '&', '\''], "");
        values.insert("displayName".into(), name.clone().into());
        values.insert("addressLine1".into(), street.into());
        for (property, value) in [("city", city), ("state", state), ("country", country), ("postalCode", post_code)] {
            values.insert(property.into(), value.into());
        }
        values.insert("phoneNumber".into(), format!("+1 425 555 {:04}", 1000 + at % 9000).into());
        values.insert("email".into(), format!("info@{domain}.example").into());
        values.insert("website".into(), format!("https://www.{domain}.example").into());
        (name, values)
    }

    fn vendors(&mut self, store: &mut Store, count: usize) -> anyhow::Result<Vec<String>> {
        let mut numbers = Vec::new();
        for at in 0..count {
            let (_, mut values) = self.company(at * 3 + 11);
            let number = format!("V{:05}", (at + 1) * 10);
            values.insert("number".into(), number.clone().into());
            if at % 4 == 3 {
                values.insert("currencyCode".into(), (*self.pick(&["EUR", "GBP"])).into());
            }
            self.make(store, "Vendor", Value::Object(values))?;
            numbers.push(number);
        }
        Ok(numbers)
    }

    fn customers(&mut self, store: &mut Store, size: &DemoSize) -> anyhow::Result<()> {
        for at in 0..size.customers {
            let (_, mut values) = self.company(at);
            values.insert("number".into(), format!("C{:05}", (at + 1) * 10).into());
            values.insert(
                "contact".into(),
                format!("{} {}", self.pick(names::GIVEN_NAMES), self.pick(names::SURNAMES)).into(),
            );
            values.insert("creditLimit".into(), json!(self.below(20) * 2500));
            if at % 3 == 2 {
                values.insert("currencyCode".into(), (*self.pick(&["EUR", "GBP", "DKK", "JPY"])).into());
            }
            if at % 2 == 0 {
                values.insert("paymentTermsCode".into(), self.pick(names::PAYMENT_TERMS).0.into());
                values.insert("shipmentMethodCode".into(), self.pick(names::SHIPMENT_METHODS).0.into());
                values.insert("shippingAgentCode".into(), self.pick(names::SHIPPING_AGENTS).0.into());
            }
            if size.salesperson_codes {
                values.insert("salespersonCode".into(), self.pick(names::SALESPEOPLE).0.into());
            }
            self.make(store, "Customer", Value::Object(values))?;
        }
        Ok(())
    }

    fn contacts(&mut self, store: &mut Store, count: usize) -> anyhow::Result<()> {
        let (customers, vendors) = (partners(store, 1), partners(store, 2));
        for at in 0..count {
            let (_, mut company) = self.company(at * 5 + 40);
            let employers = if at % 4 == 3 && !vendors.is_empty() { &vendors } else { &customers };
            let (number, domain) = if employers.is_empty() {
                company.insert("type".into(), "Company".into());
                let domain = domain(company["website"].as_str().unwrap_or_default());
                let made = self.make(store, "Contact", Value::Object(company))?;
                let contacts = schema().known("Contact");
                let row = store.row(contacts, made).context("the contact that was made")?;
                (text(contacts, row, "number"), domain)
            } else {
                employers[at % employers.len()].clone()
            };
            let (given, surname, title) =
                (*self.pick(names::GIVEN_NAMES), *self.pick(names::SURNAMES), *self.pick(names::JOB_TITLES));
            self.make(
                store,
                "Contact",
                json!({"type": "Person", "companyNumber": number, "firstName": given, "surname": surname, "jobTitle": title,
                    "email": format!("{}.{}@{domain}", given.to_lowercase(), surname.to_lowercase()), "phoneNumber": format!("+1 206 555 {:04}", 100 + at % 9000)}),
            )?;
        }
        Ok(())
    }

    fn items(&mut self, store: &mut Store, size: &DemoSize, vendors: &[String]) -> anyhow::Result<()> {
        let total = size.items + size.blocked_items;
        let mut blocked = 0;
        for at in 0..total {
            let number = format!("{}", 1000 + at);
            // Blocked items are spread among the others, the first item not being one if that can be helped.
            let due = (2 * blocked + 1) * total <= 2 * at * size.blocked_items;
            let is_blocked = blocked < size.blocked_items && (due || total - at <= size.blocked_items - blocked);
            blocked += usize::from(is_blocked);
            let cost = self.cents(150, 90_000);
            let price = (cost * Decimal::new(13 + i64::try_from(self.below(9))?, 1)).round_dp(2);
            let unit = if self.chance(70) { "PCS" } else { *self.pick(&["BOX", "KG", "SET"]) };
            let adjective = names::ADJECTIVES[(at / names::PRODUCTS.len()) % names::ADJECTIVES.len()];
            let product = names::PRODUCTS[at % names::PRODUCTS.len()];
            let turn = at / (names::PRODUCTS.len() * names::ADJECTIVES.len());
            let name = if turn == 0 {
                format!("{adjective} {product}")
            } else {
                format!("{adjective} {product} {}", turn + 1)
            };
            let mut values = json!({
                "number": number, "displayName": name, "type": "Inventory", "baseUnitOfMeasureCode": unit, "blocked": is_blocked,
                "unitPrice": decimal(price)?, "unitCost": decimal(cost)?,
                "grossWeight": decimal(self.cents(10, 5000))?, "unitVolume": decimal(self.cents(1, 400))?
            });
            if let Some(values) = values.as_object_mut()
                && !vendors.is_empty()
                && self.chance(60)
            {
                values.insert("vendorNo".into(), self.pick(vendors).clone().into());
                values.insert("vendorItemNo".into(), format!("VI-{}", 5000 + at).into());
            }
            self.make(store, "Item", values)?;
            if unit == "PCS" && self.chance(30) {
                let pieces = 6 + self.below(19);
                self.make(
                    store,
                    "Item Unit of Measure",
                    json!({"itemNo": number, "code": "BOX", "qtyPerUnitOfMeasure": number_of(pieces)?}),
                )?;
            }
            if self.chance(85) {
                let quantity = i64::try_from(self.below(400))? - 20;
                records::post_ledger_entry(
                    store,
                    &number,
                    Decimal::from(quantity),
                    if quantity < 0 { "Sale" } else { "Purchase" },
                )?;
                store.take_changes();
            }
        }
        Ok(())
    }

    fn resources(&mut self, store: &mut Store, size: &DemoSize, vendors: &[String]) -> anyhow::Result<()> {
        for at in 0..size.resources + size.blocked_resources {
            let cost = self.cents(2_000, 12_000);
            let name = format!(
                "{} {}",
                names::GIVEN_NAMES[at % names::GIVEN_NAMES.len()],
                names::SURNAMES[(at * 3 + at / names::GIVEN_NAMES.len()) % names::SURNAMES.len()]
            );
            let mut values = json!({
                "number": format!("R{:04}", (at + 1) * 10), "displayName": name, "baseUnitOfMeasureCode": if at % 3 == 2 { "DAY" } else { "HOUR" },
                "unitCost": decimal(cost)?, "unitPrice": decimal((cost * Decimal::new(16, 1)).round_dp(2))?, "capacity": number_of(80 + self.below(100))?, "blocked": at >= size.resources
            });
            if let Some(values) = values.as_object_mut()
                && !vendors.is_empty()
                && at % 4 == 1
            {
                values.insert("vendorNo".into(), self.pick(vendors).clone().into());
            }
            self.make(store, "Resource", values)?;
        }
        Ok(())
    }
}

/// Company contacts of customers (1) or vendors (2), each with its domain.
fn partners(store: &Store, link_to_table: u8) -> Vec<(String, String)> {
    let (relations, contacts) = (schema().known("Contact Business Relation"), schema().known("Contact"));
    let link = schema().table(relations).position("linkToTable").unwrap_or_default();
    let related = store.rows(relations).filter(|row| row.cells[link].as_enum() == link_to_table);
    let numbers = related.map(|row| text(relations, row, "contactNumber"));
    let found = numbers.filter_map(|number| {
        let domain = domain(&text(contacts, store.by_code(contacts, &number)?, "website"));
        Some((number, domain))
    });
    found.collect()
}

fn domain(website: &str) -> String {
    website.trim_start_matches("https://www.").to_owned()
}

fn text(table: TableId, row: &Row, property: &str) -> String {
    schema().table(table).position(property).map(|at| row.cells[at].as_text().to_owned()).unwrap_or_default()
}

fn number(text: &str) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(text)?)
}

fn number_of(value: u64) -> anyhow::Result<Value> {
    number(&value.to_string())
}

fn decimal(value: Decimal) -> anyhow::Result<Value> {
    number(&value.normalize().to_string())
}
