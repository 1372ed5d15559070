//! DynamoDB and SQS of one installation in this process, with the table and the queues the functions expect.

use std::path::Path;
use std::time::Duration;

use couplet_engine::JobPlan;
use couplet_runtime::{Cloud, Settings, wiring};
use couplet_store::StoreError;

use crate::recovery::{InterruptedRun, Messages, recover};
use couplet_embedded_cloud::dynamodb::{EmbeddedDynamoDb, OpenError};
use couplet_embedded_cloud::kept_messages::{KeptMessages, KeptMessagesError};
use couplet_embedded_cloud::sqs::{
    CountError, CreateQueueError, EmbeddedSqs, QueueDepth, QueueSettings, QueueWithDeadLetters,
};
use couplet_embedded_cloud::storage::StorageTrouble;

/// Name of the records queue.
const RECORDS: &str = "couplet-records";
/// Name of the tasks queue.
const TASKS: &str = "couplet-tasks";
/// As in the deployed stack with its defaults: six times what a batch may take there, and as long as one may be gathered.
const RECORDS_VISIBILITY: Duration = Duration::from_secs(2100);
/// As in the deployed stack: six times what a task may take there.
const TASKS_VISIBILITY: Duration = Duration::from_secs(5400);

/// The embedded cloud could not be opened, or one of its services failed.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedCloudError {
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The table.
    #[error(transparent)]
    Table(#[from] StoreError),
    /// The queues.
    #[error(transparent)]
    Queue(#[from] CreateQueueError),
    /// The file beneath the database.
    #[error("{0}")]
    Storage(StorageTrouble),
    /// The messages of earlier processes.
    #[error(transparent)]
    Messages(#[from] KeptMessagesError),
    /// Counting messages.
    #[error(transparent)]
    Count(#[from] CountError),
}

/// The services of one installation.
///
/// What is in DynamoDB and in the queues survives when the cloud was opened on a file to work there; only the handles of
/// messages and how often they were received do not.
#[derive(Clone)]
pub struct EmbeddedCloud {
    dynamodb: EmbeddedDynamoDb,
    sqs: EmbeddedSqs,
    records: QueueWithDeadLetters,
    tasks: QueueWithDeadLetters,
    kept: Option<KeptMessages>,
    left: Left,
}

/// What an earlier process left in the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Records that were not processed; they are in the queue again.
    pub records: u64,
    /// Whether messages of earlier processes were kept at all.
    pub messages: Messages,
}

impl EmbeddedCloud {
    /// A cloud that is gone with the process.
    ///
    /// # Errors
    /// When one of the services refuses.
    pub async fn in_memory(settings: &Settings) -> Result<Self, EmbeddedCloudError> {
        Self::on(EmbeddedDynamoDb::open_in_memory()?, settings, None).await
    }

    /// A cloud whose DynamoDB is in a file, only to be looked at: its queues are empty.
    ///
    /// # Errors
    /// When the file cannot be opened, or one of the services refuses.
    pub async fn to_look_at(database: &Path, settings: &Settings) -> Result<Self, EmbeddedCloudError> {
        Self::on(EmbeddedDynamoDb::open(database)?, settings, None).await
    }

    /// A cloud whose DynamoDB and queues are in a file. Whoever opens it has to have the file to itself.
    ///
    /// # Errors
    /// When the file cannot be opened, or one of the services refuses.
    pub async fn on_file(database: &Path, settings: &Settings) -> Result<Self, EmbeddedCloudError> {
        let dynamodb = EmbeddedDynamoDb::open(database)?;
        let kept = KeptMessages::open(dynamodb.client()).await?;
        Self::on(dynamodb, settings, Some(kept)).await
    }

    async fn on(
        dynamodb: EmbeddedDynamoDb,
        settings: &Settings,
        kept: Option<KeptMessages>,
    ) -> Result<Self, EmbeddedCloudError> {
        wiring::store(settings, dynamodb.client()).create_table_if_absent().await?;
        dynamodb.remove_expired()?;
        let sqs = kept.as_ref().map_or_else(EmbeddedSqs::start, EmbeddedSqs::keeping);
        let queue_settings =
            |visibility_timeout| QueueSettings { visibility_timeout, max_receive_count: settings.cloud.max_receives };
        let records = sqs.create_queue(RECORDS, queue_settings(RECORDS_VISIBILITY)).await?;
        let tasks = sqs.create_queue(TASKS, queue_settings(TASKS_VISIBILITY)).await?;
        let mut left = Left { records: 0, messages: Messages::Lost };
        if let Some(messages) = &kept {
            left.records = sqs.send_again(messages, RECORDS, &records).await?;
            sqs.send_again(messages, TASKS, &tasks).await?;
            left.messages = if messages.are_complete().await? { Messages::Kept } else { Messages::Lost };
        }
        Ok(Self { dynamodb, sqs, records, tasks, kept, left })
    }

    /// Mends what an earlier process left behind; to be called before anything runs here. `jobs` are those of the
    /// installation.
    ///
    /// # Errors
    /// When the database fails; it can then be repeated.
    pub async fn recover(
        &self,
        settings: &Settings,
        jobs: &[JobPlan],
    ) -> Result<Vec<InterruptedRun>, EmbeddedCloudError> {
        let store = wiring::store(settings, self.dynamodb.client());
        let interrupted = recover(&store, settings.company, self.left.messages, jobs).await?;
        if let (Some(messages), Messages::Lost) = (&self.kept, self.left.messages) {
            messages.are_complete_now().await?;
        }
        Ok(interrupted)
    }

    /// Gives back the leases of runs of this process that were dropped; their messages are in the queue.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_up_runs(&self, settings: &Settings) -> Result<Vec<InterruptedRun>, EmbeddedCloudError> {
        let store = wiring::store(settings, self.dynamodb.client());
        Ok(recover(&store, settings.company, Messages::Kept, &[]).await?)
    }

    /// What is wrong with the file beneath the database, if anything was found to be: then nothing can be stored any more.
    pub fn trouble(&self) -> Option<&StorageTrouble> {
        self.dynamodb.trouble()
    }

    /// What an earlier process left in the queues.
    pub fn left(&self) -> Left {
        self.left
    }

    /// The services as the handlers know them.
    pub fn services(&self) -> Cloud {
        Cloud {
            dynamodb: self.dynamodb.client(),
            sqs: self.sqs.client(),
            queue_url: self.records.url.clone(),
            tasks_queue_url: self.tasks.url.clone(),
            is_ours_alone: true,
        }
    }

    /// How many messages there are in both queues.
    ///
    /// # Errors
    /// When the queue cannot be asked.
    pub async fn depth(&self) -> Result<QueueDepth, EmbeddedCloudError> {
        let mut depth = QueueDepth::default();
        for queue in [&self.records, &self.tasks] {
            let of_queue = self.sqs.depth(queue).await?;
            depth.open += of_queue.open;
            depth.dead += of_queue.dead;
        }
        Ok(depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../../../template.yaml");

    /// The part of the template that begins with a line and ends before the next of the same depth.
    fn block<'a>(of: &'a str, head: &str) -> &'a str {
        let depth = head.len() - head.trim_start().len();
        let start = of.find(&format!("\n{head}\n")).expect("in the template") + head.len() + 2;
        let is_over = |line: &str| !line.trim().is_empty() && line.len() - line.trim_start().len() <= depth;
        let length: usize = of[start..].split_inclusive('\n').take_while(|line| !is_over(line)).map(str::len).sum();
        &of[start..start + length]
    }

    #[test]
    fn f34_messages_are_hidden_for_as_long_as_in_the_deployed_stack() {
        let timeout = block(TEMPLATE, "  RecordsTimeout:");
        let default = timeout.lines().find_map(|line| line.trim().strip_prefix("Default: ")).expect("a default");
        let records = format!("{default}: {{Seconds: {}}}", RECORDS_VISIBILITY.as_secs());
        assert!(block(TEMPLATE, "  Visibility:").contains(&records), "the template has no {records}");
        let tasks = format!("VisibilityTimeout: {}\n", TASKS_VISIBILITY.as_secs());
        assert!(block(TEMPLATE, "  TasksQueue:").contains(&tasks), "the template has no {tasks}");
    }
}
