//! The organization at start, and demo data: deterministic from the seed.

mod organization;
mod people;
mod trade;

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::options::{DataverseOptions, DemoSize};
use crate::schema::NAMESPACE;
use crate::store::Store;
use crate::wire::error::ApiResult;
use crate::world::Fixed;
use crate::write::Session;

/// Seconds in a day.
const DAY: i64 = 86_400;

/// Ids that follow from the seed.
#[must_use]
pub fn fixed(seed: u64) -> Fixed {
    let id = |what: &str| Uuid::new_v5(&NAMESPACE, format!("{what} {seed}").as_bytes());
    Fixed {
        tenant: id("tenant"),
        client: id("client"),
        integration_user: id("integration user"),
        human_user: id("user 0"),
        organization: id("organization"),
        business_unit: id("root business unit"),
    }
}

/// A small xorshift: enough to spread demo values.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (end.max(1) as u64)).unwrap_or_default()
    }
}

/// Fills a new store.
///
/// # Errors
/// When a business rule refuses demo data: a defect of this file.
pub fn fill(store: &mut Store, options: &DataverseOptions, fixed: Fixed, now: i64) -> ApiResult<()> {
    let bare = DemoSize {
        products_only_in_sales: 0,
        accounts_only_in_sales: 0,
        contacts_per_account: 0,
        users: 1,
        inactive_users: 0,
        unit_groups: Vec::new(),
    };
    let size = options.demo.clone().unwrap_or(bare);
    let mut planter = organization::Planter { store, past: now - 120 * DAY, human: fixed.human_user };
    planter.organization(options, fixed);
    planter.users(&size, fixed, options.seed);
    let team = planter.company(options, fixed);
    planter.roles(fixed, team);
    crate::api::messages::fill(store);
    let mut session = Session {
        store,
        behaviour: &options.behaviour,
        poison: &[],
        taken_privileges: &BTreeSet::new(),
        caller: fixed.human_user,
        unrestricted: true,
        bulk: false,
        now: now - 90 * DAY,
        events: Vec::new(),
        depth: 0,
    };
    let mut dice = Dice(options.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    trade::accounts(&mut session, &size, &mut dice, now)?;
    let mut groups = size.unit_groups.clone();
    if size.products_only_in_sales > 0 && !groups.iter().any(|unit| unit == "PCS") {
        groups.push("PCS".to_owned());
    }
    for unit in &groups {
        trade::unit_group(&mut session, unit)?;
    }
    trade::products(&mut session, &size, &mut dice, now)
}
