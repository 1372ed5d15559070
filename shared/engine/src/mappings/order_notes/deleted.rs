//! Notes that were deleted in Dataverse: those of Business Central follow while the document is there, and stay when the whole
//! document was deleted in Sales (S149).

use std::collections::{HashMap, HashSet};

use couplet_model::record::Values;
use couplet_model::system::{SystemErrorKind, Write, WriteAction};
use couplet_model::table::Side;
use couplet_model::{Coupling, MappingName, RecordId};

use super::owners::{Kind, found, owner_column};
use crate::bulk::write_all;
use crate::error::EngineError;
use crate::mappings::rules::{AfterDeletion, Context, SourceDeleted, is_usable};

/// Deletes the notes in Business Central of which the document is still in Sales.
pub(super) async fn follow(context: Context<'_>, records: &mut [SourceDeleted<'_>]) -> Result<(), EngineError> {
    let (installation, table) = (context.installation, &context.mapping.business_central);
    let column = table.column(owner_column(Side::BusinessCentral));
    let document = |pair: &Coupling| {
        column.and_then(|column| pair.base.get(Side::BusinessCentral, column)?.as_guid()).map(RecordId)
    };
    let documents: HashSet<RecordId> = records.iter().filter_map(|record| document(record.coupling)).collect();
    let documents = Vec::from_iter(documents);
    let mut standing: HashSet<RecordId> = HashSet::new();
    for kind in Kind::BOTH {
        let (store, name) = (installation.store(), MappingName::from(kind.mapping()));
        let pairs = store.couplings_by_id(installation.company(), &name, Side::BusinessCentral, &documents).await?;
        let rows: HashMap<RecordId, RecordId> = pairs
            .into_iter()
            .filter(|(_, pair)| is_usable(pair))
            .map(|(document, pair)| (pair.dataverse_id.into(), document))
            .collect();
        let there = found(installation, kind, Side::Dataverse, rows.keys().copied().collect()).await?;
        standing.extend(there.iter().filter_map(|row| rows.get(row)));
    }
    let mut leaving: Vec<&mut SourceDeleted<'_>> = Vec::new();
    for record in records {
        record.end = Ok(AfterDeletion::Uncoupled { is_change: false });
        if document(record.coupling).is_some_and(|document| standing.contains(&document)) {
            leaving.push(record);
        }
    }
    let deletion = |id: RecordId| Write { action: WriteAction::Delete { id }, values: Values::new() };
    let writes: Vec<Write> = leaving.iter().map(|record| deletion(record.coupling.system_id.into())).collect();
    let results = write_all(installation.system(Side::BusinessCentral), table, &writes).await;
    // `write_all` gives one result per write.
    for (record, result) in leaving.iter_mut().zip(results) {
        record.end = match result {
            Err(error) if error.kind != SystemErrorKind::NotFound => Err(error),
            _ => Ok(AfterDeletion::Uncoupled { is_change: true }),
        };
    }
    Ok(())
}
