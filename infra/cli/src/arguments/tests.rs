//! What the documents show of commands, settings and parameters exists.

use clap::Parser;
use couplet_runtime::configuration::KEYS;

use super::Arguments;

/// The page that says what is better on purpose, and the switches that decide it.
const BEYOND: &str = include_str!("../../../../docs/beyond.md");
const TEMPLATE: &str = include_str!("../../../../template.yaml");

/// What stands between backticks.
fn code(page: &str) -> impl Iterator<Item = &str> {
    page.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The words of a command line, in quotes where they hold spaces.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('"').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// The names of the parameters of the stack.
fn parameters() -> impl Iterator<Item = &'static str> {
    let lines = TEMPLATE.lines().skip_while(|line| *line != "Parameters:").skip(1);
    lines
        .take_while(|line| line.is_empty() || line.starts_with(' ') || line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':').filter(|name| !name.starts_with(' ')))
}

#[test]
fn commands_settings_and_parameters_that_decide_what_is_better_exist() {
    let is_setting = |span: &&str| {
        let letters =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        span.split_once('.').is_some_and(|(section, name)| letters(section) && letters(name))
    };
    let is_parameter =
        |span: &&str| span.starts_with(|letter: char| letter.is_ascii_uppercase()) && !span.contains(' ');
    let (mut commands, mut settings, mut stack) = (0, 0, 0);
    // Names of files and the pattern itself are no settings.
    for span in code(BEYOND).filter(|span| !matches!(*span, "section.name" | "couplet.toml")) {
        if let Some(line) = span.strip_prefix("couplet ") {
            let read = Arguments::try_parse_from(std::iter::once("couplet".to_owned()).chain(words(line)));
            assert!(read.is_ok(), "`{span}`: {}", read.expect_err("it is not understood"));
            commands += 1;
        } else if is_setting(&span) {
            assert!(KEYS.iter().any(|key| key.name == span), "there is no setting {span}");
            settings += 1;
        } else if is_parameter(&span) {
            assert!(parameters().any(|name| name == span), "the stack has no parameter {span}");
            stack += 1;
        }
    }
    assert!(commands > 30 && settings > 10 && stack > 3, "they were found: {commands} {settings} {stack}");
}
