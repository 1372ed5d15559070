//! Writes in bulk, as both systems need them: groups side by side, pieces that are answered in time, halves where a piece is
//! refused as a whole, and rounds for what fails for a passing reason. Every write has exactly one outcome.

use async_trait::async_trait;
use couplet_model::system::{SystemError, SystemErrorKind, Written};
use couplet_model::table::{Side, Table};
use futures_util::future::{BoxFuture, join_all};

use crate::identity::Identity;
use crate::request::{BatchPart, Repeat};
use crate::sizes::{Load, Sizes, is_too_much};

/// Times writes that failed for a passing reason are sent.
const ROUNDS: u32 = 3;

/// What became of one write.
pub type Outcome = Result<Written, SystemError>;

/// What the answer to one write means.
#[derive(Debug)]
pub enum Verdict<I> {
    /// It has its outcome.
    Settled(Outcome),
    /// It keeps the failure of an earlier answer.
    AsBefore,
    /// It is sent again after a pause. The failure is its outcome if that was the last time.
    Later(I, SystemError),
    /// It is sent again at once in another form. The failure is its outcome until that is answered.
    Changed(I, SystemError),
}

/// The writes of one table, as one system takes them.
#[async_trait]
pub trait Writer: Sync {
    /// One write, ready to be sent.
    type Item: Clone + Send + Sync;

    /// The table.
    fn table(&self) -> &Table;

    /// The way to the system.
    fn identity(&self) -> &Identity;

    /// What was learned about sizes.
    fn sizes(&self) -> &Sizes;

    /// Its place among the writes of the call.
    fn place(&self, item: &Self::Item) -> usize;

    /// Whether it may be sent twice.
    fn repeat(&self, item: &Self::Item) -> Repeat;

    /// The kind of request that it travels in, and how many one request may hold.
    fn load(&self, item: &Self::Item) -> (Load, usize);

    /// Whether two that follow each other may travel in one request.
    fn fit_together(&self, one: &Self::Item, other: &Self::Item) -> bool;

    /// Writes items that fit together, by the best form for them: an outcome for each.
    ///
    /// # Errors
    /// When they were refused as a whole.
    async fn write(&self, items: &[Self::Item]) -> Result<Vec<Outcome>, SystemError> {
        in_rounds(self, items).await
    }

    /// Whether such a failure of many lies in the data of some, so that writing them apart helps.
    fn blames_data(&self, error: &SystemError) -> bool;

    /// Sends items that fit together in one request; one answer for each, `None` where none came.
    ///
    /// # Errors
    /// When the request has failed as a whole.
    async fn send(&self, items: &[Self::Item]) -> Result<Vec<Option<BatchPart>>, SystemError>;

    /// Judges the answer to an item, with the answers to all that were sent with it.
    fn judge(
        &self,
        item: &Self::Item,
        part: &BatchPart,
        all: &[(Self::Item, Option<BatchPart>)],
    ) -> Verdict<Self::Item>;
}

/// Writes items, those that fit together side by side, and puts each outcome in its place. Their order decides in which
/// order they are written.
pub async fn in_groups<W: Writer>(writer: &W, items: &[W::Item], outcomes: &mut [Option<Outcome>]) {
    for group in items.chunk_by(|one, other| writer.fit_together(one, other)) {
        let Some((load, size)) = group.first().map(|item| writer.load(item)) else { continue };
        let chunks: Vec<&[W::Item]> = group.chunks(size.max(1)).collect();
        let written = join_all(chunks.iter().map(|chunk| in_time(writer, (load, size), chunk))).await;
        for (chunk, written) in chunks.into_iter().zip(written) {
            for (item, outcome) in paired(writer.table().side, chunk, written) {
                outcomes[writer.place(item)] = Some(outcome);
            }
        }
    }
}

/// The outcomes of a call, in order. What has none was not answered.
pub fn all_settled(side: Side, outcomes: Vec<Option<Outcome>>) -> Vec<Outcome> {
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(unanswered(side)))).collect()
}

/// The failure of a write that was sent in a batch and is missing in the answer.
pub fn unanswered(side: Side) -> SystemError {
    let message = "the batch was answered, but not for this record; whether it was written is not known";
    SystemError::new(side, SystemErrorKind::Unreachable, "", message)
}

/// Items with their outcomes. Where there are fewer or more of these than items, nobody can tell whose they are, and none
/// counts as answered.
fn paired<I>(side: Side, items: &[I], outcomes: Vec<Outcome>) -> impl Iterator<Item = (&I, Outcome)> {
    let outcomes = if outcomes.len() == items.len() { outcomes } else { vec![Err(unanswered(side)); items.len()] };
    items.iter().zip(outcomes)
}

/// Writes items that fit together in pieces that the service answers in time.
async fn in_time<W: Writer>(writer: &W, (load, size): (Load, usize), items: &[W::Item]) -> Vec<Outcome> {
    let again = items.iter().all(|item| writer.repeat(item) == Repeat::Idempotent);
    let full = (&*writer.table().name, load, size);
    let pieces = writer.sizes().in_pieces(full, items, again, |items| in_halves(writer, items)).await;
    let outcomes = |(piece, answer): (&[W::Item], Result<Vec<Outcome>, SystemError>)| {
        answer.unwrap_or_else(|error| vec![Err(error); piece.len()])
    };
    pieces.into_iter().flat_map(outcomes).collect()
}

/// Writes items; when they are refused as a whole for the data of some, in halves.
///
/// # Errors
/// When they are too much for one request.
fn in_halves<'a, W: Writer>(writer: &'a W, items: &'a [W::Item]) -> BoxFuture<'a, Result<Vec<Outcome>, SystemError>> {
    Box::pin(async move {
        match writer.write(items).await {
            Err(error) if items.len() > 1 && writer.blames_data(&error) => {
                let (left, right) = items.split_at(items.len() / 2);
                let mut outcomes = in_halves(writer, left).await?;
                outcomes.extend(in_halves(writer, right).await?);
                Ok(outcomes)
            }
            Err(error) if !is_too_much(&error) => Ok(vec![Err(error); items.len()]),
            answer => answer,
        }
    })
}

/// Sends items that fit together until each has its outcome, or the rounds are used up.
///
/// # Errors
/// When the first request has failed as a whole. Once an answer has come, what it settled stays settled.
pub async fn in_rounds<W: Writer + ?Sized>(writer: &W, items: &[W::Item]) -> Result<Vec<Outcome>, SystemError> {
    let side = writer.table().side;
    let mut outcomes: Vec<Outcome> = vec![Err(unanswered(side)); items.len()];
    let mut open: Vec<(usize, W::Item)> = items.iter().cloned().enumerate().collect();
    let mut round = 1;
    let mut was_answered = false;
    while !open.is_empty() {
        let (numbers, sent): (Vec<usize>, Vec<W::Item>) = open.into_iter().unzip();
        let parts = match writer.send(&sent).await {
            Ok(parts) => parts,
            Err(error) if !was_answered => return Err(error),
            Err(error) => {
                numbers.into_iter().for_each(|number| outcomes[number] = Err(error.clone()));
                break;
            }
        };
        was_answered = true;
        let parts = if parts.len() == sent.len() { parts } else { vec![None; sent.len()] };
        let answers: Vec<(W::Item, Option<BatchPart>)> = sent.into_iter().zip(parts).collect();
        open = Vec::new();
        let mut must_wait = false;
        for (number, (item, part)) in numbers.into_iter().zip(&answers) {
            let Some(part) = part else {
                // The answer was cut. What must not be sent twice may have happened.
                if writer.repeat(item) == Repeat::Idempotent {
                    must_wait = true;
                    open.push((number, item.clone()));
                }
                continue;
            };
            match writer.judge(item, part, &answers) {
                Verdict::Settled(outcome) => outcomes[number] = outcome,
                Verdict::AsBefore => {}
                Verdict::Later(item, error) => {
                    outcomes[number] = Err(error);
                    must_wait = true;
                    open.push((number, item));
                }
                Verdict::Changed(item, error) => {
                    outcomes[number] = Err(error);
                    open.push((number, item));
                }
            }
        }
        if must_wait {
            if round == ROUNDS || writer.identity().back_off(round).await.is_err() {
                break;
            }
            round += 1;
        }
    }
    Ok(outcomes)
}
