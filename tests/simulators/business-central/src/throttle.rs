//! The limits per client: a sliding window of requests, few at once, a queue.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, futures::Notified};

use crate::errors::ApiError;
use crate::options::Limits;

#[derive(Default)]
struct Client {
    recent: VecDeque<Instant>,
    running: usize,
    waiting: usize,
}

/// Counts the requests of all clients.
#[derive(Default)]
pub(crate) struct Throttle {
    clients: Mutex<HashMap<String, Client>>,
    freed: Arc<Notify>,
}

/// The right to be worked on; given back when dropped.
pub(crate) struct Admission<'a> {
    throttle: &'a Throttle,
    client: String,
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.throttle.with(&self.client, |client| client.running = client.running.saturating_sub(1));
        self.throttle.freed.notify_waiters();
    }
}

enum Turn {
    Now,
    Later,
    Refused(u64, u64),
}

impl Throttle {
    fn with<T>(&self, name: &str, work: impl FnOnce(&mut Client) -> T) -> T {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        work(clients.entry(name.to_owned()).or_default())
    }

    /// Waits for a turn, or says why there is none.
    pub(crate) async fn admit(&self, name: &str, limits: Limits) -> Result<Option<Admission<'_>>, ApiError> {
        if !limits.enabled {
            return Ok(None);
        }
        let turn = self.with(name, |client| {
            let now = Instant::now();
            while client.recent.front().is_some_and(|first| now.duration_since(*first) >= limits.window) {
                client.recent.pop_front();
            }
            if client.recent.len() >= limits.requests {
                return Turn::Refused(client.recent.len() as u64 + 1, limits.requests as u64);
            }
            if client.running >= limits.concurrent && client.waiting >= limits.queue {
                let maximum = (limits.concurrent + limits.queue) as u64;
                return Turn::Refused(maximum + 1, maximum);
            }
            client.recent.push_back(now);
            if client.running < limits.concurrent {
                client.running += 1;
                return Turn::Now;
            }
            client.waiting += 1;
            Turn::Later
        });
        let admission = || Admission { throttle: self, client: name.to_owned() };
        match turn {
            Turn::Now => Ok(Some(admission())),
            Turn::Refused(actual, maximum) => Err(ApiError::too_many_requests(actual, maximum, limits.retry_after)),
            Turn::Later => {
                let place = Place { throttle: self, client: name };
                let waited = tokio::time::timeout(limits.longest_wait, self.turn(name, limits)).await;
                drop(place);
                match waited {
                    Ok(()) => Ok(Some(admission())),
                    Err(_) => Err(ApiError::failing(503, Some(60))),
                }
            }
        }
    }

    async fn turn(&self, name: &str, limits: Limits) {
        loop {
            let mut freed: std::pin::Pin<Box<Notified<'_>>> = Box::pin(self.freed.notified());
            freed.as_mut().enable();
            let taken = self.with(name, |client| {
                let free = client.running < limits.concurrent;
                client.running += usize::from(free);
                free
            });
            if taken {
                return;
            }
            freed.await;
        }
    }
}

/// A place in the queue; left when dropped, also if the client goes away.
struct Place<'a> {
    throttle: &'a Throttle,
    client: &'a str,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.throttle.with(self.client, |client| client.waiting = client.waiting.saturating_sub(1));
    }
}
