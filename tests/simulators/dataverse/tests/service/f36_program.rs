//! The simulator as a program: it ends in order when told to, and says in one line why it cannot start.
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dataverse-simulator");

/// Starts the program; gives it and its origin once it serves.
fn started(arguments: &[&str]) -> (Child, String) {
    let mut child =
        Command::new(PROGRAM).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
    let said = lines.find(|line| line.starts_with("Dataverse simulator at")).unwrap();
    let origin = said.split_whitespace().nth(3).unwrap().to_owned();
    (child, origin)
}

fn told(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

fn port(origin: &str) -> &str {
    origin.rsplit(':').next().unwrap()
}

#[test]
fn f36_a_program_that_is_told_to_end_saves_its_organization_first() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("organization.json");
    for signal in ["-TERM", "-INT"] {
        let (child, _) = started(&["--port", "0", "--demo", "--state", state.to_str().unwrap()]);
        told(&child, signal);
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()), "{signal}");
        let saved = std::fs::read_to_string(&state).unwrap();
        assert!(saved.contains("account"), "{signal}");
        std::fs::remove_file(&state).unwrap();
    }
}

#[test]
fn f36_what_keeps_a_program_from_starting_is_one_line() {
    let (first, origin) = started(&["--port", "0"]);
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "no organization").unwrap();
    let tried = |arguments: &[&str]| -> Output {
        Command::new(PROGRAM).args(arguments).env("RUST_BACKTRACE", "1").output().unwrap()
    };
    for (arguments, parts) in [
        (vec!["--port", port(&origin)], [port(&origin), "in use"]),
        (vec!["--port", "0", "--state", broken.to_str().unwrap()], ["broken.json", "not a saved organization"]),
        (vec!["--port", "0", "--faults", "{\"nonsense\": 1}"], ["--faults", "nonsense"]),
        (
            vec!["--port", "0", "--faults", "{\"clock_skew_seconds\": 9223372036854775807}"],
            ["--faults", "hundred years"],
        ),
    ] {
        let refused = tried(&arguments);
        let text = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), text.lines().count()), (Some(1), 1), "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
    told(&first, "-TERM");
    assert!(first.wait_with_output().unwrap().status.success());
}

#[test]
fn f36_a_state_that_cannot_be_saved_is_said_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("gone").join("state.json");
    let (child, _) = started(&["--port", "0", "--state", state.to_str().unwrap()]);
    told(&child, "-TERM");
    let ended = child.wait_with_output().unwrap();
    let text = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains("the state is not saved"), "{text}");
}
