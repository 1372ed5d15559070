//! Queues that are worked by hand: nothing moves unless a test says so.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use couplet_engine::{Delivery, QueueError, RecordsQueue, TasksQueue};
use couplet_model::RecordMessage;
use couplet_model::task::{Continuation, Task, TaskMessage};

/// Messages waiting, and those that were given up.
#[derive(Default)]
pub struct HandQueue {
    waiting: Mutex<VecDeque<Delivery>>,
    dead: Mutex<Vec<RecordMessage>>,
}

/// Deliveries before a message is given up, as the template sets it.
const MAX_RECEIVE_COUNT: u32 = 5;

impl HandQueue {
    /// Takes up to `count` messages; each counts as received once more.
    #[must_use]
    pub fn take(&self, count: usize) -> Vec<Delivery> {
        let mut waiting = self.waiting.lock().expect("no test panics while it holds the queue");
        let end = count.min(waiting.len());
        waiting
            .drain(..end)
            .map(|mut delivery| {
                delivery.receive_count += 1;
                delivery
            })
            .collect()
    }

    /// Puts a message back, or gives it up after its last delivery.
    pub fn give_back(&self, delivery: Delivery) {
        if delivery.receive_count >= MAX_RECEIVE_COUNT {
            self.dead.lock().expect("no test panics while it holds the queue").push(delivery.message);
        } else {
            self.waiting.lock().expect("no test panics while it holds the queue").push_back(delivery);
        }
    }

    /// Sends a message anew that waits for another worker: its deliveries begin again, and it is read again.
    pub fn postpone(&self, delivery: Delivery) {
        let message = RecordMessage { snapshot: None, ..delivery.message };
        let mut waiting = self.waiting.lock().expect("no test panics while it holds the queue");
        waiting.push_back(Delivery { message, receive_count: 0 });
    }

    /// Messages waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.lock().expect("no test panics while it holds the queue").len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Messages given up so far.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<RecordMessage> {
        self.dead.lock().expect("no test panics while it holds the queue").clone()
    }

    /// Sends the messages that were given up round again.
    pub fn replay(&self) {
        let dead = std::mem::take(&mut *self.dead.lock().expect("no test panics while it holds the queue"));
        let mut waiting = self.waiting.lock().expect("no test panics while it holds the queue");
        waiting.extend(dead.into_iter().map(|message| Delivery { message, receive_count: 0 }));
    }
}

#[async_trait]
impl RecordsQueue for HandQueue {
    async fn send(&self, messages: Vec<RecordMessage>) -> Result<(), QueueError> {
        let mut waiting = self.waiting.lock().expect("no test panics while it holds the queue");
        waiting.extend(messages.into_iter().map(|message| Delivery { message, receive_count: 0 }));
        Ok(())
    }
}

/// The tasks queue.
#[derive(Default)]
pub struct HandTasks(Mutex<VecDeque<TaskMessage>>);

impl HandTasks {
    /// Takes the next run that goes on, if there is one.
    #[must_use]
    pub fn next(&self) -> Option<Continuation> {
        match self.next_task()? {
            Task::ContinueRun(next) => Some(next),
            other => panic!("another task comes first: {other:?}"),
        }
    }

    /// Takes the next task, if there is one.
    #[must_use]
    pub fn next_task(&self) -> Option<Task> {
        self.0.lock().expect("no test panics while it holds the queue").pop_front().map(|task| task.task)
    }
}

#[async_trait]
impl TasksQueue for HandTasks {
    async fn send_later(&self, task: TaskMessage, _after: Duration) -> Result<(), QueueError> {
        self.0.lock().expect("no test panics while it holds the queue").push_back(task);
        Ok(())
    }
}
