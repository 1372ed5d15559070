//! Cursors: up to where the changes of a system have been read.

use couplet_model::message::Direction;
use couplet_model::system::Cursor;
use couplet_model::{CompanyId, MappingName};

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, DATA, text, text_of};
use crate::keys;
use crate::requests::{Overwrite, Updated};
use crate::terms::Terms;

fn json(cursor: &Cursor) -> Result<String, StoreError> {
    serde_json::to_string(cursor).map_err(|error| StoreError::corrupt("a cursor", &error))
}

impl Store {
    /// Where the next read of a mapping in one direction starts; `None` at the beginning.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn cursor(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        direction: Direction,
    ) -> Result<Option<Cursor>, StoreError> {
        self.read(&keys::cursor(company, mapping, direction)).await?.as_ref().map(item::data).transpose()
    }

    /// Moves the cursor if it still stands where it was read; `None` means that there was none. `false`: somebody else
    /// moved it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn move_cursor(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        direction: Direction,
        expected: Option<&Cursor>,
        next: &Cursor,
    ) -> Result<bool, StoreError> {
        let next = json(next)?;
        let terms = Terms::update_with("SET #data = :next").name(DATA).value("next", text(next.clone()));
        let terms = match expected {
            Some(expected) => terms.when("#data = :expected").value("expected", text(json(expected)?)),
            None => terms.when("attribute_not_exists(#data)"),
        };
        match self.update(&keys::cursor(company, mapping, direction), &terms).await? {
            Updated::Done(_) => Ok(true),
            // It may have been this very move, whose answer was lost on the way.
            Updated::Refused(Some(standing)) => Ok(text_of(&standing, DATA)? == next),
            Updated::Refused(None) => Ok(false),
        }
    }

    /// Removes both cursors of a mapping: its next run reads everything.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn clear_cursors(&self, company: CompanyId, mapping: &MappingName) -> Result<(), StoreError> {
        let keys = Direction::BOTH.map(|direction| keys::cursor(company, mapping, direction));
        self.overwrite(keys.map(Overwrite::Delete).into()).await
    }
}
