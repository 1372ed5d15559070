//! Quotes of Business Central that are made anew or given up: what they hold is archived, and their lines leave them (S157).

use std::collections::{HashMap, HashSet};

use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use couplet_model::table::Side;
use couplet_model::{Condition, Coupling, Filter, Record, RecordId, SystemError, Value};
use uuid::Uuid;

use crate::bulk::write_all;
use crate::mappings::released_quotes::{STATUS, act, is_released};
use crate::mappings::rules::{Context, Keeping};
use crate::mappings::sales_documents::Document;

/// Archives the quotes of pairs. Those that are replaced are opened and lose their lines: whoever repeats it finds no lines any
/// more, and archives nothing a second time. Those that are deleted keep their lines to the end, because Business Central archives
/// them once more if it is set up so, and the last version has to be whole; whoever repeats it does not find the quote.
/// One result per pair.
pub(super) async fn keep(context: Context<'_>, pairs: &[&Coupling], before: Keeping) -> Vec<Result<(), SystemError>> {
    let quotes: Vec<RecordId> = pairs.iter().map(|pair| pair.system_id.into()).collect();
    let kept = match before {
        Keeping::Replacing => emptied(context, &quotes).await,
        Keeping::Deleting => archived(context, &quotes).await,
    };
    match kept {
        Ok(refused) => quotes.iter().map(|quote| refused.get(quote).cloned().map_or(Ok(()), Err)).collect(),
        Err(error) => quotes.iter().map(|_| Err(error.clone())).collect(),
    }
}

/// Archives quotes that are still there; gives those that were refused.
async fn archived(context: Context<'_>, quotes: &[RecordId]) -> Result<HashMap<RecordId, SystemError>, SystemError> {
    let (installation, table) = (context.installation, &context.mapping.business_central);
    if quotes.is_empty() {
        return Ok(HashMap::new());
    }
    let there = installation.system(Side::BusinessCentral).fetch(table, quotes, &[]).await?;
    let there: Vec<RecordId> = there.into_iter().map(|quote| quote.id).collect();
    // One result per quote.
    let results = there.iter().zip(act(installation, table, "archive", &there).await);
    Ok(results.filter_map(|(quote, result)| Some((*quote, result.err()?))).collect())
}

/// Archives quotes, opens them and deletes their lines; gives those of which something was refused.
async fn emptied(context: Context<'_>, quotes: &[RecordId]) -> Result<HashMap<RecordId, SystemError>, SystemError> {
    let mut refused = HashMap::new();
    if quotes.is_empty() {
        return Ok(refused);
    }
    let (installation, table) = (context.installation, &context.mapping.business_central);
    let system = installation.system(Side::BusinessCentral);
    let there = system.fetch(table, quotes, &[STATUS.to_owned()]).await?;
    let lines = lines_of(context, &there).await?;
    let with_lines: HashSet<RecordId> = lines.iter().filter_map(quote_of).collect();
    let archived: Vec<RecordId> = there.iter().map(|quote| quote.id).filter(|id| with_lines.contains(id)).collect();
    let released: Vec<RecordId> = there.iter().filter(|quote| is_released(quote)).map(|quote| quote.id).collect();
    for (action, quotes) in [("archive", archived), ("reopen", released)] {
        let quotes: Vec<RecordId> = quotes.into_iter().filter(|quote| !refused.contains_key(quote)).collect();
        // One result per quote.
        for (quote, result) in quotes.iter().zip(act(installation, table, action, &quotes).await) {
            refused.extend(result.err().map(|error| (*quote, error)));
        }
    }
    let leaving: Vec<&Record> =
        lines.iter().filter(|line| quote_of(line).is_some_and(|quote| !refused.contains_key(&quote))).collect();
    let deletions: Vec<Write> = leaving
        .iter()
        .map(|line| Write { action: WriteAction::Delete { id: line.id }, values: couplet_model::record::Values::new() })
        .collect();
    if let Some(table) = installation.catalogue().business_central_table(Document::Quote.line_table()) {
        // `write_all` gives one result per write. Comments go with the lines that they are below.
        for (line, result) in leaving.iter().zip(write_all(system, table, &deletions).await) {
            if let (Some(quote), Err(error)) = (quote_of(line), result)
                && error.kind != SystemErrorKind::NotFound
            {
                refused.insert(quote, error);
            }
        }
    }
    Ok(refused)
}

async fn lines_of(context: Context<'_>, quotes: &[Record]) -> Result<Vec<Record>, SystemError> {
    let installation = context.installation;
    let table = installation.catalogue().business_central_table(Document::Quote.line_table());
    let (Some(table), false) = (table, quotes.is_empty()) else { return Ok(Vec::new()) };
    let ids = quotes.iter().map(|quote| Value::Guid(quote.id.0)).collect();
    let filter = Filter::all(vec![Condition::one_of("documentId", ids)]);
    installation.system(Side::BusinessCentral).find(table, &filter, &["documentId".to_owned()]).await
}

fn quote_of(line: &Record) -> Option<RecordId> {
    line.get("documentId").as_guid().map(|id: Uuid| RecordId(id))
}
