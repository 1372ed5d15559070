//! How much one request may hold, learned from requests that took too long: halved down to one, remembered for each table,
//! and tried larger again after a while.

use std::collections::BTreeMap;
use std::future::Future;

use couplet_model::system::{SystemError, SystemErrorKind};
use parking_lot::{Mutex, MutexGuard};

/// Requests of the size that works before a larger one is tried.
const SUCCESSES_BEFORE_GROWTH: u32 = 16;
/// Single records that take too long, one after the other, before the rest is not tried: then it is no matter of size.
const SLOW_SINGLES: u32 = 2;

/// A piece of what was sent, and its answer.
pub type Piece<'a, T, O> = (&'a [T], Result<O, SystemError>);

/// What all pieces together gave, or the first failure.
///
/// # Errors
/// The failure of the first piece that has one.
pub fn all_of_them<T, R>(pieces: Vec<Piece<'_, T, Vec<R>>>) -> Result<Vec<R>, SystemError> {
    let mut all = Vec::new();
    for (_, piece) in pieces {
        all.extend(piece?);
    }
    Ok(all)
}

/// What a request holds many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// Records in a page that is read.
    Page,
    /// Ids asked for by name.
    Ids,
    /// Queries in one batch.
    Queries,
    /// Records in a bulk message.
    Bulk,
    /// Operations in a batch that writes.
    Batch,
}

#[derive(Clone, Copy, Debug)]
struct Size {
    most: usize,
    successes: u32,
}

/// The sizes that work, by table and load. Kept as long as the client lives.
#[derive(Debug, Default)]
pub struct Sizes {
    learned: Mutex<BTreeMap<(String, Load), Size>>,
}

impl Sizes {
    fn learned(&self) -> MutexGuard<'_, BTreeMap<(String, Load), Size>> {
        self.learned.lock()
    }

    /// The most one request may hold, `full` when nothing speaks against it; at least one.
    pub fn allowed(&self, table: &str, load: Load, full: usize) -> usize {
        let learned = self.learned().get(&(table.to_owned(), load)).map_or(usize::MAX, |size| size.most);
        learned.min(full).max(1)
    }

    /// A request that held this many took too long.
    pub fn was_too_much(&self, table: &str, load: Load, size: usize) {
        let most = (size / 2).max(1);
        let mut learned = self.learned();
        let known = learned.entry((table.to_owned(), load)).or_insert(Size { most, successes: 0 });
        *known = Size { most: known.most.min(most), successes: 0 };
        tracing::info!(table, load = ?load, size, next = known.most, "a request took too long and is sent in smaller pieces");
    }

    /// A request that held this many was answered in time.
    pub fn went_through(&self, table: &str, load: Load, size: usize) {
        let mut learned = self.learned();
        let Some(known) = learned.get_mut(&(table.to_owned(), load)).filter(|known| size >= known.most) else { return };
        known.successes += 1;
        if known.successes >= SUCCESSES_BEFORE_GROWTH {
            *known = Size { most: known.most + known.most.div_ceil(2), successes: 0 };
        }
    }

    /// Sends items in pieces of the size that works: what takes too long is sent again in halves, down to one. With
    /// `again` unset a piece of unknown effect is not sent again, only remembered. Each piece comes with its answer, in
    /// order.
    pub async fn in_pieces<'a, T, O, Sent>(
        &self,
        (table, load, full): (&str, Load, usize),
        items: &'a [T],
        again: bool,
        send: impl Fn(&'a [T]) -> Sent,
    ) -> Vec<Piece<'a, T, O>>
    where
        Sent: Future<Output = Result<O, SystemError>>,
    {
        let mut pieces = Vec::new();
        let mut rest = items;
        let mut slow_singles = 0;
        while !rest.is_empty() {
            let size = self.allowed(table, load, full).min(rest.len());
            let (piece, others) = rest.split_at(size);
            let answer = send(piece).await;
            match &answer {
                Ok(_) => {
                    self.went_through(table, load, size);
                    slow_singles = 0;
                }
                Err(error) if is_too_much(error) && size > 1 => {
                    self.was_too_much(table, load, size);
                    if again {
                        continue;
                    }
                }
                Err(error) if is_too_much(error) => slow_singles += 1,
                Err(_) => {}
            }
            rest = others;
            let given_up = answer.as_ref().err().filter(|_| slow_singles >= SLOW_SINGLES).cloned();
            pieces.push((piece, answer));
            if let Some(error) = given_up.filter(|_| !rest.is_empty()) {
                pieces.push((rest, Err(error)));
                break;
            }
        }
        pieces
    }
}

/// Pages of one query after which it is taken to have no end: 20 million records of Business Central, 5 million rows of
/// Dataverse, at full size.
const MOST_PAGES: usize = 1000;

/// The pages of one query that is being read to its end: bounded, so that a service that leads in circles ends in a clear
/// failure.
#[derive(Debug, Default)]
pub struct PageCount {
    pages: usize,
}

impl PageCount {
    /// What is wrong with going on to the next page, if anything. `size` of `full` records were asked for in a page.
    pub fn objection(&mut self, this: &str, next: Option<&str>, size: usize, full: usize) -> Option<String> {
        self.pages += 1;
        let next = next?;
        if next == this {
            return Some("the link to the next page leads back to the same page".to_owned());
        }
        // Smaller pages after a timeout are more pages.
        let most = MOST_PAGES.saturating_mul(full.div_ceil(size.max(1)).max(1));
        (self.pages >= most).then(|| format!("a query has more than {most} pages"))
    }
}

/// Whether less at once may pass where this failed.
pub fn is_too_much(error: &SystemError) -> bool {
    matches!(error.kind, SystemErrorKind::Timeout | SystemErrorKind::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use couplet_model::table::Side;
    use std::cell::RefCell;

    fn slow() -> SystemError {
        SystemError::new(Side::Dataverse, SystemErrorKind::Timeout, "", "504")
    }

    #[test]
    fn f26_pages_that_lead_in_circles_come_to_an_end() {
        assert!(PageCount::default().objection("/a", Some("/a"), 10, 10).is_some());
        assert_eq!(PageCount::default().objection("/a", None, 10, 10), None);
        for (size, full, expected) in [(10, 10, 1000), (5, 10, 2000), (5000, 5000, 1000)] {
            let mut count = PageCount::default();
            let pages = (1..10_000).find(|page| {
                let (this, next) = (format!("/{page}"), format!("/{}", page + 1));
                count.objection(&this, Some(&next), size, full).is_some()
            });
            assert_eq!(pages, Some(expected), "{size} of {full}");
        }
    }

    #[test]
    fn f19_a_size_halves_down_to_one_and_grows_again_slowly() {
        let sizes = Sizes::default();
        let allowed = || sizes.allowed("account", Load::Bulk, 1000);
        assert_eq!(allowed(), 1000);
        for (size, expected) in [(1000, 500), (500, 250), (400, 200), (1000, 200), (3, 1), (1, 1)] {
            sizes.was_too_much("account", Load::Bulk, size);
            assert_eq!(allowed(), expected, "{size}");
        }
        assert_eq!(sizes.allowed("contact", Load::Bulk, 1000), 1000, "each table has its own");
        assert_eq!(sizes.allowed("account", Load::Page, 1000), 1000, "each load has its own");
        let mut seen = Vec::new();
        for _ in 0..SUCCESSES_BEFORE_GROWTH * 30 {
            sizes.went_through("account", Load::Bulk, allowed());
            if seen.last() != Some(&allowed()) {
                seen.push(allowed());
            }
        }
        assert_eq!(seen[..5], [1, 2, 3, 5, 8]);
        assert_eq!(seen.last(), Some(&1000));
    }

    /// Sends 1,000 items to a service that is too slow for more than `most`; gives the sizes sent and what arrived.
    async fn sent(most: usize, again: bool) -> (Vec<usize>, Vec<usize>) {
        let sizes = Sizes::default();
        let items: Vec<usize> = (0..1000).collect();
        let tried = RefCell::new(Vec::new());
        let pieces = sizes
            .in_pieces(("account", Load::Bulk, 1000), &items, again, |piece| {
                tried.borrow_mut().push(piece.len());
                let answer = if piece.len() <= most { Ok(piece.to_vec()) } else { Err(slow()) };
                async { answer }
            })
            .await;
        assert_eq!(pieces.iter().map(|(piece, _)| piece.len()).sum::<usize>(), 1000, "every item has its answer");
        let arrived = pieces.into_iter().filter_map(|(_, answer)| answer.ok()).flatten().collect();
        (tried.into_inner(), arrived)
    }

    #[tokio::test]
    async fn f19_everything_arrives_in_the_size_that_works() {
        for most in [1000, 999, 200, 7, 1] {
            let (tried, arrived) = sent(most, true).await;
            assert_eq!(arrived, (0..1000).collect::<Vec<_>>(), "{most}");
            assert!(tried.len() <= 12 + 3 * 1000 / most, "{most}: {} requests", tried.len());
        }
    }

    #[tokio::test]
    async fn f19_a_service_that_answers_nothing_is_not_asked_a_thousand_times() {
        let (tried, arrived) = sent(0, true).await;
        assert_eq!(tried, [1000, 500, 250, 125, 62, 31, 15, 7, 3, 1, 1]);
        assert!(arrived.is_empty());
    }

    #[tokio::test]
    async fn f19_what_must_not_be_sent_twice_is_only_remembered() {
        let (tried, arrived) = sent(600, false).await;
        assert_eq!((tried, arrived.len()), (vec![1000], 0));
    }
}
