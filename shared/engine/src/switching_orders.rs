//! How sales orders are integrated is a setting; the store keeps for which the couplings in it were made. A change that would
//! leave orders behind is refused before anything is read or written, until the setting is back or the orders are over.

use std::sync::atomic::Ordering;

use couplet_model::switches::SalesOrders;
use couplet_model::{MappingName, Said};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::mappings::order_names::ORDERS;
use crate::mappings::order_switch::{archive_orders, living_orders, submitted_orders};

/// The setting that says how orders were integrated by the runs so far.
const SETTING: &str = "sales_orders";
/// So many orders are named where there are more.
const NAMED: usize = 5;

/// How orders were integrated so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Integrated {
    /// By the last process that worked.
    now: SalesOrders,
    /// When the couplings in the store were made; off where there are none.
    coupled: SalesOrders,
}

/// What a change of the setting calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    /// No order may be submitted in Dataverse, because nobody would look after it.
    leaves_submitted: bool,
    /// No coupled order may be alive, because the other way does not know its lines.
    leaves_coupled: bool,
}

impl Integrated {
    /// What changing to this setting calls for.
    fn change(self, to: SalesOrders) -> Change {
        Change {
            leaves_submitted: to == SalesOrders::Off && self.now != SalesOrders::Off,
            leaves_coupled: to != SalesOrders::Off && self.coupled != SalesOrders::Off && self.coupled != to,
        }
    }

    /// After changing to this setting.
    fn after(self, to: SalesOrders) -> Self {
        Self { now: to, coupled: if to == SalesOrders::Off { self.coupled } else { to } }
    }
}

impl Engine {
    /// Makes sure, once per process, that no order is left behind by how the settings integrate orders now.
    ///
    /// # Errors
    /// [`EngineError::OrdersLeftBehind`] with the way out; else when a system or the store cannot be asked.
    pub async fn confirm_orders(&self) -> Result<(), EngineError> {
        if self.memory.orders_are_confirmed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (company, to) = (self.company(), self.installation.switches().sales_orders);
        let before = self.integrated().await?;
        if before.after(to) != before {
            self.refuse_to_leave_orders(before, to).await?;
            if to == SalesOrders::Bidirectional {
                archive_orders(&self.installation).await?;
            }
            if before.coupled != before.after(to).coupled {
                // What the other way has read says nothing about lines.
                self.store().clear_cursors(company, &MappingName::from(ORDERS)).await?;
            }
            let json = serde_json::to_value(before.after(to)).map_err(|error| EngineError::SetUp(error.to_string()))?;
            self.store().put_setting(company, SETTING, &json).await?;
        }
        self.memory.orders_are_confirmed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether an order would be left behind; changes nothing.
    ///
    /// # Errors
    /// As [`Engine::confirm_orders`].
    pub async fn look_at_orders(&self) -> Result<(), EngineError> {
        let before = self.integrated().await?;
        self.refuse_to_leave_orders(before, self.installation.switches().sales_orders).await
    }

    async fn integrated(&self) -> Result<Integrated, EngineError> {
        let stored = self.store().setting(self.company(), SETTING).await?;
        Ok(stored.and_then(|json| serde_json::from_value(json).ok()).unwrap_or_default())
    }

    async fn refuse_to_leave_orders(&self, before: Integrated, to: SalesOrders) -> Result<(), EngineError> {
        let change = before.change(to);
        if change.leaves_submitted {
            let orders = submitted_orders(&self.installation).await?;
            if !orders.is_empty() {
                return Err(left_behind(&orders, |these| {
                    format!(
                        "sales orders cannot be switched off while orders are submitted in Dataverse, {these}: set \
                         switches.sales_orders back to {} until they are invoiced, or cancel them or set them active in Dataverse",
                        word(before.now)
                    )
                }));
            }
        }
        if change.leaves_coupled {
            let orders = living_orders(&self.installation).await?;
            if !orders.is_empty() {
                let back = before.coupled;
                return Err(left_behind(&orders, |these| {
                    format!(
                        "sales orders cannot change from {} to {} while orders are coupled, {these}, because their lines would \
                         be orphaned and made twice: set switches.sales_orders back to {} until these orders are invoiced, or \
                         deleted on one of the sides",
                        word(back),
                        word(to),
                        word(back)
                    )
                }));
            }
        }
        Ok(())
    }
}

/// The refusal that names some orders, and in the log only how many they are.
fn left_behind(orders: &[String], sentence: impl Fn(&str) -> String) -> EngineError {
    let count = orders.len();
    let named = orders.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
    let text = sentence(&format!("{named}{more}"));
    EngineError::OrdersLeftBehind(Said::split(text, sentence(&format!("{count} of them"))))
}

/// The setting as people write it.
fn word(orders: SalesOrders) -> &'static str {
    match orders {
        SalesOrders::Off => "off",
        SalesOrders::Legacy => "legacy",
        SalesOrders::Bidirectional => "bidirectional",
    }
}

#[cfg(test)]
mod tests {
    use SalesOrders::{Bidirectional, Legacy, Off};
    use couplet_model::Switches;
    use serde_json::json;

    use super::*;
    use crate::bench::{Bench, COMPANY_ROW, pair};

    #[test]
    fn s90_c_157_what_a_change_of_the_integration_calls_for() {
        let of = |now, coupled, to| Integrated { now, coupled }.change(to);
        for (now, coupled, to, submitted, living) in [
            (Off, Off, Legacy, false, false),
            (Off, Off, Bidirectional, false, false),
            (Legacy, Legacy, Legacy, false, false),
            (Legacy, Legacy, Off, true, false),
            (Bidirectional, Bidirectional, Off, true, false),
            (Legacy, Legacy, Bidirectional, false, true),
            (Bidirectional, Bidirectional, Legacy, false, true),
            // Switched off in between, the couplings are of the way that made them.
            (Off, Legacy, Bidirectional, false, true),
            (Off, Legacy, Legacy, false, false),
            (Off, Legacy, Off, false, false),
        ] {
            let expected = Change { leaves_submitted: submitted, leaves_coupled: living };
            assert_eq!(of(now, coupled, to), expected, "{now:?} {coupled:?} {to:?}");
        }
        assert_eq!(Integrated { now: Legacy, coupled: Legacy }.after(Off), Integrated { now: Off, coupled: Legacy });
    }

    /// The bench with another setting, as a new process finds it.
    async fn confirm(bench: &mut Bench, orders: SalesOrders) -> Result<(), String> {
        bench.integrate_orders(orders);
        bench.engine.confirm_orders().await.map_err(|error| {
            assert!(!error.for_log().contains("SO-"), "no number of an order in a log: {}", error.for_log());
            error.to_string()
        })
    }

    #[tokio::test]
    async fn c_157_orders_are_not_switched_off_while_one_is_submitted() {
        let mut bench = Bench::with("CURRENCY", Switches::default()).await;
        let order = |state: i64, company: Option<u128>| {
            let company = company.map(|row| u64::try_from(row).expect("a number"));
            json!({"ordernumber": "SO-1", "statecode": state, "bcbi_companyid": company})
        };
        confirm(&mut bench, Legacy).await.expect("nothing is coupled");
        for company in [None, Some(COMPANY_ROW)] {
            bench.dataverse.put("salesorder", 1, order(1, company));
            let refusal = confirm(&mut bench, Off).await.expect_err("an order is submitted");
            bench.engine.look_at_orders().await.expect_err("seen without a change as well");
            assert!(refusal.contains("while orders are submitted in Dataverse, SO-1"), "{refusal}");
            assert!(refusal.contains("set switches.sales_orders back to legacy"), "{refusal}");
            confirm(&mut bench, Legacy).await.expect("the setting is back");
        }
        // One of another company, and one that is over.
        bench.dataverse.put("salesorder", 1, order(1, Some(77)));
        bench.dataverse.put("salesorder", 2, order(4, None));
        confirm(&mut bench, Off).await.expect("nobody is left behind");
        bench.dataverse.take_calls();
        confirm(&mut bench, Off).await.expect("nothing changed");
        assert!(bench.dataverse.take_calls().is_empty(), "what has not changed costs no request");
    }

    #[tokio::test]
    async fn s90_orders_do_not_change_their_way_while_some_are_coupled_and_alive() {
        for (first, second) in [(Legacy, Bidirectional), (Bidirectional, Legacy)] {
            let mut bench = Bench::with("CURRENCY", Switches::default()).await;
            bench.business_central.put("Sales & Receivables Setup", 1, json!({"archiveOrders": false}));
            confirm(&mut bench, first).await.expect("nothing is coupled");
            let archives = bench.business_central.row("Sales & Receivables Setup", 1)["archiveOrders"] == json!(true);
            assert_eq!(archives, first == Bidirectional);
            bench.couple(ORDERS, (1..=7).map(|order| pair(order, 100 + order, &format!("SO-{order}")))).await;
            for order in 1..=7 {
                bench.business_central.put("Sales Header", order, json!({"number": format!("SO-{order}")}));
                bench.dataverse.put("salesorder", 100 + order, json!({"statecode": 3}));
            }
            confirm(&mut bench, Off).await.expect("none is submitted");
            let refusal = confirm(&mut bench, second).await.expect_err("seven would be left behind");
            assert!(
                refusal.contains(" and 2 more") && refusal.contains(&format!("back to {}", word(first))),
                "{refusal}"
            );
            confirm(&mut bench, first).await.expect("the setting is back");
            // Orders that are over on one side, and one whose archive was taken over.
            (1..=3).for_each(|order| bench.business_central.delete("Sales Header", order));
            (4..=6).for_each(|order| bench.dataverse.delete("salesorder", 100 + order));
            let refusal = confirm(&mut bench, second).await.expect_err("one is left");
            assert!(refusal.contains("coupled, SO-7, because"), "{refusal}");
            bench.couple(crate::mappings::order_names::ARCHIVED_ORDERS, [pair(900, 107, "SO-7")]).await;
            confirm(&mut bench, second).await.expect("nobody is left behind");
            let back = confirm(&mut bench, first).await;
            back.expect("and back again");
        }
    }
}
