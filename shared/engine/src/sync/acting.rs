//! Actions that belong to the synchronization of a record: what is about to happen is stored first, and whoever finds that
//! without an end looks whether it has happened before asking for it again.

use couplet_model::Coupling;
use couplet_model::coupling::ActionIntent;
use couplet_model::system::Action;
use couplet_store::Claim;

use super::batch::{Batch, Stop};
use super::stages::{Done, is_known_to_have_failed};
use crate::bulk::{act_all, paired};
use crate::failpoints::Failpoint;
use crate::mappings::rules::{Actions, AfterWrite, Attempted, BatchRules, WrittenBeside};

impl Batch<'_> {
    /// Performs the actions that these records need.
    pub(super) async fn act(&mut self, done: Vec<Done>, rules: &dyn BatchRules) -> Result<Vec<Done>, Stop> {
        let Some(actions) = rules.actions() else { return Ok(done) };
        let (mut others, mut wanting) = (Vec::with_capacity(done.len()), Vec::new());
        for record in done {
            match actions.wanted(&self.after_write(&record)) {
                Some(action) => wanting.push((record, action)),
                None => others.push(record),
            }
        }
        if wanting.is_empty() {
            return Ok(others);
        }
        let (happened, wanting) = self.look_for_actions(actions, wanting).await?;
        others.extend(happened);
        let intended = self.intend_actions(wanting).await?;
        self.pass(Failpoint::ActionIntended)?;
        let side = self.direction.destination();
        let asked: Vec<Action> = intended.iter().map(|(_, action)| action.clone()).collect();
        let results = act_all(self.engine.system(side), self.mapping.table(side), &asked).await;
        for ((mut record, action), result) in paired("results of actions", intended, results)? {
            match result {
                Ok(()) => {
                    record.decided.coupling.acting = None;
                    others.push(record);
                }
                Err(error) => {
                    if is_known_to_have_failed(&error) {
                        record.decided.coupling.acting = None;
                    }
                    let hint = format!("; the action {} is asked for again with the next attempt", action.name);
                    self.refuse(record.decided, &error, &hint);
                }
            }
        }
        self.pass(Failpoint::Acted)?;
        others.sort_unstable_by_key(|record| record.decided.index);
        Ok(others)
    }

    /// Of the records whose action an earlier attempt was about to ask for: those whose action has happened, and all others.
    async fn look_for_actions(
        &self,
        actions: &dyn Actions,
        wanting: Vec<(Done, Action)>,
    ) -> Result<(Vec<Done>, Vec<(Done, Action)>), Stop> {
        let side = self.direction.destination();
        let (open, mut others): (Vec<_>, Vec<_>) = wanting.into_iter().partition(|(record, action)| {
            let acting = record.decided.coupling.acting.as_ref();
            acting.is_some_and(|intent| intent.side == side && intent.action == action.name)
        });
        if open.is_empty() {
            return Ok((Vec::new(), others));
        }
        let attempted: Vec<Attempted<'_>> = open
            .iter()
            .filter_map(|(record, _)| {
                let decided = &record.decided;
                let intent = decided.coupling.acting.as_ref()?;
                Some(Attempted { source: &decided.source, destination: decided.coupling.id(side), intent })
            })
            .collect();
        let answers = actions.happened(self.context(), &attempted).await?;
        let mut happened = Vec::new();
        for ((mut record, action), has_happened) in paired("actions that may have happened", open, answers)? {
            if has_happened {
                record.decided.coupling.acting = None;
                happened.push(record);
            } else {
                others.push((record, action));
            }
        }
        Ok((happened, others))
    }

    /// Stores what is about to be asked for. Those that another worker changed meanwhile come again.
    async fn intend_actions(&mut self, wanting: Vec<(Done, Action)>) -> Result<Vec<(Done, Action)>, Stop> {
        let (engine, side) = (self.engine, self.direction.destination());
        let at = engine.now();
        let couplings: Vec<Coupling> = wanting
            .iter()
            .map(|(record, action)| {
                let acting = ActionIntent { side, action: action.name.clone(), at };
                Coupling { acting: Some(acting), ..record.decided.coupling.clone() }
            })
            .collect();
        if couplings.is_empty() {
            return Ok(wanting);
        }
        let results = engine.store().claim(engine.company(), &self.mapping.name, &couplings).await?;
        let mut intended = Vec::with_capacity(wanting.len());
        for ((mut record, action), result) in paired("intents of actions", wanting, results)? {
            match result {
                Claim::Claimed(coupling) => {
                    self.delivered[record.decided.index].claim = Some(coupling.clone());
                    record.decided.coupling = coupling;
                    intended.push((record, action));
                }
                Claim::Stale => {
                    let index = record.decided.index;
                    self.postpone(index, "another worker changed this pair meanwhile", std::time::Duration::ZERO);
                }
            }
        }
        Ok(intended)
    }

    /// A record as the rules see it after its write.
    fn after_write<'r>(&self, record: &'r Done) -> AfterWrite<'r> {
        let (side, decided) = (self.direction.destination(), &record.decided);
        AfterWrite {
            source: &decided.source,
            destination: decided.coupling.id(side),
            created: decided.is_new_on(side),
            written: decided.written.is_some(),
            coupling: &decided.coupling,
            fields: &decided.fields,
            beside: Ok(WrittenBeside::default()),
        }
    }
}
