//! What else is remembered: cursors, settings, the history of errors.

use couplet_model::message::Direction;
use couplet_model::system::{Cursor, Position};
use couplet_store::{ErrorKind, ErrorRecord};
use serde_json::json;

use crate::builders::*;

fn cursor(second: i64) -> Cursor {
    Cursor { position: Position::ModifiedOn(at(second)), as_of: at(second), seen: Default::default() }
}

#[tokio::test]
async fn a_cursor_moves_only_from_where_it_was_read() {
    let store = empty_store().await;
    let direction = Direction::ToDataverse;
    assert_eq!(store.cursor(COMPANY, &items(), direction).await.unwrap(), None);
    let moved = |from: Option<i64>, to: i64| {
        let store = store.clone();
        async move {
            let from = from.map(cursor);
            store.move_cursor(COMPANY, &items(), direction, from.as_ref(), &cursor(to)).await.unwrap()
        }
    };
    assert!(!moved(Some(1), 2).await);
    assert!(moved(None, 1).await);
    assert!(!moved(None, 2).await);
    assert!(moved(Some(1), 3).await);
    assert!(!moved(Some(1), 4).await);
    assert_eq!(store.cursor(COMPANY, &items(), direction).await.unwrap(), Some(cursor(3)));
    assert_eq!(store.cursor(COMPANY, &items(), Direction::FromDataverse).await.unwrap(), None);
}

#[tokio::test]
async fn the_same_move_twice_is_one_move() {
    let store = empty_store().await;
    for _ in 0..2 {
        let moved = store.move_cursor(COMPANY, &items(), Direction::ToDataverse, None, &cursor(1)).await.unwrap();
        assert!(moved);
    }
}

#[tokio::test]
async fn cleared_cursors_start_from_the_beginning_in_both_directions() {
    let store = empty_store().await;
    for direction in Direction::BOTH {
        store.move_cursor(COMPANY, &items(), direction, None, &cursor(1)).await.unwrap();
        store.move_cursor(COMPANY, &resources(), direction, None, &cursor(1)).await.unwrap();
    }
    store.clear_cursors(COMPANY, &items()).await.unwrap();
    for direction in Direction::BOTH {
        assert_eq!(store.cursor(COMPANY, &items(), direction).await.unwrap(), None);
        assert_eq!(store.cursor(COMPANY, &resources(), direction).await.unwrap(), Some(cursor(1)));
    }
}

#[tokio::test]
async fn a_setting_is_kept_until_another_is_stored() {
    let store = empty_store().await;
    assert_eq!(store.setting(COMPANY, "catalogue").await.unwrap(), None);
    store.put_setting(COMPANY, "catalogue", &json!({"a": 1.50})).await.unwrap();
    assert_eq!(store.setting(COMPANY, "catalogue").await.unwrap(), Some(json!({"a": 1.50})));
    store.put_setting(COMPANY, "catalogue", &json!([null])).await.unwrap();
    assert_eq!(store.setting(COMPANY, "catalogue").await.unwrap(), Some(json!([null])));
}

#[tokio::test]
async fn the_newest_errors_come_first_and_one_told_twice_is_one() {
    let store = empty_store().await;
    let run = couplet_model::RunId::fresh();
    let errors: Vec<ErrorRecord> = (0..60)
        .map(|second| ErrorRecord {
            run,
            job: JOB.into(),
            mapping: items(),
            direction: Direction::ToDataverse,
            record: bc(1),
            other: Some(dv(1)),
            label: "1000".into(),
            at: at(i64::from(second)),
            field: None,
            message: format!("error {second}"),
            kind: ErrorKind::Data,
        })
        .collect();
    let twice = errors.iter().chain(&errors[..10]).cloned().collect();
    store.record_errors(COMPANY, twice).await.unwrap();
    store.record_errors(COMPANY, errors[..5].to_vec()).await.unwrap();
    let newest = store.errors(COMPANY, &items(), 3).await.unwrap();
    assert_eq!(newest, [errors[59].clone(), errors[58].clone(), errors[57].clone()]);
    assert_eq!(store.errors(COMPANY, &items(), 1_000).await.unwrap().len(), 60);
    assert!(store.errors(COMPANY, &resources(), 3).await.unwrap().is_empty());
}
