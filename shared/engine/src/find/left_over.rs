//! What earlier runs left over: failures whose time has come, and waits that are over.

use couplet_model::message::SyncOptions;
use couplet_store::Wait;
use jiff::Timestamp;

use super::finder::Finder;
use crate::error::EngineError;

impl Finder<'_> {
    /// Earlier failures whose time has come, creates included (D20).
    pub(super) async fn add_due_failures(&mut self) -> Result<(), EngineError> {
        let now = self.engine.now();
        let company = self.engine.company();
        let failures = self.engine.store().failures(company, &self.mapping.name, self.direction()).await?;
        self.failing = failures.iter().map(|failure| failure.record).collect();
        let due = failures.into_iter().filter(|failure| failure.retry_at.is_none_or(|at| at <= now));
        let messages = due
            .map(|failure| {
                let mut message = self.message(failure.record, None);
                message.options = message.options.or(failure.options);
                message
            })
            .collect();
        self.enqueue(messages).await
    }

    /// Records that wait for something that has appeared meanwhile, should their release have been lost; and those that
    /// wait in vain, for a last look before they count as failed. Of the latter those that are failures already come
    /// with these, and those that were enqueued just now are looked at anyway.
    pub(super) async fn add_waits(&mut self) -> Result<(), EngineError> {
        let engine = self.engine;
        let company = engine.company();
        let waits = engine.store().waits_of_mapping(company, &self.mapping.name).await?;
        let (mut over, mut standing) = (Vec::new(), Vec::new());
        for wait in waits.into_iter().filter(|wait| wait.message.direction == self.direction()) {
            if engine.is_coupled(&wait.dependency).await? {
                over.push((None, wait));
            } else {
                standing.push(wait);
            }
        }
        self.checkpoint.found.waiting += standing.len() as u64;
        standing.retain(|wait| {
            let record = &wait.message.record;
            !self.failing.contains(record) && !self.brought.enqueued.contains(record)
        });
        for wait in engine.in_vain(standing).await? {
            over.push((Some(wait.since.unwrap_or(Timestamp::UNIX_EPOCH)), wait));
        }
        let messages = over.iter().map(|(waited_since, wait)| {
            let mut message = self.message(wait.message.record, None);
            message.options = SyncOptions { waited_since: *waited_since, ..wait.message.options };
            message
        });
        let messages = messages.collect();
        self.enqueue(messages).await?;
        let over: Vec<Wait> = over.into_iter().map(|(_, wait)| wait).collect();
        engine.store().forget_waits(company, &over).await?;
        Ok(())
    }
}
