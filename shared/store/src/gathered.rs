//! What a run has gathered of the records that it matches, so that its next invocation need not read them again, and steps of a
//! run that are counted once however often they are taken.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use couplet_model::{CompanyId, Counters, RunId, Side};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::Store;
use crate::error::StoreError;
use crate::item::{EXPIRES, check_size, count_of, expiry, number, text, text_if_any, text_of};
use crate::keys;
use crate::requests::{Overwrite, Range};
use crate::terms::Terms;
use crate::transaction::{Group, Verdict};

/// How long it is kept after it was gathered: long enough to look at what was found.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Bytes of a page in one item; DynamoDB takes 400 KB.
const CHUNK: usize = 300_000;
/// Attribute with the bytes of a chunk.
const BYTES: &str = "bytes";

/// One page of what was gathered of a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatheredPage {
    /// Its place, from 0.
    pub number: u32,
    /// What was gathered.
    pub bytes: Vec<u8>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<String>,
}

impl Store {
    /// Adds a page to what a run has gathered of a side. `false`: another worker has stored a page in this place, which counts.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn add_gathered(
        &self,
        company: CompanyId,
        run: RunId,
        side: Side,
        page: &GatheredPage,
    ) -> Result<bool, StoreError> {
        // Two workers may read the same page, and not find the same in it: each writes chunks of its own, and one page counts.
        let attempt = Uuid::now_v7();
        let expires = expiry(self.now(), KEPT);
        let mut writes = Vec::new();
        for (place, chunk) in page.bytes.chunks(CHUNK).enumerate() {
            let key = keys::gathered_chunk(company, run, side, attempt, place);
            let mut item = key.attributes();
            item.insert(BYTES.to_owned(), AttributeValue::B(Blob::new(chunk)));
            item.insert(EXPIRES.to_owned(), expires.clone());
            check_size(&item, || "records that are matched".to_owned())?;
            writes.push(Overwrite::Put(item));
        }
        self.overwrite(writes).await?;
        let key = keys::gathered(company, run, side, page.number);
        let mut item = key.attributes();
        item.insert("attempt".to_owned(), text(attempt.to_string()));
        item.insert("chunks".to_owned(), number(page.bytes.chunks(CHUNK).count()));
        item.extend(page.next.as_ref().map(|next| ("next_page".to_owned(), text(next))));
        item.insert(EXPIRES.to_owned(), expires);
        let action = self.put((), key, item, &Terms::absent())?;
        let verdicts = self.transact(&[Group { id: 0, actions: vec![action] }], None).await?;
        Ok(matches!(verdicts.as_slice(), [(_, Verdict::Applied)]))
    }

    /// The pages that a run has gathered of a side from a place on, in order.
    ///
    /// # Errors
    /// When the store cannot be read, or a page is not whole.
    pub async fn gathered(
        &self,
        company: CompanyId,
        run: RunId,
        side: Side,
        from: u32,
    ) -> Result<Vec<GatheredPage>, StoreError> {
        let mut range = Range::starting(keys::gathered_pk(company, run), keys::gathered_prefix(side));
        range.after = from.checked_sub(1).map(|before| keys::gathered(company, run, side, before).sk);
        let mut pages = Vec::new();
        for (head, number) in self.query(range).await?.iter().zip(from..) {
            let attempt = text_of(head, "attempt")?;
            let chunks = Range::starting(keys::gathered_pk(company, run), keys::gathered_chunks_prefix(side, attempt));
            let chunks = self.query(chunks).await?;
            if chunks.len() as u64 != count_of(head, "chunks")? {
                return Err(StoreError::corrupt("records that are matched", &"a part of them is missing"));
            }
            let bytes = chunks.iter().filter_map(|chunk| chunk.get(BYTES)?.as_b().ok()).flat_map(|part| part.as_ref());
            let next = text_if_any(head, "next_page").map(str::to_owned);
            pages.push(GatheredPage { number, bytes: bytes.copied().collect(), next });
        }
        Ok(pages)
    }

    /// Adds to a run what one step of it has enqueued and judged, once however often the step is taken.
    ///
    /// # Errors
    /// When the store cannot be written.
    #[expect(clippy::too_many_arguments, reason = "as what a run counts, and the step")]
    pub async fn add_step_to_run(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        step: &str,
        enqueued: u64,
        judged_to: Counters,
        judged_from: Counters,
    ) -> Result<(), StoreError> {
        let Some(counting) = self.adding_to_run(company, job, run, enqueued, judged_to, judged_from)? else {
            return Ok(());
        };
        let key = keys::gathered_step(company, run, step);
        let mut item = key.attributes();
        item.insert(EXPIRES.to_owned(), expiry(self.now(), KEPT));
        let mark = self.put((), key, item, &Terms::absent())?;
        // Refused means that the step was counted, or that the run has expired.
        self.transact(&[Group { id: 0, actions: vec![mark, counting] }], None).await?;
        Ok(())
    }
}
