//! Why messages became dead letters: the queue keeps the message, not the reason.

use std::collections::HashMap;

use couplet_model::CompanyId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, EXPIRES, expiry, with_data};
use crate::keys;
use crate::requests::Overwrite;

/// Queues keep a message for 14 days at most; its reason outlives it by a day.
const KEPT: SignedDuration = SignedDuration::from_hours(15 * 24);
/// Characters of a reason that are kept; the first lines say what is wrong.
const LONGEST_REASON: usize = 2_000;

/// Why the queue gave up on a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Id the queue gave the message; it keeps it among the dead letters.
    pub message_id: String,
    /// Why its last delivery failed.
    pub reason: String,
    /// When that was.
    pub at: Timestamp,
}

impl Store {
    /// Notes why messages are about to become dead letters. The same message twice keeps the later reason.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn note_dead_letters(&self, company: CompanyId, letters: &[DeadLetter]) -> Result<(), StoreError> {
        let mut items = HashMap::with_capacity(letters.len());
        for letter in letters {
            let reason = letter.reason.chars().take(LONGEST_REASON).collect();
            let letter = DeadLetter { reason, ..letter.clone() };
            let key = keys::dead_letter(company, &letter.message_id);
            let mut item = with_data(&key, "a dead letter", &letter)?;
            item.insert(EXPIRES.to_owned(), expiry(letter.at, KEPT));
            items.insert(key, item);
        }
        self.overwrite(items.into_values().map(Overwrite::Put).collect()).await
    }

    /// Why these messages became dead letters, by message id. Messages nobody could note, because their function died
    /// with them, are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn dead_letters(
        &self,
        company: CompanyId,
        message_ids: &[String],
    ) -> Result<HashMap<String, DeadLetter>, StoreError> {
        let items = self.read_many(message_ids.iter().map(|id| keys::dead_letter(company, id))).await?;
        let letters = items.values().map(item::data::<DeadLetter>).collect::<Result<Vec<_>, _>>()?;
        Ok(letters.into_iter().map(|letter| (letter.message_id.clone(), letter)).collect())
    }
}
