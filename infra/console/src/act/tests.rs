use super::*;

const ID: &str = "00000000-0000-0000-0000-000000000007";

fn form(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn record() -> Chosen {
    Chosen::Records(vec![(Side::BusinessCentral, ID.parse().expect("an id"))])
}

#[test]
fn every_button_means_one_act() {
    let ask = |want, of| Act::Ask { mapping: "CUSTOMER".to_owned(), want, of, label: "10000".to_owned() };
    let one = |act: &'static str| {
        vec![("act", act), ("mapping", "CUSTOMER"), ("side", "bc"), ("record", ID), ("label", "10000")]
    };
    let with = |act: &'static str, more: &[(&'static str, &'static str)]| [one(act), more.to_vec()].concat();
    let wins = |side| Want::Resolve(Resolution { wins: Some(side), fields: BTreeMap::new() });
    let by_field = Want::Resolve(Resolution {
        wins: None,
        fields: [("Phone".to_owned(), Side::Dataverse), ("City".to_owned(), Side::BusinessCentral)].into(),
    });
    let cases = [
        (one("retry"), ask(Want::Retry, record()), "Retry 10000 of CUSTOMER"),
        (one("retry-all"), ask(Want::Retry, Chosen::Failed), "Retry everything that failed of CUSTOMER"),
        (one("skip"), ask(Want::Skip, record()), "Skip 10000 of CUSTOMER"),
        (one("unskip"), ask(Want::Unskip, record()), "Bring back 10000 of CUSTOMER"),
        (one("unskip-all"), ask(Want::Unskip, Chosen::Skipped), "Bring back everything skipped of CUSTOMER"),
        (
            one("sync"),
            ask(Want::Synchronize { direction: None, create: false }, record()),
            "Synchronize 10000 of CUSTOMER",
        ),
        (
            with("sync", &[("create", "yes")]),
            ask(Want::Synchronize { direction: None, create: true }, record()),
            "Synchronize 10000 of CUSTOMER",
        ),
        (
            with("resolve", &[("wins", "bc"), ("field:City", "dataverse")]),
            ask(wins(Side::BusinessCentral), record()),
            "Resolve 10000 of CUSTOMER: Business Central wins",
        ),
        (
            with("resolve", &[("wins", "fields"), ("field:Phone", "dataverse"), ("field:City", "bc")]),
            ask(by_field, record()),
            "Resolve 10000 of CUSTOMER field by field",
        ),
        (
            with("resolve-all", &[("wins", "dataverse")]),
            ask(wins(Side::Dataverse), Chosen::Conflicting),
            "Resolve all conflicts of CUSTOMER: Dataverse wins",
        ),
        (vec![("act", "run"), ("job", "J")], Act::Run { job: "J".to_owned(), full: false }, "Run of J"),
        (
            vec![("act", "run"), ("job", "J"), ("full", "yes")],
            Act::Run { job: "J".to_owned(), full: true },
            "Full synchronization of J",
        ),
        (vec![("act", "hold"), ("job", "J")], Act::Hold("J".to_owned()), "Hold J"),
        (vec![("act", "release"), ("job", "J")], Act::Release("J".to_owned()), "Release J"),
        (
            vec![("act", "replay"), ("message", "m1")],
            Act::Replay(Some("m1".to_owned())),
            "Replay of the dead letter m1",
        ),
        (vec![("act", "replay-all")], Act::Replay(None), "Replay of all dead letters"),
    ];
    for (fields, act, words) in cases {
        let read = Act::of_form(&form(&fields)).expect("an act");
        assert_eq!((read.in_words().as_str(), &read), (words, &act), "{fields:?}");
    }
}

#[test]
fn a_form_that_these_pages_did_not_make_does_nothing() {
    let cases: [&[(&str, &str)]; 11] = [
        &[],
        &[("act", "")],
        &[("act", "erase"), ("mapping", "CUSTOMER")],
        &[("act", "retry")],
        &[("act", "retry"), ("mapping", "CUSTOMER"), ("side", "bc")],
        &[("act", "retry"), ("mapping", "CUSTOMER"), ("side", "both"), ("record", ID)],
        &[("act", "retry"), ("mapping", "CUSTOMER"), ("side", "bc"), ("record", "10000")],
        &[("act", "resolve"), ("mapping", "CUSTOMER"), ("side", "bc"), ("record", ID)],
        &[("act", "resolve"), ("mapping", "CUSTOMER"), ("side", "bc"), ("record", ID), ("wins", "fields")],
        // One letter without its id is not all of them.
        &[("act", "replay")],
        &[("act", "run")],
    ];
    for fields in cases {
        assert!(Act::of_form(&form(fields)).is_err(), "{fields:?}");
    }
}
