//! The pages: each with an empty installation and with a full one, and whatever a record holds.

mod made;

use axum::http::StatusCode;
use made::{Browser, Holds, PAGES, SCRIPT, id};

#[tokio::test]
async fn every_page_is_made_of_nothing_and_of_everything() {
    for holds in [Holds::Nothing, Holds::Everything] {
        let browser = Browser::enter(holds).await;
        for page in PAGES {
            let answer = browser.get(page).await;
            assert_eq!(answer.status, StatusCode::OK, "{page}, {holds:?}: {}", answer.body);
            assert!(answer.body.starts_with("<!DOCTYPE html>"), "{page}");
            let heads = answer.body.matches("<h1>").count();
            assert_eq!(heads, 1, "{page}");
            let path = page.split('?').next().expect("a path");
            assert!(answer.body.contains(&format!(r#"href="{path}" aria-current="page""#)), "{page} is marked");
        }
    }
}

#[tokio::test]
async fn f28_what_a_record_holds_is_text_and_never_a_part_of_the_page() {
    let browser = Browser::enter(Holds::Everything).await;
    for page in PAGES {
        let body = browser.get(page).await.body;
        assert!(!body.contains(SCRIPT), "{page} holds a script of a record");
        assert!(body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page} shows it");
        assert!(!body.contains("style=") && !body.contains("onclick"), "{page} has what the policy forbids");
        assert_eq!(body.matches("<script").count(), 1, "{page} has the one script that is ours");
    }
    // What a person types comes back as text as well.
    let body = browser.get("/couplings?mapping=CUSTOMER&name=%22%3E%3Cscript%3E").await.body;
    assert!(body.contains(r#"value="&quot;&gt;&lt;script&gt;""#), "{body}");
}

#[tokio::test]
async fn a_page_that_cannot_be_made_says_why_and_what_to_do() {
    let browser = Browser::enter(Holds::Unreachable).await;
    for page in PAGES {
        let answer = browser.get(page).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{page}");
        assert!(answer.body.contains("the store cannot be reached") && answer.body.contains("try again"), "{page}");
        assert!(!answer.body.contains(SCRIPT), "{page}");
    }
    let answer = Browser::enter(Holds::Nothing).await.get("/nowhere").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.body.contains("To the overview"));
    let answer = Browser::enter(Holds::Everything).await.get("/history?mapping=CUSTOMER&side=both&name=1").await;
    assert!(answer.body.contains("&quot;both&quot; is no side"), "{}", answer.body);
}

#[tokio::test]
async fn a_script_gets_the_changing_part_of_a_page_alone() {
    let browser = Browser::enter(Holds::Everything).await;
    let whole = browser.get("/jobs").await.body;
    let part = browser.ask("GET", "/jobs", &[("x-couplet-fragment", "main")], String::new()).await.body;
    assert!(part.starts_with("<h1>") && !part.contains("<html"), "{part}");
    assert!(whole.contains(&part), "the page holds the same");
    assert!(whole.contains(r#"data-refresh="5""#));
}

#[tokio::test]
async fn a_conflict_is_shown_with_both_values_the_base_and_a_button_for_each_side() {
    let browser = Browser::enter(Holds::Everything).await;
    let body = browser.get("/conflicts?mapping=CUSTOMER").await.body;
    for shown in [
        "what both last had",
        "Adatum &quot;and&quot; Sons",
        r#"name="wins" value="bc""#,
        r#"name="wins" value="dataverse""#,
        r#"name="wins" value="fields""#,
        r#"name="field:Name" value="bc""#,
        r#"name="field:Name" value="dataverse""#,
        // One that a mapping's own rules tell of has no fields to choose.
        "the name &lt;script&gt;alert(1)&lt;/script&gt; is too long",
        "Let Dataverse win everywhere",
    ] {
        assert!(body.contains(shown), "{shown} is missing in {body}");
    }
    assert!(body.contains(&format!(r#"name="record" value="{}""#, id(1))));
    // What concerns many records is not one press away where nobody chose a mapping.
    assert!(!browser.get("/conflicts").await.body.contains("win everywhere"));
}

#[tokio::test]
async fn times_and_ids_are_short_and_whole_when_pointed_at() {
    let browser = Browser::enter(Holds::Everything).await;
    let jobs = browser.get("/jobs").await.body;
    assert!(
        jobs.contains(r#"<time datetime="2026-03-02T11:57:00Z" title="2026-03-02T11:57:00Z">3 min ago</time>"#),
        "{jobs}"
    );
    assert!(jobs.contains(r#"<progress max="10" value="7""#), "{jobs}");
    let pairs = browser.get("/couplings?mapping=CUSTOMER").await.body;
    assert!(pairs.contains("00000000…") && pairs.contains(&format!("{} in Dataverse", id(2))), "{pairs}");
    let letters = browser.get("/dead-letters").await.body;
    assert!(
        letters.contains(">10000 &lt;script") && letters.contains(&format!("{} in Business Central", id(1))),
        "{letters}"
    );
}
