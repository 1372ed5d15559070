//! Accounts, contacts, units and products that only Sales knows.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::people::{FIRST_NAMES, LAST_NAMES};
use super::{DAY, Dice};
use crate::options::DemoSize;
use crate::store::Cell;
use crate::wire::error::ApiResult;
use crate::write::Session;

const ACCOUNT_NAMES: [&str; 12] = [
    "Adventure Works",
    "Alpine Ski House",
    "Blue Yonder Airlines",
    "City Power & Light",
    "Coho Winery",
    "Fabrikam Residences",
    "Fourth Coffee",
    "Lucerne Publishing",
    "Margie's Travel",
    "Northwind Traders",
    "Proseware",
    "Tailspin Toys",
];
const CITIES: [(&str, &str, &str); 6] = [
    ("Seattle", "WA", "98101"),
    ("Austin", "TX", "73301"),
    ("Denver", "CO", "80201"),
    ("Boston", "MA", "02108"),
    ("Miami", "FL", "33101"),
    ("Portland", "OR", "97201"),
];

/// Creates a row through the rules.
fn create(session: &mut Session<'_>, table: &str, values: &[(&str, Cell)]) -> ApiResult<Uuid> {
    let at = session.position(table)?;
    let definition = session.table(at);
    let changes = values
        .iter()
        .filter_map(|(name, value)| definition.column(name).map(|column| (column, Some(value.clone()))))
        .collect();
    session.create(at, None, changes)
}

fn link(session: &Session<'_>, table: &str, id: Uuid) -> ApiResult<Cell> {
    Ok(Cell::Lookup { table: session.position(table)?, id })
}

/// Customer accounts with their contacts.
pub(super) fn accounts(session: &mut Session<'_>, size: &DemoSize, dice: &mut Dice, now: i64) -> ApiResult<()> {
    for number in 0..size.accounts_only_in_sales {
        session.now = now - 60 * DAY + i64::try_from(number).unwrap_or_default() * 60;
        let base = ACCOUNT_NAMES[number % ACCOUNT_NAMES.len()];
        let name = if number < ACCOUNT_NAMES.len() {
            base.to_owned()
        } else {
            format!("{base} {}", number / ACCOUNT_NAMES.len() + 1)
        };
        let (city, state, code) = CITIES[dice.below(CITIES.len())];
        let account = create(
            session,
            "account",
            &[
                ("name", Cell::text(&name)),
                ("customertypecode", Cell::Int(3)),
                ("address1_line1", Cell::text(&format!("{} Main Street", 100 + dice.below(900)))),
                ("address1_city", Cell::text(city)),
                ("address1_stateorprovince", Cell::text(state)),
                ("address1_postalcode", Cell::text(code)),
                ("address1_country", Cell::text("US")),
                ("telephone1", Cell::text(&format!("+1 425 555 {:04}", dice.below(10_000)))),
                ("emailaddress1", Cell::text(&format!("info{number}@example.com"))),
                ("paymenttermscode", Cell::Int([1, 3, 4][dice.below(3)])),
            ],
        )?;
        for person in 0..size.contacts_per_account {
            let parent = link(session, "account", account)?;
            let (first, last) = (FIRST_NAMES[dice.below(FIRST_NAMES.len())], LAST_NAMES[dice.below(LAST_NAMES.len())]);
            create(
                session,
                "contact",
                &[
                    ("firstname", Cell::text(first)),
                    ("lastname", Cell::text(last)),
                    (
                        "emailaddress1",
                        Cell::text(&format!(
                            "{}.{}{number}.{person}@example.com",
                            first.to_lowercase(),
                            last.to_lowercase()
                        )),
                    ),
                    ("parentcustomerid", parent),
                ],
            )?;
        }
    }
    Ok(())
}

/// A unit group as the integration names it.
pub(super) fn unit_group(session: &mut Session<'_>, unit: &str) -> ApiResult<()> {
    create(session, "uomschedule", &[("name", Cell::text(&format!("NAV {unit}"))), ("baseuomname", Cell::text(unit))])?;
    Ok(())
}

/// Active products.
pub(super) fn products(session: &mut Session<'_>, size: &DemoSize, dice: &mut Dice, now: i64) -> ApiResult<()> {
    if size.products_only_in_sales == 0 {
        return Ok(());
    }
    let groups = session.position("uomschedule")?;
    let units = session.position("uom")?;
    let name = session.table(groups).column("name").unwrap_or_default();
    let Some(group) = session.store.rows(groups).find(name, &Cell::text("NAV PCS")).first().copied() else {
        return Ok(());
    };
    let schedule = session.table(units).column("uomscheduleid").unwrap_or_default();
    let Some(unit) = session.store.rows(units).find(schedule, &Cell::Guid(group)).first().copied() else {
        return Ok(());
    };
    let (group, unit) = (link(session, "uomschedule", group)?, link(session, "uom", unit)?);
    for number in 0..size.products_only_in_sales {
        session.now = now - 45 * DAY + i64::try_from(number).unwrap_or_default();
        let price = Decimal::new(i64::try_from(500 + dice.below(99_500)).unwrap_or(500), 2);
        create(
            session,
            "product",
            &[
                ("name", Cell::text(&format!("Sales product {}", number + 1))),
                ("productnumber", Cell::text(&format!("S-{:05}", number + 1))),
                ("producttypecode", Cell::Int(1)),
                ("price", Cell::Decimal(price)),
                ("standardcost", Cell::Decimal(price / Decimal::TWO)),
                ("currentcost", Cell::Decimal(price / Decimal::TWO)),
                ("quantityonhand", Cell::Decimal(Decimal::from(dice.below(500)))),
                ("defaultuomscheduleid", group.clone()),
                ("defaultuomid", unit.clone()),
                ("statecode", Cell::Int(0)),
                ("statuscode", Cell::Int(1)),
            ],
        )?;
    }
    Ok(())
}
