//! Transferring fields and deciding what to write.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use couplet_model::catalogue::{DeletionRule, Template, usual_form};
use couplet_model::coupling::Base;
use couplet_model::decision::{ConflictRule, Creation, Judgement, Situation, TransferredField, Travel, decide};
use couplet_model::facts::{ColumnFact, TableFacts};
use couplet_model::field_rule::FieldRule;
use couplet_model::history::{FieldReason, Origin};
use couplet_model::ids::derived_id;
use couplet_model::message::{Direction, Precedence, Wish};
use couplet_model::outcome::{DataFailure, FieldConflict, FieldNote, IgnoreReason};
use couplet_model::own_writes::{Agreement, Tables, recognize};
use couplet_model::record::Values;
use couplet_model::shape::shape;
use couplet_model::table::{Side, Table};
use couplet_model::{ActiveMapping, Outcome, Record};

use super::batch::{Batch, Stop};
use super::deleting::AfterLeaving;
use super::matching::new_pair;
use super::recording::origins;
use super::stages::{Admitted, Decided, DecidedBatch, Earlier, Lines, Pairing, Settled, Verdict};
use super::transferring::{References, Transferred, transfer};
use crate::mappings::rules::{BatchRules, NothingSpecial, Obstacle, Transferring};

/// Why a record comes again that was read too long ago.
const OUTDATED: &str = "it was changed since it was read";

impl Batch<'_> {
    /// Transfers fields and decides, record by record, from what was read in bulk.
    pub(super) async fn decide(&mut self, admitted: Vec<Admitted>) -> Result<DecidedBatch, Stop> {
        if admitted.is_empty() {
            return Ok(DecidedBatch { records: Vec::new(), rules: Box::new(NothingSpecial) });
        }
        let sources: Vec<&Record> = admitted.iter().map(|record| &record.source).collect();
        let mut references = References::read(self.engine, self.mapping, self.direction, &sources).await?;
        if let Some(lines) = &self.lines {
            references.add(&lines.headers, &lines.references);
        }
        let all: Vec<Transferring<'_>> = admitted.iter().map(transferring).collect();
        let rules = self.mapping.rules.prepare(self.context(), &all).await?;
        let destination = self.mapping.table(self.direction.destination());
        let facts = self.engine.installation.table_facts(destination).await?;
        let context = self.engine.installation.filter_context().await?;
        let (mut records, mut leaving) = (Vec::with_capacity(admitted.len()), Vec::new());
        let origins = origins(self.mapping, self.direction);
        let (kept, admitted) =
            admitted.into_iter().partition(|record| self.is_kept_without_partner(record, rules.as_ref()));
        self.keep_without_partner(kept).await?;
        for mut record in admitted {
            let transferred = {
                let one = transferring(&record);
                rules.admit(one).and_then(|()| {
                    let mut transferred = transfer(self.mapping, self.direction, &references, &record.source)?;
                    if let Some(lines) = &self.lines {
                        lines.name_header(record.index, &mut transferred.fields);
                    }
                    if one.creating
                        && let Some(template) = self.mapping.template(self.direction, &record.source, context)
                    {
                        give(&mut transferred.fields, template);
                        let columns = template.values.iter().map(|(column, _)| column.name.clone());
                        transferred.templated = columns.collect();
                    }
                    rules.adjust(one, &mut transferred.fields)?;
                    transferred.notes.extend(bring_into_form(&mut transferred.fields, destination, &facts));
                    transferred.notes.extend(rules.leave_behind(one, &mut transferred.fields));
                    // What may not be written is left as it is there; the run names the column.
                    let creating = one.creating;
                    transferred.fields.retain(|field| {
                        let name = &field.destination.name;
                        facts.may_write(name, creating) && !self.mapping.leaves_alone(self.direction, name)
                    });
                    Ok(transferred)
                })
            };
            match transferred {
                // A worker that died between deleting a partner and removing the coupling left this behind.
                Ok(_) if record.is_left_alone() && self.mapping.rules.may_leave(self.direction) => {
                    leaving.push((record, AfterLeaving::Returns));
                }
                Ok(_) if record.is_left_alone() => self.settle_without_partner(record),
                Ok(transferred) => match self.decide_one(record, transferred, rules.as_ref(), &origins) {
                    Ok(decided) => records.push(decided),
                    Err(settled) => self.settle(*settled),
                },
                Err(Obstacle::Outdated) => self.give_back(record.index, OUTDATED, None),
                Err(Obstacle::Leave(_)) if record.coupling.is_some() => {
                    // What it was to replace leaves in its stead.
                    if let Some(old) = record.replaces.take() {
                        record.coupling = Some(*old);
                    }
                    leaving.push((record, AfterLeaving::Ends));
                }
                Err(Obstacle::Replace(_)) if record.is_paired() => leaving.push((record, AfterLeaving::Returns)),
                Err(obstacle) => self.settle(record.settle(obstacle.into())),
            }
        }
        self.take_leave(leaving).await?;
        Ok(DecidedBatch { records, rules })
    }

    /// Whether a record stays coupled to a partner that people have deleted, unless it leaves by itself.
    fn is_kept_without_partner(&self, record: &Admitted, rules: &dyn BatchRules) -> bool {
        self.mapping.deletion_conflict == DeletionRule::Keep
            && record.is_left_alone()
            && !matches!(rules.admit(transferring(record)), Err(Obstacle::Leave(_)))
    }

    /// Decides about one record whose fields were transferred.
    fn decide_one(
        &self,
        record: Admitted,
        transferred: Transferred,
        rules: &dyn BatchRules,
        origins: &HashMap<String, Origin>,
    ) -> Result<Decided, Box<Settled>> {
        let (mapping, direction) = (self.mapping, self.direction);
        let Transferred { mut fields, notes, templated } = transferred;
        let options = self.options(record.index);
        let resolution = match &self.delivered[record.index].message.wish {
            Some(Wish::Resolve(resolution)) => Some(resolution),
            _ => None,
        };
        let creating = record.pairing == Pairing::Creating;
        if options.precedence == Precedence::Destination && !creating {
            fields.retain(|field| field.travel != Travel::BothWays);
        }
        let tables = Tables { business_central: &mapping.business_central, dataverse: &mapping.dataverse };
        let (source, destination) = (&record.source, record.destination.as_ref());
        let agreement = record.coupling.as_ref().zip(record.base()).map(|(coupling, base)| {
            let base = without_newcomers(mapping, base);
            recognize(&base, &coupling.pending, direction, tables, source, destination)
        });
        let newcomers = newcomers(mapping, direction);
        let empty = Base::default();
        let situation = Situation {
            direction,
            source,
            destination,
            creation: match (record.pairing, destination) {
                (Pairing::Creating, None) => Creation::Due,
                (Pairing::Creating | Pairing::Made, Some(_)) => Creation::Begun,
                _ => Creation::Over,
            },
            base: agreement.as_ref().map_or(&empty, |agreement| &agreement.known),
            force: options.precedence.is_forced() || record.pairing == Pairing::Adopted,
            rule: mapping.update_conflict,
            resolution,
            newcomers: &newcomers,
        };
        let Judgement { decision, rulings } = decide(&situation, &fields);
        let mut reasons = Vec::new();
        if self.engine.store().keeps_history() {
            let origin = |field: &TransferredField| match origins.get(&field.destination.name) {
                _ if templated.contains(&field.destination.name) => Origin::Template,
                Some(Origin::Field | Origin::Transformation) if field.source.is_none() => Origin::MappingRule,
                Some(origin) => *origin,
                None => Origin::MappingRule,
            };
            let is_first_time = record.pairing == Pairing::Adopted;
            reasons.extend(rulings.into_iter().map(|mut ruling| {
                if is_first_time && ruling.rule == FieldRule::SourceWins {
                    ruling.rule = FieldRule::FirstTime;
                }
                let field = &fields[ruling.field];
                FieldReason::of(&situation, field, ruling, origin(field))
            }));
        }
        let mut verdict = match Verdict::of(decision) {
            Ok(verdict) => verdict,
            Err(conflicts) => {
                let settled = record.settle(conflict(mapping.update_conflict, conflicts));
                let reasons = reasons.into_iter().map(FieldReason::unwritten).collect();
                return Err(Box::new(Settled { reasons, ..settled }));
            }
        };
        let earlier = self.earlier_attempt(&record, agreement.as_ref(), &fields, &mut reasons);
        let is_restored = creating || earlier == Some(Earlier::Created);
        let restores = record.coupled().filter(|_| is_restored).map(|coupling| coupling.id(direction.destination()));
        if let Some(agreement) = &agreement {
            verdict = fence(verdict, agreement, destination);
        }
        if let (Verdict::Update { values, .. }, Some(destination)) = (&mut verdict, destination) {
            complete(values, destination, rules.travel_together());
        }
        self.note_what_was_seen(verdict.base_mut(), source, &notes);
        let base = verdict.base_mut();
        if mapping.fields.iter().any(|field| field.since > base.revision) {
            base.revision = self.engine.revision;
        }
        let Admitted { index, source, coupling, pairing, destination, lines, replaces } = record;
        let coupling = coupling.unwrap_or_else(|| {
            let word = mapping.rules.made(direction, self.engine.installation.switches());
            let id = derived_id(self.engine.company(), &mapping.name, word, source.id);
            new_pair(direction.source(), source.id, id)
        });
        let written = None;
        Ok(Decided {
            index,
            source,
            coupling,
            pairing,
            destination,
            fields,
            agreement,
            notes,
            verdict,
            written,
            lines,
            replaces,
            reasons,
            earlier,
            restores,
        })
    }

    /// What an attempt that broke off has done, as the records show; the fields that it has written are added.
    fn earlier_attempt(
        &self,
        record: &Admitted,
        agreement: Option<&Agreement>,
        fields: &[TransferredField],
        reasons: &mut Vec<FieldReason>,
    ) -> Option<Earlier> {
        let coupling = record.coupling.as_ref().filter(|coupling| coupling.awaits(self.direction))?;
        let stored = without_newcomers(self.mapping, &coupling.base);
        let (arrived, after) = agreement?.arrived(&stored);
        let is_told = |reasons: &[FieldReason], column: &str| reasons.iter().any(|reason| reason.destination == column);
        for field in fields.iter().filter(|field| arrived.contains(&field.destination.name)) {
            if self.engine.store().keeps_history() && !is_told(reasons, &field.destination.name) {
                reasons.push(FieldReason::of_earlier(self.direction, field, &stored, after));
            }
        }
        let was_created = coupling.is_being_created(self.direction) && record.destination.is_some();
        let earlier = if was_created { Earlier::Created } else { Earlier::Wrote };
        (was_created || !arrived.is_empty()).then_some(earlier)
    }

    /// What the rules watch at the source belongs to the base, so that an untouched record is known as such; and so do rows
    /// that do not travel this time, read-only ones or ones that were left alone. What stayed behind with a note does not: it
    /// still differs from what was agreed when it can travel.
    fn note_what_was_seen(&self, base: &mut Base, source: &Record, notes: &[FieldNote]) {
        let side = self.direction.source();
        let is_left = |column: &str| notes.iter().any(|note| note.is_left && note.source.as_deref() == Some(column));
        let rules = self.mapping.rules;
        for name in rules.source_columns(self.direction) {
            if !is_left(name)
                && let Some(value) = source.known(name)
                && !(value.is_null() && base.has_value(side, name) && rules.remembers_when_blank(self.direction, name))
            {
                base.set(side, name, value);
            }
        }
        for row in self.mapping.rows(self.direction) {
            let column = match side {
                Side::BusinessCentral => &row.business_central,
                Side::Dataverse => &row.dataverse,
            };
            if let Some(column) = column
                && !is_left(&column.name)
                && let Some(value) = source.known(&column.name)
                && base.get(side, column).is_none()
            {
                base.set(side, &column.name, value);
            }
        }
    }
}

/// The base without what it holds of rows that came, or came back, after it was last looked through: while a row is not used,
/// nobody keeps its columns up to date.
fn without_newcomers<'b>(mapping: &ActiveMapping, base: &'b Base) -> Cow<'b, Base> {
    let revision = base.revision;
    let mut base = Cow::Borrowed(base);
    for field in mapping.fields.iter().filter(|field| field.since > revision) {
        for side in [Side::BusinessCentral, Side::Dataverse] {
            if let Some(column) = field.column(side).filter(|column| base.get(side, column).is_some()) {
                base.to_mut().forget(side, &column.name);
            }
        }
    }
    base
}

/// Destination columns of rows that came, or came back.
fn newcomers(mapping: &ActiveMapping, direction: Direction) -> BTreeSet<String> {
    let rows = mapping.rows(direction).filter(|field| field.since > 0);
    rows.filter_map(|field| Some(field.column(direction.destination())?.name.clone())).collect()
}

/// Gives a new record what its template says, in the place of what the rows transferred (R158).
fn give(fields: &mut Vec<TransferredField>, template: &Template) {
    for (column, value) in &template.values {
        match fields.iter_mut().find(|field| field.destination.name == column.name) {
            Some(field) => field.desired = value.clone(),
            None => fields.push(TransferredField {
                source: None,
                destination: Arc::clone(column),
                desired: value.clone(),
                travel: Travel::OnCreateOnly,
            }),
        }
    }
}

fn transferring(record: &Admitted) -> Transferring<'_> {
    Transferring {
        source: &record.source,
        destination: record.destination.as_ref(),
        creating: record.pairing == Pairing::Creating,
        base: record.base(),
        lines: match &record.lines {
            Lines::Read(lines) => &lines.records,
            Lines::None | Lines::Written(_) => &[],
        },
    }
}

impl From<Obstacle> for Outcome {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Failure(failure) => Self::Failed(failure),
            Obstacle::Wait(need) => Self::Waiting(need),
            Obstacle::Ignore(reason) | Obstacle::Leave(reason) | Obstacle::Replace(reason) => {
                Self::Ignored(IgnoreReason::Rule(reason))
            }
            Obstacle::Outdated => Self::Ignored(IgnoreReason::Rule(OUTDATED.to_owned())),
        }
    }
}

/// Brings values into the form that their columns keep; gives a note for each text that is cut.
fn bring_into_form(fields: &mut [TransferredField], table: &Table, facts: &TableFacts) -> Vec<FieldNote> {
    let mut notes = Vec::new();
    for field in fields {
        let name = &field.destination.name;
        let usual = if table.side == Side::Dataverse { usual_form(&table.name, name) } else { ColumnFact::default() };
        let shaped = shape(field.desired.clone(), &field.destination.field, facts.column(name).or(usual));
        if let Some((length, kept)) = shaped.cut {
            let source = field.source.as_ref();
            let caption = source.map_or(&field.destination.caption, |source| &source.caption);
            let message = format!(
                "{caption} has {length} characters and column {name} of {} in {} keeps {kept}: the text is cut there; shorten it",
                table.name, table.side
            );
            notes.push(FieldNote::altered(caption.clone(), source.map(|source| source.name.as_str()), message));
        }
        field.desired = shaped.value;
    }
    notes
}

/// Adds what the destination holds in the columns that travel together with one that is written.
fn complete(values: &mut Values, destination: &Record, together: &[(&'static str, &'static [&'static str])]) {
    let written: Vec<_> = together.iter().filter(|(first, _)| values.contains_key(*first)).collect();
    for (first, name) in written.into_iter().flat_map(|(first, others)| others.iter().map(move |name| (first, name))) {
        if name == first {
            continue;
        }
        if let Some(value) = destination.known(name) {
            values.entry(Arc::from(*name)).or_insert_with(|| value.clone());
        }
    }
}

fn conflict(rule: ConflictRule, conflicts: Vec<FieldConflict>) -> Outcome {
    match rule {
        ConflictRule::None => Outcome::Conflict(conflicts),
        // The decision settles conflicts under any other rule itself.
        ConflictRule::ToDataverse | ConflictRule::FromDataverse => {
            Outcome::Failed(DataFailure::new("both sides changed the same fields"))
        }
    }
}

/// Writes what stands there already, when nothing else is to be written and an earlier write of ours may still be under
/// way: a write is guarded by the version it was decided on, and this one makes a new version, so that the other is
/// refused should it arrive after all. Without a version there is no guard, and nothing to gain.
fn fence(verdict: Verdict, agreement: &Agreement, destination: Option<&Record>) -> Verdict {
    match verdict {
        Verdict::Unchanged { base }
            if !agreement.may_arrive.is_empty() && destination.is_some_and(|record| record.version.is_some()) =>
        {
            Verdict::Update { values: agreement.may_arrive.clone(), base }
        }
        verdict => verdict,
    }
}
