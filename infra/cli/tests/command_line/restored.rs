//! What a person sees and does when a system was put back to an older state.

use crate::command::Workplace;
use business_central_simulator::DemoSize;
use couplet_worlds::Systems;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_restored_system_stops_the_command_until_resume_says_which_side_is_right() {
    let size = DemoSize { items: 5, customers: 4, ..DemoSize::default() };
    let Systems { business_central, dataverse } = Systems::start(size).await;
    let workplace = Workplace::at(&business_central, &dataverse);
    for job in ["CURRENCY", "CUSTOMER"] {
        assert_eq!(workplace.couplet(&["run", job, "--full"]).code, 0);
        assert_eq!(workplace.couplet(&["run", job]).code, 0);
    }
    let nothing = workplace.couplet(&["resume"]).failed_with_one_line();
    assert!(nothing.contains("nothing stands still"), "{nothing}");
    let backup = workplace.path("backup.json");
    dataverse.save_state(&backup).expect("saved");
    let customer = business_central.rows("Customer")[0]["id"].as_str().expect("an id").parse().expect("a GUID");
    business_central.update_as_user("Customer", customer, json!({ "phoneNumber": "+49 30 1234" })).expect("changed");
    for _ in 0..2 {
        assert_eq!(workplace.couplet(&["run", "CUSTOMER"]).code, 0);
    }
    dataverse.restore_state(&backup).expect("restored");

    for job in ["CUSTOMER", "CURRENCY"] {
        let line = workplace.couplet(&["run", job]).failed_with_one_line();
        assert!(line.contains("couplet resume --read-everything"), "{line}");
    }
    let refused = workplace.couplet(&["resume"]);
    assert_eq!(refused.code, 1, "going on as before would lose what the restored side has lost: {refused:?}");
    let unclear = workplace.couplet(&["resume", "--wins", "dataverse"]);
    assert_eq!(unclear.code, 2, "{unclear:?}");

    let resumed = workplace.couplet(&["resume", "--read-everything", "--wins", "business-central"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert!(resumed.errors.contains("Business Central wins") && resumed.errors.contains("CUSTOMER"), "{resumed:?}");
    for job in ["CURRENCY", "CUSTOMER"] {
        let run = workplace.couplet(&["run", job]);
        assert_eq!(run.code, 0, "{run:?}");
    }
    let phones = |row: &serde_json::Map<String, serde_json::Value>| row["telephone1"] == json!("+49 30 1234");
    assert_eq!(dataverse.rows("account").iter().filter(|row| phones(row)).count(), 1);
}
