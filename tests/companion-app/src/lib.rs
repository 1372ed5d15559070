//! The companion app as its syntax trees show it: objects, fields of pages, permissions. Nothing is compiled: what only the
//! compiler knows, as the types of fields of tables, is not here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use tree_sitter::{Node, Parser, Tree};

/// An object of the app.
#[derive(Debug)]
pub struct Object {
    /// Name of its file.
    pub file: String,
    /// Its source.
    pub source: String,
    /// `page`, `codeunit`, `tableextension` or `permissionset`.
    pub kind: String,
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Its own properties, with their values as they stand there, without quotes.
    pub properties: BTreeMap<String, String>,
    /// The fields of a page, in their order.
    pub fields: Vec<Field>,
    /// The tables of its variables and parameters that are records, without temporary ones.
    pub records: BTreeSet<String>,
    /// What a permission set grants.
    pub permissions: Vec<Permission>,
}

/// A field of a page.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name on the wire.
    pub name: String,
    /// The field of the table it shows, without quotes; `None` for a variable of the page.
    pub of_table: Option<String>,
    /// Whether a request may set it, if the page says; else it is as the table has it.
    pub editable: Option<bool>,
}

impl Field {
    /// Whether a request may set it where the table does not forbid that.
    #[must_use]
    pub fn is_editable(&self) -> bool {
        self.editable != Some(false)
    }
}

/// One line of a permission set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// `tabledata`, `page` or `codeunit`.
    pub kind: String,
    /// Of what.
    pub name: String,
    /// Letters: R, I, M, D, X.
    pub rights: String,
}

/// Where a text is no AL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// What stands there, or is missing.
    pub what: String,
}

/// The folder of the app.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/business-central")
}

/// The source files, by name.
///
/// # Panics
/// When the folder cannot be read.
#[must_use]
pub fn sources() -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder().join("src")).expect("the folder of the app");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "al"));
    files
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a source file"))
        })
        .collect()
}

/// The places where a source is no AL; none if it parses.
#[must_use]
pub fn faults(source: &str) -> Vec<Fault> {
    let tree = parse(source);
    let mut faults = Vec::new();
    visit(tree.root_node(), &mut |node| {
        if node.is_error() || node.is_missing() {
            let line = node.start_position().row + 1;
            let text = source[node.byte_range()].lines().next().unwrap_or_default();
            let what = if node.is_missing() { format!("{} is missing", node.kind()) } else { text.to_owned() };
            faults.push(Fault { line, what });
        }
    });
    faults
}

/// All objects of the app.
///
/// # Panics
/// When a source file holds no object, or several.
#[must_use]
pub fn objects() -> Vec<Object> {
    sources().into_iter().map(|(file, source)| object(file, &source)).collect()
}

fn parse(source: &str) -> Tree {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_al::LANGUAGE.into()).expect("the grammar fits the library");
    parser.parse(source, None).expect("neither a time limit nor a cancellation is set")
}

fn visit<'t>(node: Node<'t>, seen: &mut impl FnMut(Node<'t>)) {
    seen(node);
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        visit(child, seen);
    }
}

fn object(file: String, source: &str) -> Object {
    let tree = parse(source);
    let text = |node: Node<'_>| source[node.byte_range()].trim_matches(['"', '\'']).to_owned();
    let of = |node: Node<'_>, field: &str| node.child_by_field_name(field).map(text);
    let mut declared = None;
    let (mut fields, mut records, mut permissions) = (Vec::new(), BTreeSet::new(), Vec::new());
    visit(tree.root_node(), &mut |node| match node.kind() {
        "page_field" => fields.push(field(node, source)),
        "record_type" if !source[node.byte_range()].to_lowercase().ends_with("temporary") => {
            records.extend(of(node, "reference"));
        }
        "tabledata_permission" => permissions.push(Permission {
            kind: node.child(0).map(text).unwrap_or_default(),
            name: of(node, "table_name").unwrap_or_default(),
            rights: of(node, "permission").unwrap_or_default(),
        }),
        kind => {
            if let Some(kind) = kind.strip_suffix("_declaration").filter(|_| of(node, "object_id").is_some()) {
                assert!(declared.is_none(), "{file} holds two objects");
                declared = Some((kind.to_owned(), node));
            }
        }
    });
    let (kind, node) = declared.unwrap_or_else(|| panic!("{file} holds no object"));
    let number = of(node, "object_id").and_then(|number| number.parse().ok()).expect("a number");
    let name = of(node, "object_name").expect("a name");
    let properties = node.child_by_field_name("body").map(|body| properties(body, source)).unwrap_or_default();
    Object { file, kind, number, name, properties, fields, records, permissions, source: source.to_owned() }
}

/// The properties that stand directly in a body.
fn properties(body: Node<'_>, source: &str) -> BTreeMap<String, String> {
    let text = |node: Node<'_>| source[node.byte_range()].trim_matches(['"', '\'']).to_owned();
    let mut cursor = body.walk();
    let own = body.children(&mut cursor).filter(|node| node.kind() == "property");
    own.filter_map(|node| {
        Some((node.child_by_field_name("name").map(text)?, node.child_by_field_name("value").map(text)?))
    })
    .collect()
}

fn field(node: Node<'_>, source: &str) -> Field {
    let text = |node: Node<'_>| source[node.byte_range()].trim_matches(['"', '\'']).to_owned();
    let shows = node.child_by_field_name("source").expect("a field shows something");
    let is_of_table =
        shows.kind() == "member_expression" && shows.child_by_field_name("object").map(text).as_deref() == Some("Rec");
    let properties = node.child_by_field_name("body").map(|body| properties(body, source)).unwrap_or_default();
    Field {
        name: node.child_by_field_name("name").map(text).expect("a field has a name"),
        of_table: is_of_table.then(|| shows.child_by_field_name("member").map(text)).flatten(),
        editable: properties.get("Editable").map(|value| value != "false"),
    }
}
