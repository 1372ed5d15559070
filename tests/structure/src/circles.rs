//! Imports between the files of a crate, and the circles among them.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::Source;
use crate::tokens::{self, Kind, Token};

/// A module by its names from the root of its crate.
type Module = Vec<String>;

/// Files that import each other in a circle, each circle by its files in order. `sources` are all files below the `src` of
/// one crate.
///
/// A file imports another when it names something of it, by a `use` or by a path. What is passed on by `pub use` is an
/// import of whoever names it there, not of the file that passes it on; a `mod` declaration is none.
pub fn of(sources: &[Source]) -> Vec<Vec<String>> {
    let files: BTreeMap<Module, &Source> =
        sources.iter().filter(|source| !source.is_test()).map(|source| (module_of(&source.path), source)).collect();
    let crate_files = CrateFiles::read(&files);
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, source) in &files {
        for named in &crate_files.paths[module] {
            let target = crate_files.resolve(named, 0);
            if target != *module {
                imports.entry(&source.path).or_default().insert(&files[&target].path);
            }
        }
    }
    circles(&imports)
}

fn module_of(path: &str) -> Module {
    let inside = path.split_once("/src/").map_or(path, |(_, inside)| inside);
    let mut parts: Module = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

struct CrateFiles {
    modules: BTreeSet<Module>,
    /// Absolute paths that each file names.
    paths: BTreeMap<Module, Vec<Vec<String>>>,
    /// What each file passes on: name, and the absolute path it stands for.
    passed_on: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
}

impl CrateFiles {
    fn read(files: &BTreeMap<Module, &Source>) -> Self {
        let modules: BTreeSet<Module> = files.keys().cloned().collect();
        let mut read = Self { modules, paths: BTreeMap::new(), passed_on: BTreeMap::new() };
        for (module, source) in files {
            let tokens: Vec<Token> = tokens::of(source).into_iter().filter(|token| !token.in_test).collect();
            let mut found = Found::default();
            let scanner = Scanner { module, modules: &read.modules };
            scanner.scan(&tokens, &mut found);
            read.paths.insert(module.clone(), found.paths);
            read.passed_on.insert(module.clone(), found.passed_on);
        }
        read
    }

    /// The file in which what an absolute path names stands.
    fn resolve(&self, path: &[String], depth: usize) -> Module {
        let mut module = Module::new();
        for (at, part) in path.iter().enumerate() {
            let child: Module = module.iter().chain([part]).cloned().collect();
            if self.modules.contains(&child) {
                module = child;
                continue;
            }
            // Names that are passed on in a circle lead nowhere.
            if let Some(passed) = self.passed_on.get(&module).and_then(|names| names.get(part)).filter(|_| depth < 9) {
                let rest = path[at + 1..].iter().cloned();
                return self.resolve(&passed.iter().cloned().chain(rest).collect::<Vec<_>>(), depth + 1);
            }
            break;
        }
        module
    }
}

#[derive(Default)]
struct Found {
    paths: Vec<Vec<String>>,
    passed_on: BTreeMap<String, Vec<String>>,
}

struct Scanner<'a> {
    module: &'a Module,
    modules: &'a BTreeSet<Module>,
}

impl Scanner<'_> {
    fn scan(&self, tokens: &[Token], found: &mut Found) {
        let mut at = 0;
        while at < tokens.len() {
            if tokens[at].ident() == Some("use") {
                let end = (at..tokens.len()).find(|end| tokens[*end].is(';')).unwrap_or(tokens.len());
                let mut named = Vec::new();
                tree(&tokens[at + 1..end], &[], &mut named);
                let passes_on = is_public(&tokens[..at]);
                for (path, name) in named {
                    let Some(path) = self.absolute(&path) else { continue };
                    if passes_on {
                        found.passed_on.insert(name, path);
                    } else {
                        found.paths.push(path);
                    }
                }
                at = end;
            } else if tokens[at].ident().is_some() && !follows_path(tokens, at) {
                let (path, next) = path_at(tokens, at);
                if path.len() > 1 {
                    found.paths.extend(self.absolute(&path));
                }
                at = next;
            } else {
                at += 1;
            }
        }
    }

    /// The path from the root of the crate, if it leads into the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut base = self.module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while let Some((first, behind)) = rest.split_first()
                    && first == "super"
                {
                    base.pop();
                    rest = behind;
                }
            }
            child => {
                let module: Module = base.iter().map(String::as_str).chain([child]).map(str::to_owned).collect();
                if !self.modules.contains(&module) {
                    return None;
                }
            }
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }
}

/// Whether what stands before a `use` makes it public: `pub`, or `pub(...)`.
fn is_public(before: &[Token]) -> bool {
    let last = before.last().map(|token| &token.kind);
    match last {
        Some(Kind::Ident(word)) => word == "pub",
        Some(Kind::Close(')')) => {
            let open = before.iter().rposition(|token| token.kind == Kind::Open('('));
            open.and_then(|open| before.get(open.checked_sub(1)?)?.ident()) == Some("pub")
        }
        _ => false,
    }
}

/// Whether the name here continues a path, or is a field or method.
fn follows_path(tokens: &[Token], at: usize) -> bool {
    at >= 1 && (tokens[at - 1].is('.') || at >= 2 && tokens[at - 1].is(':') && tokens[at - 2].is(':'))
}

/// The path that begins here, and where it ends.
fn path_at(tokens: &[Token], mut at: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    while let Some(name) = tokens.get(at).and_then(Token::ident) {
        path.push(name.to_owned());
        at += 1;
        let goes_on = tokens.get(at).is_some_and(|token| token.is(':'))
            && tokens.get(at + 1).is_some_and(|token| token.is(':'))
            && tokens.get(at + 2).is_some_and(|token| token.ident().is_some());
        if !goes_on {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// The paths of a tree of imports, each with the name it has here.
fn tree(tokens: &[Token], before: &[String], into: &mut Vec<(Vec<String>, String)>) {
    for branch in branches(tokens) {
        let mut path = before.to_vec();
        let mut name = None;
        let mut at = 0;
        while let Some(token) = branch.get(at) {
            match &token.kind {
                Kind::Open('{') => {
                    tree(&branch[at + 1..branch.len() - 1], &path, into);
                    name = Some(String::new());
                    break;
                }
                Kind::Ident(word) if word == "as" => {
                    name = branch.get(at + 1).and_then(Token::ident).map(str::to_owned);
                    break;
                }
                Kind::Ident(word) if word == "self" && !path.is_empty() => {}
                Kind::Ident(word) => path.push(word.clone()),
                _ => {}
            }
            at += 1;
        }
        let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
        if !name.is_empty() {
            into.push((path, name));
        }
    }
}

/// The parts between the commas, those in brackets not counted.
fn branches(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut found, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open(_) => depth += 1,
            Kind::Close(_) => depth -= 1,
            Kind::Punct(',') if depth == 0 => {
                found.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&tokens[start..]);
    found.retain(|branch| !branch.is_empty());
    found
}

/// Groups of files that reach each other.
fn circles(imports: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Vec<String>> {
    let reached = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&str> = vec![from];
        while let Some(file) = next.pop() {
            for target in imports.get(file).into_iter().flatten() {
                if seen.insert(*target) {
                    next.push(target);
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> = imports.keys().map(|file| (*file, reached(file))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (file, targets) in &reach {
        if targets.contains(file) {
            let circle = targets.iter().filter(|other| reach.get(*other).is_some_and(|back| back.contains(file)));
            found.insert(circle.map(|file| (*file).to_owned()).collect());
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let sources: Vec<Source> =
            files.iter().map(|(name, text)| Source::new(&format!("shared/x/src/{name}"), text)).collect();
        of(&sources)
    }

    #[test]
    fn a_circle_is_found_however_the_files_name_each_other() {
        for (one, other) in [
            ("use crate::b::B;", "use crate::a::A;"),
            ("use super::b::{self, B as Other};", "fn f() { crate::a::go() }"),
            ("fn f() { let x = vec![super::b::B]; }", "use crate::{a::{A}};"),
            ("use crate::B;", "use super::a;"),
        ] {
            let files = [("lib.rs", "mod a; mod b; pub use b::B;"), ("a.rs", one), ("b.rs", other)];
            assert_eq!(found(&files), [["shared/x/src/a.rs", "shared/x/src/b.rs"]], "{one} {other}");
        }
    }

    #[test]
    fn a_parent_that_uses_its_child_and_is_used_by_it_is_a_circle() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod deep; pub struct A; fn f() { deep::go() }"),
            ("a/deep.rs", "use super::A; pub fn go() {}"),
        ];
        assert_eq!(found(&files), [["shared/x/src/a/deep.rs", "shared/x/src/a/mod.rs"]]);
    }

    #[test]
    fn what_is_passed_on_or_used_by_tests_makes_no_circle() {
        let files = [
            ("lib.rs", "mod a; mod b; pub(crate) use a::A; pub use b::B; pub struct Root;"),
            ("a.rs", "use crate::{B, Root}; #[cfg(test)] mod tests { use super::*; use crate::b::C; }"),
            ("b.rs", "use crate::Root; #[cfg(test)] mod tests { use crate::a::A; }"),
        ];
        assert_eq!(found(&files), Vec::<Vec<String>>::new());
    }

    #[test]
    fn names_of_other_crates_fields_and_methods_are_no_imports() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; use std::b::X;"),
            ("b.rs", "fn f(x: X) { x.a::<u8>(); other::a::go(); std::a::go() }"),
        ];
        assert_eq!(found(&files), Vec::<Vec<String>>::new());
    }
}
