//! Why messages became dead letters.

use couplet_store::DeadLetter;

use crate::builders::{COMPANY, at, empty_store};

fn letter(message_id: &str, reason: &str) -> DeadLetter {
    DeadLetter { message_id: message_id.to_owned(), reason: reason.to_owned(), at: at(0) }
}

#[tokio::test]
async fn the_reason_of_a_dead_letter_is_found_by_its_message() {
    let store = empty_store().await;
    let letters: Vec<DeadLetter> = (0..40).map(|number| letter(&format!("message-{number}"), "down")).collect();
    store.note_dead_letters(COMPANY, &letters).await.unwrap();
    store.note_dead_letters(COMPANY, &[letter("message-7", "still down")]).await.unwrap();

    let asked = ["message-7".to_owned(), "message-39".to_owned(), "nobody noted this".to_owned()];
    let found = store.dead_letters(COMPANY, &asked).await.unwrap();

    assert_eq!(found.len(), 2);
    assert_eq!(found["message-7"].reason, "still down");
    assert_eq!(found["message-39"], letters[39]);
}

#[tokio::test]
async fn a_reason_of_any_length_can_be_noted() {
    let store = empty_store().await;
    store.note_dead_letters(COMPANY, &[letter("long", &"ä".repeat(500_000))]).await.unwrap();
    let found = store.dead_letters(COMPANY, &["long".to_owned()]).await.unwrap();
    assert_eq!(found["long"].reason.chars().count(), 2_000);
}
