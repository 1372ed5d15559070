//! Records that are created while the trace of the creation is lost.

use couplet_engine::RunMode;
use couplet_model::message::Direction;

use super::*;

/// A new record that the other side does not have yet, in the source of a direction, and the name it is found by.
fn create(world: &World, direction: Direction, name: &str) {
    match direction {
        Direction::ToDataverse => {
            let values = json!({"displayName": name, "phoneNumber": "+1"});
            world.business_central.create_as_user("Customer", values).expect("taken");
        }
        Direction::FromDataverse => {
            let values = json!({"name": name, "telephone1": "+1", "customertypecode": 3});
            world.dataverse.create_as_user("account", values).expect("taken");
        }
    }
}

/// Records of that name on each side.
fn named(world: &World, name: &str) -> (Vec<Uuid>, Vec<Uuid>) {
    let id = |row: &Map<String, Json>, column: &str| row[column].as_str().expect("an id").parse().expect("a GUID");
    let customers = world.business_central.rows("Customer");
    let accounts = world.dataverse.rows("account");
    (
        customers.iter().filter(|row| row["displayName"] == json!(name)).map(|row| id(row, "id")).collect(),
        accounts.iter().filter(|row| row["name"] == json!(name)).map(|row| id(row, "accountid")).collect(),
    )
}

#[tokio::test]
async fn a_record_created_while_the_answer_is_lost_is_one_record_with_the_users_last_value() {
    for direction in Direction::BOTH {
        let world = in_step(1).await;
        for (number, loss) in Loss::ALL.into_iter().enumerate() {
            for edited in ["+1", "+3"] {
                let name = format!("Lost {number} {direction} {edited}");
                create(&world, direction, &name);
                world.find(CUSTOMERS, RunMode::Full).await;
                let back = lose(&world, direction, loss, 1).await;
                let (customers, accounts) = named(&world, &name);
                let pair = Pair {
                    customer: customers.first().copied().unwrap_or_default(),
                    account: accounts.first().copied().unwrap_or_default(),
                };
                edit_source(&world, direction, pair, PHONE, edited);
                // A user has found the new record already.
                let is_there =
                    if direction == Direction::ToDataverse { !accounts.is_empty() } else { !customers.is_empty() };
                let edits_there = is_there && direction == Direction::FromDataverse;
                if edits_there {
                    edit_destination(&world, direction, pair, FAX, "+9");
                }
                world.find(CUSTOMERS, RunMode::Modified).await;
                world.drain().await;
                back.into_iter().for_each(|delivery| world.queue.give_back(delivery));
                world.drain().await;
                until_quiet(&world, &world.engine).await;
                let (customers, accounts) = named(&world, &name);
                assert_eq!((customers.len(), accounts.len()), (1, 1), "{name} {loss:?}");
                let pair = Pair { customer: customers[0], account: accounts[0] };
                let coupling = world.coupling(CUSTOMERS, pair.customer).await.expect("coupled");
                assert_eq!(coupling.dataverse_id.0, pair.account);
                assert!(coupling.pending.is_empty() && coupling.claimed_until.is_none(), "{coupling:?}");
                assert_eq!(held(&world, pair, PHONE), (edited.to_owned(), edited.to_owned()), "{name} {loss:?}");
                if edits_there {
                    assert_eq!(held(&world, pair, FAX), ("+9".to_owned(), "+9".to_owned()), "{name} {loss:?}");
                }
                assert!(world.failures(CUSTOMERS).await.is_empty(), "{name} {loss:?}");
                assert!(world.queue.dead_letters().is_empty());
            }
        }
    }
}
