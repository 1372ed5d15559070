//! Opening documents of which lines are about to be created, changed or deleted. That a document is opened is noted in its
//! pair first, so that whoever comes after a crash closes it, and closes none that a person has open.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use couplet_model::system::SystemErrorKind;
use couplet_model::table::Side;
use couplet_model::{Coupling, Record, RecordId, SystemError, Value};
use couplet_store::Claim;
use uuid::Uuid;

use super::batch::{Batch, Stop};
use super::header_lines::{Findings, Header};
use super::stages::Decided;
use crate::bulk::paired;
use crate::mappings::installed::InstalledMapping;
use crate::mappings::rules::{AfterWrite, BatchRules, WrittenBeside, left_open, opened};

/// Notes in a pair that its document on a side is about to be changed: the document's id where it is opened for that and has to be
/// closed again, and nobody's where a person has it open. Gives whether the pair says something new.
pub(super) fn note_change(pair: &mut Coupling, side: Side, is_open: bool) -> bool {
    let document = pair.id(side).0;
    let is_ours = [opened(side), left_open(side)].into_iter().any(|role| pair.related.get(role) == Some(&document));
    let mark = if is_open && !is_ours { Uuid::nil() } else { document };
    let was_left = pair.related.remove(left_open(side)).is_some();
    pair.related.insert(opened(side).to_owned(), mark) != Some(mark) || was_left
}

impl Batch<'_> {
    /// Whether a document at the destination takes changes as it is.
    pub(super) fn is_open_document(&self, mapping: &InstalledMapping, document: Option<&Record>) -> bool {
        document.is_some_and(|document| mapping.rules.is_open_document(self.direction, document))
    }

    /// Makes the documents of lines ready. Gives the lines that may be written; what keeps a document closed is told of each of
    /// its lines.
    pub(super) async fn open_documents(&mut self, decided: Vec<Decided>) -> Result<Vec<Decided>, Stop> {
        let Some(lines) = self.lines.as_ref().filter(|lines| lines.opens_documents) else { return Ok(decided) };
        let by_name: HashMap<RecordId, usize> = lines
            .documents
            .iter()
            .filter(|(_, document)| !document.is_new)
            .filter_map(|(header, document)| Some((RecordId(document.name.as_guid()?), *header)))
            .collect();
        let of_line = |line: &Decided| {
            let name = lines.named.get(line.index).and_then(Value::as_guid)?;
            line.verdict.values().is_some().then_some(by_name.get(&RecordId(name)).copied()?)
        };
        let of_lines: Vec<Option<usize>> = decided.iter().map(of_line).collect();
        let leaving = lines.leaving.iter().map(|(header, _)| *header);
        let of_documents: BTreeSet<usize> = of_lines.iter().flatten().copied().chain(leaving).collect();
        let mut concerned: BTreeMap<usize, RecordId> = by_name
            .into_iter()
            .filter(|(_, header)| of_documents.contains(header))
            .map(|(id, header)| (header, id))
            .collect();
        if concerned.is_empty() {
            return Ok(decided);
        }
        let mut refused = self.note_opening(concerned.keys().copied().collect()).await?;
        concerned.retain(|header, _| !refused.contains_key(header));
        let documents: Vec<RecordId> = concerned.values().copied().collect();
        let results = self.mapping.rules.open_documents(self.context(), &documents).await;
        let answered = paired("documents that were opened", concerned.into_keys().collect(), results)?;
        refused.extend(answered.into_iter().filter_map(|(header, result)| Some((header, result.err()?))));
        Ok(self.without_refused(decided, &of_lines, &refused))
    }

    /// Notes in the pairs of headers that they are about to be opened; gives those that another worker changed meanwhile.
    async fn note_opening(&mut self, headers: Vec<usize>) -> Result<HashMap<usize, SystemError>, Stop> {
        let (engine, side) = (self.engine, self.direction.destination());
        let mut refused = HashMap::new();
        let Some(lines) = self.lines.as_mut() else { return Ok(refused) };
        let unmarked = headers.into_iter().filter_map(|header| {
            let document = lines.documents.get(&header)?;
            let mut coupling = document.coupling.clone();
            note_change(&mut coupling, side, document.is_open).then_some((header, coupling))
        });
        let (headers, couplings): (Vec<usize>, Vec<Coupling>) = unmarked.unzip();
        if couplings.is_empty() {
            return Ok(refused);
        }
        let results = engine.store().claim(engine.company(), &lines.headers, &couplings).await?;
        for (header, result) in paired("notes on documents", headers, results)? {
            match result {
                Claim::Claimed(coupling) => {
                    if let Some(document) = lines.documents.get_mut(&header) {
                        document.coupling = coupling;
                    }
                }
                Claim::Stale => {
                    let why = "another worker changed the pair of its document meanwhile";
                    refused.insert(header, SystemError::new(side, SystemErrorKind::VersionConflict, "", why));
                }
            }
        }
        Ok(refused)
    }

    /// Closes the documents that were opened for a change and of which a line is left behind, so that people can work with them
    /// until that is mended. What is new stays open, because it is not whole yet.
    pub(super) async fn close_behind(
        &mut self,
        headers: &mut [Header],
        findings: &HashMap<usize, Findings>,
        rules: &dyn BatchRules,
    ) {
        let side = self.direction.destination();
        let is_behind = |header: &Header| {
            let decided = &header.decided;
            findings.get(&decided.index).is_some_and(|findings| findings.worst.is_some())
                && self.delivered[decided.index].end.is_none()
                && decided.coupling.related.contains_key(opened(side))
                && !decided.is_new_on(side)
        };
        let mut behind: Vec<&mut Header> = headers.iter_mut().filter(|header| is_behind(header)).collect();
        if behind.is_empty() {
            return;
        }
        let mut documents: Vec<AfterWrite<'_>> = behind
            .iter()
            .map(|header| AfterWrite {
                source: &header.decided.source,
                destination: header.decided.coupling.id(side),
                created: false,
                written: header.decided.written.is_some(),
                coupling: &header.decided.coupling,
                fields: &header.decided.fields,
                beside: Ok(WrittenBeside::default()),
            })
            .collect();
        let closed = rules.close_behind(self.context(), &mut documents).await;
        // One answer per document; of those without one nothing is known.
        for (header, is_closed) in behind.iter_mut().zip(closed) {
            if is_closed {
                header.decided.coupling.related.remove(opened(side));
            }
        }
    }

    /// Takes out the lines of documents that could not be opened.
    fn without_refused(
        &mut self,
        decided: Vec<Decided>,
        of_lines: &[Option<usize>],
        refused: &HashMap<usize, SystemError>,
    ) -> Vec<Decided> {
        if refused.is_empty() {
            return decided;
        }
        if let Some(lines) = &mut self.lines {
            for (header, pair) in std::mem::take(&mut lines.leaving) {
                match refused.get(&header) {
                    Some(error) => lines.deleted.push((header, pair, Err(error.clone()))),
                    None => lines.leaving.push((header, pair)),
                }
            }
        }
        let mut open = Vec::with_capacity(decided.len());
        // One header, or none, was found of each line.
        for (line, header) in decided.into_iter().zip(of_lines) {
            match header.and_then(|header| refused.get(&header)) {
                Some(error) => self.refuse(line, error, "; its document could not be opened for the change"),
                None => open.push(line),
            }
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::pair;

    #[test]
    fn a_document_that_a_person_has_open_stays_open_and_one_that_was_opened_for_a_change_is_closed() {
        let side = Side::BusinessCentral;
        let nobodys = Uuid::nil();
        let document = pair(7, 8, "ORDER").system_id.0;
        for (opened_before, left_before, is_open, expected, is_news) in [
            (None, None, false, document, true),
            (None, None, true, nobodys, true),
            (Some(nobodys), None, true, nobodys, false),
            (Some(nobodys), None, false, document, true),
            (Some(document), None, true, document, false),
            (Some(document), None, false, document, false),
            (None, Some(document), true, document, true),
            (None, Some(document), false, document, true),
        ] {
            let mut pair = pair(7, 8, "ORDER");
            let roles = [(opened(side), opened_before), (left_open(side), left_before)];
            pair.related.extend(roles.into_iter().filter_map(|(role, id)| Some((role.to_owned(), id?))));
            let is_new = note_change(&mut pair, side, is_open);
            let shown = (pair.related.get(opened(side)).copied(), pair.related.len(), is_new);
            assert_eq!(shown, (Some(expected), 1, is_news), "{opened_before:?} {left_before:?} {is_open}");
        }
    }
}
