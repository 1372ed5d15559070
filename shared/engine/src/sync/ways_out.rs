//! What a person can do about a pair of which one record was deleted, as messages name it (EE12).

use couplet_model::RecordId;
use couplet_model::catalogue::ActiveMapping;
use couplet_model::message::Direction;
use couplet_model::table::Side;

/// The ways out for the record that is left on a side: `label` is what people call it, `id` its id there.
pub(super) fn ways_out(mapping: &ActiveMapping, left: Side, label: &str, id: RecordId) -> String {
    let gone = left.other();
    let (here, there) = (mapping.table(left).caption(), mapping.table(gone).caption());
    let (way, direction, option) = match left {
        Side::BusinessCentral => (Direction::ToDataverse, "to-dataverse", "bc"),
        Side::Dataverse => (Direction::FromDataverse, "from-dataverse", "dataverse"),
    };
    let (name, label) = (&mapping.name, named(label, id));
    let again = match mapping.directions().any(|travelled| travelled == way) {
        true => format!(
            "make the {there} again with `couplet sync \"{name}\" --{option} \"{label}\" --direction {direction} --create`; "
        ),
        false => String::new(),
    };
    format!(
        "delete the {here} in {left} as well; {again}or end the pair with `couplet uncouple \"{name}\" --{option} \"{label}\"`"
    )
}

/// How a command names a record between double quotes: as people do, or by its id where a shell would read more than a name in it.
fn named(label: &str, id: RecordId) -> String {
    // Texts are quoted already.
    let label = label.trim_matches('"');
    let is_plain = |sign: char| sign.is_alphanumeric() || " -_.,:;&()/+#@'".contains(sign);
    if !label.trim().is_empty() && label.chars().all(is_plain) { label.to_owned() } else { id.to_string() }
}

#[cfg(test)]
mod tests {
    use couplet_model::{Catalogue, Switches};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn d2_u10_the_commands_fit_the_ways_that_the_mapping_travels() {
        let catalogue = Catalogue::embedded().expect("the catalogue");
        let mapping = |name: &str| catalogue.active_mapping(name, &Switches::default()).expect("a mapping");
        let id = RecordId(Uuid::from_u128(7));
        let both = ways_out(&mapping("CUSTOMER"), Side::Dataverse, "Adatum", id);
        let again = "make the customer again with `couplet sync \"CUSTOMER\" --dataverse \"Adatum\" --direction from-dataverse --create`";
        assert!(both.to_lowercase().contains(&again.to_lowercase()), "{both}");
        assert!(both.ends_with("`couplet uncouple \"CUSTOMER\" --dataverse \"Adatum\"`"), "{both}");
        let one = ways_out(&mapping("CURRENCY"), Side::Dataverse, "euro", id);
        assert!(!one.contains("--create") && one.contains("couplet uncouple"), "{one}");
    }

    #[test]
    fn a_name_that_a_shell_would_read_as_more_than_a_name_is_left_to_the_id() {
        let id = RecordId(Uuid::from_u128(7));
        for label in ["\"Adatum\"", "O'Neil & Sons (2), Åse"] {
            assert_eq!(named(label, id), label.trim_matches('"'));
        }
        for label in ["$HOME", "`date`", "a\\b", "Wow!", "50 %", "The \"old\" mill", "two\nlines", " "] {
            assert_eq!(named(label, id), id.to_string(), "{label}");
        }
    }
}
