//! What is special about a mapping beyond field transfer: one trait with named steps, implemented in one file per mapping.

mod fields;
mod leaving;
mod locks;
mod records;

use std::collections::HashSet;

use async_trait::async_trait;
use couplet_model::decision::TransferredField;
use couplet_model::message::Direction;
use couplet_model::outcome::{DataFailure, FieldNote, Need};
use couplet_model::system::Action;
use couplet_model::table::Side;
use couplet_model::{ActiveMapping, Coupling, Record, RecordId, Switches, SystemError};
use uuid::Uuid;

pub(crate) use self::fields::{put_same, set, set_on_create};
pub(crate) use self::leaving::{AfterDeletion, DELETED, Keeping, Merged, OnDeletion, SourceDeleted, done_with};
pub(crate) use self::locks::{Lock, Locks};
pub(crate) use self::records::{
    AfterWrite, Attempted, BeforeWrite, Match, Transferring, WrittenBeside, is_usable, left_open, opened,
};
use crate::error::EngineError;
use crate::installation::Installation;

/// The mapping and direction a rule works for.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub installation: &'a Installation,
    pub mapping: &'a ActiveMapping,
    pub direction: Direction,
}

/// What keeps one record from travelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// A person must mend it.
    Failure(DataFailure),
    /// Another record must be coupled first.
    Wait(Need),
    /// A rule keeps it where it is; the reason follows "ignored: ".
    Ignore(String),
    /// It does not take part any more: a coupled record loses its partner, which is deleted, and its coupling; an uncoupled
    /// one is kept where it is. The reason follows "ignored: ".
    Leave(String),
    /// Its partner cannot become what it has to be: it is deleted with the coupling, and the record comes again and gets
    /// another one.
    Replace(String),
    /// It was changed at the source since it was read: it comes again, and is read anew.
    Outdated,
}

impl From<DataFailure> for Obstacle {
    fn from(failure: DataFailure) -> Self {
        Self::Failure(failure)
    }
}

/// Actions that belong to the synchronization of a record. Most must not happen twice: what is about to be asked for is
/// stored first, and looked for before it is asked for again.
#[async_trait]
pub(crate) trait Actions: Send + Sync {
    /// The action a record needs after it was written, if it needs one.
    fn wanted(&self, record: &AfterWrite<'_>) -> Option<Action>;

    /// Whether the action of each of these records has happened; one answer per record, in order. Asked in bulk, once.
    async fn happened(&self, context: Context<'_>, records: &[Attempted<'_>]) -> Result<Vec<bool>, EngineError>;
}

/// What is special about a mapping.
#[async_trait]
pub(crate) trait MappingRules: Send + Sync {
    /// Source columns read and watched beside the mapped ones.
    fn source_columns(&self, _direction: Direction) -> &'static [&'static str] {
        &[]
    }

    /// Destination columns read beside the mapped ones.
    fn destination_columns(&self, _direction: Direction) -> &'static [&'static str] {
        &[]
    }

    /// Whether a coupled record still travels when it leaves the filter by this column, because the rules know what it
    /// means for the other side.
    fn keeps_coupled(&self, _direction: Direction, _column: &str) -> bool {
        false
    }

    /// The column that puts a source record outside of what the mapping is about, where a system could not filter by it.
    fn is_outside_by(&self, _direction: Direction, _source: &Record) -> Option<&'static str> {
        None
    }

    /// Whether the base keeps the last value of a watched source column that turned blank, because the destination does: then
    /// the base still says what both sides agreed on.
    fn remembers_when_blank(&self, _direction: Direction, _column: &str) -> bool {
        false
    }

    /// Whether a source record that is untouched means that nothing changed; not where the destination gets values that
    /// are kept in other rows.
    fn record_tells_all(&self, _direction: Direction, _source: &Record, _coupling: &Coupling) -> bool {
        true
    }

    /// Whether records of this direction may leave the destination by [`Obstacle::Leave`]. Then a partner that is gone is
    /// judged after the rules, which may find that this is as it should be.
    fn may_leave(&self, _direction: Direction) -> bool {
        false
    }

    /// Whether the records are told of as they come: what was there before the first run is never told of, not even in a full
    /// synchronization.
    fn tells_news_only(&self) -> bool {
        false
    }

    /// Whether the label of a record of Business Central is a key by which it is known there, no other record having it.
    fn has_key(&self) -> bool {
        true
    }

    /// What people call a source record, where its label alone says too little.
    fn label(&self, _direction: Direction, _source: &Record) -> Option<String> {
        None
    }

    /// Whether a source record that nothing couples says itself that it was at the destination before: then it was uncoupled, and the
    /// job that looks for new ones leaves it alone.
    fn was_there_before(&self, _direction: Direction, _source: &Record) -> bool {
        false
    }

    /// What becomes of the partner when a coupled record was deleted at the source.
    fn on_deletion(&self, _direction: Direction) -> OnDeletion {
        OnDeletion::AsTheMappingSays
    }

    /// Whether records of a direction's source leave it in ordinary work, as orders do when they are posted: then their absence
    /// says nothing of a restored system, and a row that names one which is gone tells that it went.
    fn leave_in_ordinary_work(&self, _direction: Direction) -> bool {
        false
    }

    /// Those of some keys whose records are gone from the source and left something there that says so, such as a posted document,
    /// in the form in which keys are compared. Their absence says nothing of a restored system.
    async fn left_behind_a_trace(
        &self,
        _installation: &Installation,
        _direction: Direction,
        _keys: &[String],
    ) -> Result<HashSet<String>, EngineError> {
        Ok(HashSet::new())
    }

    /// Does in bulk what becomes of the partners of coupled records that were deleted at the source, and notes of each what
    /// becomes of the pair. It may be repeated. Only for [`OnDeletion::AsTheRulesDo`].
    async fn source_deleted(
        &self,
        _context: Context<'_>,
        _records: &mut [SourceDeleted<'_>],
    ) -> Result<(), EngineError> {
        Ok(())
    }

    /// The source column by which the records of a batch are put in order before they are created, if their order matters:
    /// lines of a document that the destination numbers as they come.
    fn ordered_by(&self, _direction: Direction) -> Option<&'static str> {
        None
    }

    /// Whether a record whose partner was deleted at the destination is coupled no more, although the mapping's deletion rule
    /// says nothing.
    fn forgets_deleted_partners(&self) -> bool {
        false
    }

    /// Records at the source that have to travel although nothing shows that they changed, looked for when their feed has
    /// been read: what was left out while something else was missing that is there now.
    async fn also_due(
        &self,
        _installation: &Installation,
        _direction: Direction,
    ) -> Result<Vec<RecordId>, EngineError> {
        Ok(Vec::new())
    }

    /// Brings up to date what belongs to no record of the mapping, when a row that names every record changed, and in every
    /// full synchronization. What the operator should know about it goes into the run's notes.
    async fn refresh(&self, _installation: &Installation) -> Result<Option<String>, EngineError> {
        Ok(None)
    }

    /// Whether a record of a side was merged into another and stays behind without a life of its own.
    fn merged_into(&self, _side: Side, _record: &Record) -> Option<Merged> {
        None
    }

    /// Whether a person has put a record of a side out of use, so that it needs no partner.
    fn is_out_of_use(&self, _side: Side, _record: &Record) -> bool {
        false
    }

    /// Whether the key of a new destination record is made up here, so that a clash with another worker's is no fault
    /// of the record.
    fn makes_up_keys(&self) -> bool {
        false
    }

    /// The key of a Business Central record that a source record claims for itself: its own, or the one a row of Dataverse
    /// holds of its partner. An uncoupled record takes the place of a deleted one with it.
    fn claimed_key(&self, mapping: &ActiveMapping, direction: Direction, source: &Record) -> Option<String> {
        if !self.has_key() {
            return None;
        }
        let column = match direction {
            Direction::ToDataverse => mapping.business_central.label_column.as_deref()?,
            Direction::FromDataverse => self.partner_key_column()?,
        };
        source.get(column).as_text().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Column of Dataverse that holds the key of the Business Central record.
    fn partner_key_column(&self) -> Option<&'static str> {
        None
    }

    /// What the partner of a record is known by at the destination, in words: "the number of the item".
    fn partner_key(&self, _direction: Direction) -> Option<&'static str> {
        None
    }

    /// The key that is unique at the destination and may be changed there: the column it comes from, and its column there,
    /// which is long enough for all of it.
    fn unique_column(&self, _direction: Direction) -> Option<(&'static str, &'static str)> {
        None
    }

    /// The records of the source system whose place uncoupled ones take although those are still there, such as earlier
    /// revisions of a quote; for each source those that may be meant, the likeliest first.
    async fn takes_over_from(
        &self,
        _context: Context<'_>,
        sources: &[&Record],
    ) -> Result<Vec<Vec<RecordId>>, EngineError> {
        Ok(sources.iter().map(|_| Vec::new()).collect())
    }

    /// Why records of this mapping are not matched by fields that a person chooses; `None` where they are.
    fn why_never_matched(&self) -> Option<&'static str> {
        None
    }

    /// Whether the mapping is a line of a full synchronization of the installation (R167).
    fn belongs_to_full_synchronization(&self) -> bool {
        !self.tells_news_only()
    }

    /// Mappings whose partners of the same records of Business Central hold something about pairs of this one: they are looked at
    /// when a person has ended such a pair.
    fn hang_on_pairs(&self) -> &'static [&'static str] {
        &[]
    }

    /// Rows of Dataverse that every organization has, so that they say nothing of whether people have entered some (R173, R174).
    fn rows_of_every_organization(&self) -> u64 {
        0
    }

    /// Whether an uncoupled record may take such a place although the filter leaves it out.
    fn may_take_a_place(&self, _source: &Record) -> bool {
        false
    }

    /// Keeps at the destination what the partners of some records hold, before something is done to them: one result per pair,
    /// in order. It may be repeated.
    async fn keep_versions(
        &self,
        _context: Context<'_>,
        pairs: &[&Coupling],
        _before: Keeping,
    ) -> Vec<Result<(), SystemError>> {
        pairs.iter().map(|_| Ok(())).collect()
    }

    /// Finds destination records that uncoupled source records belong to; one answer per source.
    async fn find_existing(&self, _context: Context<'_>, sources: &[&Record]) -> Result<Vec<Match>, EngineError> {
        Ok(sources.iter().map(|_| Ok(None)).collect())
    }

    /// Reads what the records of a batch need.
    async fn prepare(
        &self,
        context: Context<'_>,
        sources: &[Transferring<'_>],
    ) -> Result<Box<dyn BatchRules>, EngineError>;

    /// Whether a document has to be opened at the destination before it or its lines are written, and closed afterwards.
    fn opens_documents(&self) -> bool {
        false
    }

    /// How rows of Dataverse are opened that are locked in some of their states; `None` where nothing locks them.
    fn locks(&self) -> Option<&'static dyn Locks> {
        None
    }

    /// Whether such a document takes changes as it was read at the destination: then a person has it open, who closes it.
    fn is_open_document(&self, _direction: Direction, _document: &Record) -> bool {
        false
    }

    /// Makes documents at the destination ready for changes of their lines, such as by reopening them; one result per document,
    /// in order. Asked of the rules of lines in bulk, once, about the documents of which lines are about to be created, changed
    /// or deleted. It may be repeated.
    async fn open_documents(&self, _context: Context<'_>, documents: &[RecordId]) -> Vec<Result<(), SystemError>> {
        documents.iter().map(|_| Ok(())).collect()
    }

    /// What the id of a record that is made in a direction is derived with, beside the mapping and its source: another word
    /// where a record that was made before must not be taken for it.
    fn made(&self, direction: Direction, _switches: &Switches) -> &'static str {
        direction.as_str()
    }

    /// The key of the record of this mapping that a record of another one names by a value, where the value alone does not
    /// tell.
    fn key_named(&self, _value: &str, _by: &Record) -> Option<String> {
        None
    }

    /// What records of other mappings name the record with a key by.
    fn name_of_key<'k>(&self, key: &'k str) -> &'k str {
        key
    }

    /// Rows of Dataverse that nobody coupled and other mappings may refer to nevertheless, each with what records of Business
    /// Central name it by.
    async fn stand_ins(
        &self,
        _installation: &Installation,
        _rows: &[RecordId],
    ) -> Result<Vec<(RecordId, String)>, EngineError> {
        Ok(Vec::new())
    }

    /// Records of this mapping that other mappings may refer to without a coupling: their Business Central key (blank
    /// for the blank code) and their row in Dataverse.
    async fn standing_pairs(&self, _installation: &Installation) -> Result<Vec<(String, Uuid)>, EngineError> {
        Ok(Vec::new())
    }
}

/// The rules of a mapping, ready for the records of one batch.
#[async_trait]
pub(crate) trait BatchRules: Send + Sync {
    /// Whether a record takes part, judged by what was read; before its fields are transferred.
    fn admit(&self, _record: Transferring<'_>) -> Result<(), Obstacle> {
        Ok(())
    }

    /// Adds to and corrects what the field rows transferred (the "additional fields" of R144).
    fn adjust(&self, record: Transferring<'_>, fields: &mut Vec<TransferredField>) -> Result<(), Obstacle>;

    /// Takes out fields whose value the destination would refuse, and says of each why; the rest of the record travels.
    fn leave_behind(&self, _record: Transferring<'_>, _fields: &mut Vec<TransferredField>) -> Vec<FieldNote> {
        Vec::new()
    }

    /// Destination columns that are written together with another one, because the destination changes them when that
    /// one alone is written: each such one, and the others.
    fn travel_together(&self) -> &'static [(&'static str, &'static [&'static str])] {
        &[]
    }

    /// Does in bulk what must come before the writes, such as reopening a document, and notes of each record whether it may
    /// be written. It may be repeated.
    async fn before_write(&self, _context: Context<'_>, _records: &mut [BeforeWrite<'_>]) {}

    /// Actions that belong to the synchronization of a record.
    fn actions(&self) -> Option<&dyn Actions> {
        None
    }

    /// Closes documents that were opened for a change and of which a line is left behind, as they were before; one answer per
    /// document, in order, whether it is closed. It may be repeated.
    async fn close_behind(&self, _context: Context<'_>, documents: &mut [AfterWrite<'_>]) -> Vec<bool> {
        documents.iter().map(|_| false).collect()
    }

    /// Does in bulk what must follow the writes, and notes of each record what came of it. It may be repeated.
    async fn after_write(&self, _context: Context<'_>, _records: &mut [AfterWrite<'_>]) {}
}

/// Rules that add nothing.
pub(crate) struct NothingSpecial;

#[async_trait]
impl BatchRules for NothingSpecial {
    fn adjust(&self, _record: Transferring<'_>, _fields: &mut Vec<TransferredField>) -> Result<(), Obstacle> {
        Ok(())
    }
}
