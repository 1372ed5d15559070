//! What a person can do about a pair of which one record was deleted, as messages name it (EE12).

use couplet_model::catalogue::ActiveMapping;
use couplet_model::message::Direction;
use couplet_model::table::Side;

/// The ways out for the record that is left on a side: `label` is what people call it.
pub(super) fn ways_out(mapping: &ActiveMapping, left: Side, label: &str) -> String {
    let gone = left.other();
    let (here, there) = (mapping.table(left).caption(), mapping.table(gone).caption());
    let (way, direction, option) = match left {
        Side::BusinessCentral => (Direction::ToDataverse, "to-dataverse", "bc"),
        Side::Dataverse => (Direction::FromDataverse, "from-dataverse", "dataverse"),
    };
    // Texts are quoted already.
    let (name, label) = (&mapping.name, label.trim_matches('"').replace('"', "'"));
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

#[cfg(test)]
mod tests {
    use couplet_model::{Catalogue, Switches};

    use super::*;

    #[test]
    fn d2_u10_the_commands_fit_the_ways_that_the_mapping_travels() {
        let catalogue = Catalogue::embedded().expect("the catalogue");
        let mapping = |name: &str| catalogue.active_mapping(name, &Switches::default()).expect("a mapping");
        let both = ways_out(&mapping("CUSTOMER"), Side::Dataverse, "Adatum");
        let again = "make the customer again with `couplet sync \"CUSTOMER\" --dataverse \"Adatum\" --direction from-dataverse --create`";
        assert!(both.to_lowercase().contains(&again.to_lowercase()), "{both}");
        assert!(both.ends_with("`couplet uncouple \"CUSTOMER\" --dataverse \"Adatum\"`"), "{both}");
        let one = ways_out(&mapping("CURRENCY"), Side::Dataverse, "euro");
        assert!(!one.contains("--create") && one.contains("couplet uncouple"), "{one}");
    }
}
