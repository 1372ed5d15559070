//! What is known of headers and of their lines while these are synchronized.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_model::catalogue::DocumentLines;
use couplet_model::comparing::folded;
use couplet_model::decision::{TransferredField, Travel};
use couplet_model::ids::derived_id;
use couplet_model::table::{Column, Side};
use couplet_model::{Coupling, MappingName, Outcome, Record, RecordId, SystemError, SystemId, Value};

use super::stages::Decided;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::Context;

/// Role, among the further rows of a header's pair, of a line that is about to be deleted; its id at the source follows.
pub(super) const LEAVING: &str = "leaving line ";

/// The lines that belong to the headers of a batch.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub lines: &'a DocumentLines,
    pub mapping: &'a InstalledMapping,
}

/// A header that was written.
pub(super) struct Header {
    pub decided: Decided,
    /// How its lines at the destination name it.
    pub name: Value,
    /// Its lines that are gone at the source.
    pub leaving: Vec<Coupling>,
}

/// A header as its lines see it.
pub(super) struct LinesDocument {
    /// What names it.
    pub name: Value,
    /// Its pair as this worker holds it.
    pub coupling: Coupling,
    /// Whether it was created just now, and so is open.
    pub is_new: bool,
    /// Whether it was open when it was read.
    pub is_open: bool,
}

/// How the lines of one header have ended.
#[derive(Default)]
pub(super) struct Findings {
    /// The outcome of the worst line that is not as it should be.
    pub worst: Option<Outcome>,
    pub any_written: bool,
}

impl Findings {
    /// Takes over an outcome if it is worse than what was found before.
    pub fn add(&mut self, outcome: Outcome) {
        let badness = |outcome: &Outcome| match outcome {
            Outcome::Failed(_) => 3,
            Outcome::Conflict(_) => 2,
            Outcome::Waiting(_) | Outcome::WaitingInVain(_) => 1,
            _ => 0,
        };
        if self.worst.as_ref().is_none_or(|worst| badness(&outcome) > badness(worst)) {
            self.worst = Some(outcome);
        }
    }
}

/// What a batch of lines knows beyond the lines themselves.
pub(super) struct LinesOfHeaders {
    /// The mapping of the headers.
    pub headers: MappingName,
    /// Whether a header has to be opened before its lines are written.
    pub opens_documents: bool,
    /// By which columns a line names its header.
    pub names: DocumentLines,
    /// What the headers are referred to by, each with what that becomes at the destination. Their couplings may not be
    /// stored yet.
    pub references: Vec<(String, Value)>,
    /// The column of a line at the destination that names its header.
    pub column: Arc<Column>,
    /// What that column holds, by the line's place in the batch.
    pub named: Vec<Value>,
    /// The header of each line in Business Central, by the line's place in the batch.
    pub of: Vec<SystemId>,
    /// The headers by their places among the headers' batch.
    pub documents: HashMap<usize, LinesDocument>,
    /// The lines of the headers at the destination.
    pub there: HashMap<RecordId, Record>,
    /// Pairs of lines that are gone at the source, each with the place of its header among the headers' batch.
    pub leaving: Vec<(usize, Coupling)>,
    /// The same after they were deleted at the destination, or could not be.
    pub deleted: Vec<(usize, Coupling, Result<(), SystemError>)>,
}

impl LinesOfHeaders {
    /// The column of a line of a side that names its header.
    pub fn header_column(&self, side: Side) -> &str {
        &self.names.header_name(side).column
    }

    /// Sets the header of a line: a new one belongs to it from the beginning, and no line changes its document.
    pub fn name_header(&self, line: usize, fields: &mut Vec<TransferredField>) {
        let Some(name) = self.named.get(line) else { return };
        match fields.iter_mut().find(|field| field.destination.name == self.column.name) {
            Some(field) => field.desired = name.clone(),
            None => fields.push(TransferredField {
                source: None,
                destination: Arc::clone(&self.column),
                desired: name.clone(),
                travel: Travel::OnCreateOnly,
            }),
        }
    }

    /// The lines at the destination that these were made into, or were made from; one answer per line. They are among
    /// those that were read with the headers.
    pub fn partners(&self, context: Context<'_>, lines: &[RecordId]) -> Vec<Option<RecordId>> {
        let (company, mapping) = (context.installation.company(), &context.mapping.name);
        let derived =
            |direction: couplet_model::message::Direction, id| derived_id(company, mapping, direction.as_str(), id);
        let makers: HashMap<RecordId, RecordId> =
            self.there.keys().map(|id| (derived(context.direction.reverse(), *id), *id)).collect();
        let partner = |line: &RecordId| {
            let made = derived(context.direction, *line);
            self.there.contains_key(&made).then_some(made).or_else(|| makers.get(line).copied())
        };
        lines.iter().map(partner).collect()
    }
}

/// A name as names are compared.
pub(super) fn key_of(name: &Value) -> String {
    name.as_guid().map_or_else(|| folded(&name.to_string()), |id| id.to_string())
}
