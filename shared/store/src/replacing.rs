//! Moving a coupling from a record that is gone to the one that took its place.

use couplet_model::{CompanyId, Coupling, MappingName, RecordId};

use crate::Store;
use crate::couplings::{coupling_item, own_pointer_or_none, pointer_item};
use crate::error::StoreError;
use crate::item::number;
use crate::keys;
use crate::terms::Terms;
use crate::transaction::{Group, Verdict};

impl Store {
    /// Replaces a coupling by one with another id on one of its sides, with what points to it, all at once. Gives it as it
    /// is stored; `None` when somebody else changed the coupling meanwhile, or one of the new ids is coupled already.
    ///
    /// # Errors
    /// When the store cannot be written, or the coupling is too large.
    pub async fn replace_coupling(
        &self,
        company: CompanyId,
        mapping: &MappingName,
        old: &Coupling,
        new: Coupling,
    ) -> Result<Option<Coupling>, StoreError> {
        let new = Coupling { revision: old.revision + 1, ..new };
        let unchanged = Terms::only_if("rev = :rev").value("rev", number(old.revision));
        let (key, item) = coupling_item(company, mapping, &new)?;
        let mut actions = Vec::new();
        if new.system_id == old.system_id {
            actions.push(self.put((), key, item, &unchanged)?);
        } else {
            let former = keys::coupling(company, mapping, RecordId::from(old.system_id));
            actions.push(self.delete((), former, &unchanged)?);
            actions.push(self.put((), key, item, &Terms::absent())?);
        }
        let pointer = keys::dataverse(company, mapping, RecordId::from(new.dataverse_id));
        let item = pointer_item(&pointer, &new);
        if new.dataverse_id == old.dataverse_id {
            actions.push(self.put((), pointer, item, &own_pointer_or_none(old))?);
        } else {
            let former = keys::dataverse(company, mapping, RecordId::from(old.dataverse_id));
            actions.push(self.delete((), former, &own_pointer_or_none(old))?);
            actions.push(self.put((), pointer, item, &Terms::absent())?);
        }
        if let Some(code) = &new.key {
            let pointer = keys::code(company, mapping, code);
            let item = pointer_item(&pointer, &new);
            actions.push(self.put((), pointer, item, &own_pointer_or_none(old))?);
        }
        actions.extend(self.move_line_pointer((), company, mapping, [old, &new])?);
        let verdicts = self.transact(&[Group { id: 0, actions }], None).await?;
        Ok(matches!(verdicts.as_slice(), [(_, Verdict::Applied)]).then_some(new))
    }
}
