//! Runs: what a run has found, what became of it, and when it is done.

use aws_sdk_dynamodb::types::AttributeValue;
use couplet_model::job::{Run, Trigger};
use couplet_model::message::Direction;
use couplet_model::{CompanyId, Counters, RunId};
use jiff::Timestamp;

use crate::Store;
use crate::error::StoreError;
use crate::item::{
    EXPIRES, Item, count_of, expiry, number, parsed, text, text_if_any, text_of, time, time_if_any, word, word_of,
};
use crate::keys::{self, COUNTER_SLOTS};
use crate::requests::{Range, Updated};
use crate::terms::Terms;
use crate::transaction::{Action, Group};

/// What one transaction adds to a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    processed: u64,
    to_dataverse: Counters,
    from_dataverse: Counters,
}

impl Progress {
    /// Adds what a commit counts: one processed record, or none.
    pub fn add(&mut self, direction: Direction, outcome: Counters) {
        self.processed += outcome.total();
        match direction {
            Direction::ToDataverse => self.to_dataverse += outcome,
            Direction::FromDataverse => self.from_dataverse += outcome,
        }
    }
}

/// The counters by attribute, per direction.
fn counter_attributes(direction: &str, counters: &Counters) -> [(String, u64); 10] {
    [
        ("inserted", counters.inserted),
        ("modified", counters.modified),
        ("unchanged", counters.unchanged),
        ("ignored", counters.ignored),
        ("skipped", counters.skipped),
        ("uncoupled", counters.uncoupled),
        ("coupled", counters.coupled),
        ("failed", counters.failed),
        ("waiting", counters.waiting),
        ("noted", counters.noted),
    ]
    .map(|(name, count)| (format!("{direction}_{name}"), count))
}

fn counters_of(item: &Item, direction: &str) -> Result<Counters, StoreError> {
    let count = |name: &str| count_of(item, &format!("{direction}_{name}"));
    Ok(Counters {
        inserted: count("inserted")?,
        modified: count("modified")?,
        unchanged: count("unchanged")?,
        ignored: count("ignored")?,
        skipped: count("skipped")?,
        uncoupled: count("uncoupled")?,
        coupled: count("coupled")?,
        failed: count("failed")?,
        waiting: count("waiting")?,
        noted: count("noted")?,
    })
}

/// Adds to numbers; zeros are left out.
fn adding(numbers: impl IntoIterator<Item = (String, u64)>) -> Option<(String, Vec<(String, AttributeValue)>)> {
    let counts: Vec<(String, u64)> = numbers.into_iter().filter(|(_, count)| *count > 0).collect();
    if counts.is_empty() {
        return None;
    }
    let clauses: Vec<String> = counts.iter().map(|(name, _)| format!("{name} :{name}")).collect();
    let values = counts.into_iter().map(|(name, count)| (name, number(count))).collect();
    Some((format!("ADD {}", clauses.join(", ")), values))
}

fn with_values(terms: Terms, values: Vec<(String, AttributeValue)>) -> Terms {
    values.into_iter().fold(terms, |terms, (name, value)| terms.value(&name, value))
}

/// Puts the parts of a run together: its own item, if it is among them, and its counters. Counters that outlived their
/// own run are left out.
fn assemble(items: &[Item]) -> Result<Option<Run>, StoreError> {
    let Some(main) = items.iter().find(|item| item.contains_key("job")) else { return Ok(None) };
    let mut run = Run {
        id: parsed(main, "sk")?,
        job: parsed(main, "job")?,
        trigger: word_of::<Trigger>(main, "trigger")?,
        started: time_if_any(main, "started_at")?.ok_or_else(|| StoreError::corrupt("a run", "it has no start"))?,
        found: time_if_any(main, "found_at")?,
        finished: time_if_any(main, "finished_at")?,
        enqueued: count_of(main, "records_enqueued")?,
        processed: 0,
        counters: Counters::default(),
        to_dataverse: Counters::default(),
        from_dataverse: Counters::default(),
        message: text_if_any(main, "message").map(str::to_owned),
        mappings: count_of(main, "mappings")?,
    };
    let remarks: Vec<&str> = main
        .get(REMARKS)
        .and_then(|remarks| remarks.as_l().ok())
        .into_iter()
        .flatten()
        .filter_map(|remark| remark.as_s().ok().map(String::as_str))
        .collect();
    if !remarks.is_empty() {
        let message = run.message.iter().map(String::as_str).chain(remarks).collect::<Vec<_>>().join(" ");
        run.message = Some(message);
    }
    let name = text_of(main, "sk")?;
    for part in items.iter().filter(|part| text_if_any(part, "sk").is_some_and(|sk| sk.starts_with(name))) {
        run.processed += count_of(part, "records_processed")?;
        run.to_dataverse += counters_of(part, "to")?;
        run.from_dataverse += counters_of(part, "from")?;
    }
    run.counters += run.to_dataverse;
    run.counters += run.from_dataverse;
    Ok(Some(run))
}

/// Attribute with what records of a run had to say about it.
const REMARKS: &str = "remarks";

/// Remarks a run takes; the rest are in the log.
const MOST_REMARKS: u32 = 20;

impl Store {
    /// Adds a remark to a run, shown with its message. A run that has expired, or has remarks enough, is left alone.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn add_remark(&self, company: CompanyId, job: &str, run: RunId, remark: &str) -> Result<(), StoreError> {
        let terms = Terms::update_with("SET remarks = list_append(if_not_exists(remarks, :none), :remark)")
            .when("attribute_exists(pk) AND (attribute_not_exists(remarks) OR size(remarks) < :most)")
            .value("none", AttributeValue::L(Vec::new()))
            .value("remark", AttributeValue::L(vec![text(remark)]))
            .value("most", number(MOST_REMARKS));
        self.update(&keys::run(company, job, run), &terms).await?;
        Ok(())
    }

    /// Stores a run that starts. A run stored already stays as it is.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn start_run(&self, company: CompanyId, run: &Run) -> Result<(), StoreError> {
        let key = keys::run(company, &run.job, run.id);
        let mut item = key.attributes();
        item.insert("job".to_owned(), text(&run.job));
        item.insert("trigger".to_owned(), word(&run.trigger));
        item.insert("started_at".to_owned(), time(run.started));
        for (name, at) in [("found_at", run.found), ("finished_at", run.finished)] {
            if let Some(at) = at {
                item.insert(name.to_owned(), time(at));
            }
        }
        if let Some(message) = &run.message {
            item.insert("message".to_owned(), text(message));
        }
        if run.mappings > 0 {
            item.insert("mappings".to_owned(), number(run.mappings));
        }
        item.insert("records_enqueued".to_owned(), number(run.enqueued));
        item.insert("records_processed".to_owned(), number(run.processed));
        let counters = counter_attributes("to", &run.to_dataverse).into_iter();
        for (name, count) in counters.chain(counter_attributes("from", &run.from_dataverse)) {
            item.insert(name, number(count));
        }
        item.insert(EXPIRES.to_owned(), expiry(run.started, self.retention.runs));
        let action = self.put((), key, item, &Terms::absent())?;
        self.transact(&[Group { id: 0, actions: vec![action] }], None).await?;
        Ok(())
    }

    /// Adds what a run has enqueued, and what it has judged itself. A run that has expired is left alone.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn add_to_run(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        enqueued: u64,
        judged_to: Counters,
        judged_from: Counters,
    ) -> Result<(), StoreError> {
        let Some(action) = self.adding_to_run(company, job, run, enqueued, judged_to, judged_from)? else {
            return Ok(());
        };
        // In a transaction, for its token: an answer lost on the way must not make it count twice.
        self.transact(&[Group { id: 0, actions: vec![action] }], None).await?;
        Ok(())
    }

    /// The action that adds to a run, unless there is nothing to add.
    pub(crate) fn adding_to_run(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        enqueued: u64,
        judged_to: Counters,
        judged_from: Counters,
    ) -> Result<Option<Action<()>>, StoreError> {
        let numbers = std::iter::once(("records_enqueued".to_owned(), enqueued))
            .chain(counter_attributes("to", &judged_to))
            .chain(counter_attributes("from", &judged_from));
        let Some((expression, values)) = adding(numbers) else { return Ok(None) };
        let terms = with_values(Terms::update_with(expression).when("attribute_exists(pk)"), values);
        self.change((), keys::run(company, job, run), &terms).map(Some)
    }

    /// Adds progress to one of the counter items of a run. It is created when it is not there, so that a run that has
    /// expired does not keep its last records from being stored.
    pub(crate) fn counting<R>(
        &self,
        role: R,
        company: CompanyId,
        job: &str,
        run: RunId,
        slot: u8,
        progress: &Progress,
    ) -> Result<Action<R>, StoreError> {
        let numbers = std::iter::once(("records_processed".to_owned(), progress.processed))
            .chain(counter_attributes("to", &progress.to_dataverse))
            .chain(counter_attributes("from", &progress.from_dataverse));
        let (adding, values) = adding(numbers).unwrap_or_default();
        let terms = Terms::update_with(format!("SET expires = if_not_exists(expires, :expires) {adding}"))
            .value("expires", expiry(self.now(), self.retention.runs));
        self.change(role, keys::run_slot(company, job, run, slot), &with_values(terms, values))
    }

    /// Notes that a run has found and enqueued everything; with nothing left to process it is finished.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn run_found(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        now: Timestamp,
        message: Option<String>,
    ) -> Result<(), StoreError> {
        let terms = match message {
            Some(message) => Terms::update_with("SET found_at = :now, #message = :message")
                .name("message")
                .value("message", text(message)),
            None => Terms::update_with("SET found_at = :now"),
        };
        let terms = terms.when("attribute_exists(pk)").value("now", time(now));
        self.update(&keys::run(company, job, run), &terms).await?;
        self.finish_if_processed(company, job, run).await
    }

    /// Finishes a run that failed as a whole.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn fail_run(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        now: Timestamp,
        message: String,
    ) -> Result<(), StoreError> {
        let terms = Terms::update_with("SET finished_at = :now, #message = :message")
            .when("attribute_exists(pk)")
            .name("message")
            .value("now", time(now))
            .value("message", text(message));
        self.update(&keys::run(company, job, run), &terms).await?;
        Ok(())
    }

    /// Fails a run whose holder is gone, unless it had found everything: then it finishes by itself.
    pub(crate) async fn abandon_run(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let terms = Terms::update_with("SET finished_at = :now, #message = :message")
            .when("attribute_exists(pk) AND attribute_not_exists(found_at) AND attribute_not_exists(finished_at)")
            .name("message")
            .value("now", time(now))
            .value("message", text("the run stopped without a word; the next run takes up its work"));
        self.update(&keys::run(company, job, run), &terms).await?;
        Ok(())
    }

    /// Finishes a run when it has found everything and everything is processed.
    pub(crate) async fn finish_if_processed(
        &self,
        company: CompanyId,
        job: &str,
        run: RunId,
    ) -> Result<(), StoreError> {
        let Some(current) = self.run(company, job, run).await? else { return Ok(()) };
        if current.found.is_none() || current.finished.is_some() || current.processed < current.enqueued {
            return Ok(());
        }
        let terms = Terms::update_with("SET finished_at = :now")
            .when("attribute_exists(pk) AND attribute_not_exists(finished_at)")
            .value("now", time(self.now()));
        // Refused means that somebody else has finished it.
        let (Updated::Done(_) | Updated::Refused(_)) = self.update(&keys::run(company, job, run), &terms).await?;
        Ok(())
    }

    /// Those of some runs, each with its job, that there are, and the revision of the mappings that each works by.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn existing_runs(
        &self,
        company: CompanyId,
        runs: Vec<(String, RunId)>,
    ) -> Result<Vec<((String, RunId), u64)>, StoreError> {
        let found = self.read_many(runs.iter().map(|(job, run)| keys::run(company, job, *run))).await?;
        let mut existing = Vec::with_capacity(found.len());
        for (job, run) in runs {
            if let Some(item) = found.get(&keys::run(company, &job, run)) {
                existing.push(((job, run), count_of(item, "mappings")?));
            }
        }
        Ok(existing)
    }

    /// A run.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn run(&self, company: CompanyId, job: &str, run: RunId) -> Result<Option<Run>, StoreError> {
        let range = Range::starting(keys::runs_pk(company, job), run.to_string());
        assemble(&self.query(range).await?)
    }

    /// The last runs of a job, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn runs(&self, company: CompanyId, job: &str, limit: usize) -> Result<Vec<Run>, StoreError> {
        let mut range = Range::starting(keys::runs_pk(company, job), "");
        range.backwards = true;
        range.per_request = i32::try_from(limit.max(1).saturating_mul(usize::from(COUNTER_SLOTS) + 1)).ok();
        let mut runs = Vec::new();
        let mut parts: Vec<Item> = Vec::new();
        while runs.len() < limit {
            let (items, last) = self.query_once(&range).await?;
            for item in items {
                // Backwards, the counters of a run come before the run.
                let complete = item.contains_key("job");
                parts.push(item);
                if complete {
                    runs.extend(assemble(&std::mem::take(&mut parts))?);
                }
            }
            match last {
                Some(_) => range.after = last,
                None => break,
            }
        }
        runs.truncate(limit);
        Ok(runs)
    }
}
