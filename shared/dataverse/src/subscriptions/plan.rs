//! Which steps are wanted, which of them are missing, and which are to go.

use couplet_model::ids::CompanyId;
use couplet_model::subscription::SubscriptionState;
use uuid::Uuid;

/// The messages that are told of.
pub(super) const MESSAGES: [&str; 3] = ["Create", "Update", "Delete"];

/// Namespace of the ids of endpoint and steps; changing it would leave those that there are behind.
const NAMESPACE: Uuid = Uuid::from_u128(0x2b8e_40d1_77a4_5c02_8d35_1f6a_90cc_0003);

/// The id of the endpoint of a company.
pub(super) fn endpoint_id(company: CompanyId) -> Uuid {
    Uuid::new_v5(&NAMESPACE, company.to_string().as_bytes())
}

/// The id of the step for a table and a message.
fn step_id(company: CompanyId, table: &str, message: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{company}#{table}#{message}").as_bytes())
}

/// A message that a table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    pub id: Uuid,
    pub table: String,
    pub message: &'static str,
    pub message_id: Uuid,
}

/// A step of our endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registered {
    pub id: Uuid,
    /// Whether nobody has switched it off.
    pub is_on: bool,
}

/// A step that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub id: Uuid,
    pub table: String,
    pub message: &'static str,
    pub message_id: Uuid,
    pub filter_id: Uuid,
    /// Whether it has to be made.
    pub is_missing: bool,
    /// Whether a person has switched it off; that is left as it is.
    pub is_off: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub steps: Vec<Step>,
    /// Steps of our endpoint that nobody wants any more.
    pub gone: Vec<Uuid>,
}

/// The steps of these tables, by what there is.
pub(super) fn plan(company: CompanyId, tables: &[&str], filters: &[Filter], registered: &[Registered]) -> Plan {
    let mut steps: Vec<Step> = Vec::new();
    for filter in filters.iter().filter(|filter| tables.contains(&filter.table.as_str())) {
        let id = step_id(company, &filter.table, filter.message);
        if steps.iter().any(|step| step.id == id) {
            continue;
        }
        let there = registered.iter().find(|step| step.id == id);
        steps.push(Step {
            id,
            table: filter.table.clone(),
            message: filter.message,
            message_id: filter.message_id,
            filter_id: filter.id,
            is_missing: there.is_none(),
            is_off: there.is_some_and(|step| !step.is_on),
        });
    }
    let is_wanted = |id: &Uuid| steps.iter().any(|step| step.id == *id);
    let gone = registered.iter().map(|step| step.id).filter(|id| !is_wanted(id)).collect();
    Plan { steps, gone }
}

/// How the subscription to a table stands, with the steps that could not be made.
pub(super) fn state_of(table: &str, steps: &[Step], failed: &[(&Step, String)]) -> SubscriptionState {
    let of_table: Vec<&Step> = steps.iter().filter(|step| step.table == table).collect();
    if of_table.is_empty() {
        let why = "Dataverse does not tell of changes of this table; its timer finds them".to_owned();
        return SubscriptionState::Impossible { why };
    }
    if let Some((step, why)) = failed.iter().find(|(step, _)| step.table == table) {
        return SubscriptionState::Failed { why: format!("{}: {why}", step.message) };
    }
    if let Some(off) = of_table.iter().find(|step| step.is_off) {
        let why = format!(
            "somebody has disabled the step \"Couplet: {} of {table}\" in Dataverse; enable it there",
            off.message
        );
        return SubscriptionState::Failed { why };
    }
    SubscriptionState::Standing
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPANY: CompanyId = CompanyId(Uuid::from_u128(0x5c1d));

    fn filters(table: &str) -> Vec<Filter> {
        MESSAGES
            .into_iter()
            .zip(1_u128..)
            .map(|(message, number)| Filter {
                id: Uuid::new_v5(&NAMESPACE, format!("{table}{message}").as_bytes()),
                table: table.to_owned(),
                message,
                message_id: Uuid::from_u128(number),
            })
            .collect()
    }

    fn on(id: Uuid) -> Registered {
        Registered { id, is_on: true }
    }

    #[test]
    fn steps_are_made_once_and_removed_when_nobody_wants_them() {
        let both: Vec<Filter> = filters("account").into_iter().chain(filters("contact")).collect();
        let first = plan(COMPANY, &["account"], &both, &[]);
        assert_eq!((first.steps.len(), first.gone.len()), (3, 0));
        assert!(first.steps.iter().all(|step| step.is_missing && step.table == "account"));
        let there: Vec<Registered> = first.steps.iter().map(|step| on(step.id)).collect();
        let again = plan(COMPANY, &["account"], &both, &there);
        assert!(again.steps.iter().all(|step| !step.is_missing), "made twice is made once");
        let moved = plan(COMPANY, &["contact"], &both, &there);
        assert_eq!(moved.gone, there.iter().map(|step| step.id).collect::<Vec<_>>());
        assert!(moved.steps.iter().all(|step| step.is_missing));
        let one_short = plan(COMPANY, &["account"], &both, &there[1..]);
        assert_eq!(one_short.steps.iter().filter(|step| step.is_missing).count(), 1, "what somebody deleted is mended");
        let none = plan(COMPANY, &[], &[], &there);
        assert_eq!((none.steps.len(), none.gone.len()), (0, 3));
        let of_another = plan(CompanyId(Uuid::from_u128(1)), &["account"], &both, &[]);
        assert!(first.steps.iter().all(|step| of_another.steps.iter().all(|other| other.id != step.id)));
    }

    #[test]
    fn a_table_is_subscribed_refused_or_cannot_be() {
        let plan = plan(COMPANY, &["account", "metric"], &filters("account"), &[]);
        assert_eq!(state_of("account", &plan.steps, &[]), SubscriptionState::Standing);
        assert!(matches!(state_of("metric", &plan.steps, &[]), SubscriptionState::Impossible { .. }));
        let failed = [(&plan.steps[1], "no privilege".to_owned())];
        let state = state_of("account", &plan.steps, &failed);
        assert_eq!(state, SubscriptionState::Failed { why: "Update: no privilege".into() });
        let off = plan
            .steps
            .iter()
            .cloned()
            .map(|step| Step { is_off: step.message == "Delete", ..step })
            .collect::<Vec<_>>();
        let SubscriptionState::Failed { why } = state_of("account", &off, &[]) else { panic!("it is off") };
        assert!(why.contains("\"Couplet: Delete of account\""), "{why}");
    }
}
