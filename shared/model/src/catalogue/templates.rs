//! Templates: values given to new records, chosen by priority and filter (R157).

use super::mapping::Template;

/// Puts the templates of a mapping in the order in which they are looked through.
///
/// # Errors
/// When two of a direction have the same priority: which of them came first would be an accident.
pub(super) fn put_in_order(templates: &mut [Template]) -> Result<(), String> {
    templates.sort_by_key(|template| (template.direction, template.priority));
    let twin = templates.windows(2).find(|pair| {
        let [one, other] = pair else { return false };
        one.direction == other.direction && one.priority == other.priority
    });
    match twin {
        Some([one, _]) => {
            Err(format!("two templates {} have the priority {}; give each its own", one.direction, one.priority))
        }
        _ => Ok(()),
    }
}
