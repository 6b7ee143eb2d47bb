//! Holds the architecture: what each floor of `src/` may name, and what every file looks like.
//!
//! Paths are read from the syntax tree: `use`, inline paths, `super::` chains that leave the floor,
//! attributes, and the tokens inside macros. `#[cfg(test)]` code is exempt. The table is [`FLOORS`];
//! ARCHITECTURE.md tells why it is as it is, and changes in the commit that changes it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

#[path = "architecture/selftest.rs"]
mod selftest;

// === The rules ===

/// A top-level module, or one of the two crate roots, and the other floors that it may name.
struct Floor {
    name: &'static str,
    may_name: &'static [&'static str],
}

/// From the ground up; a floor may only name floors that stand before it, so there are no cycles.
#[rustfmt::skip]
const FLOORS: &[Floor] = &[
    Floor { name: "domain", may_name: &[] },
    Floor { name: "policy", may_name: &["domain"] },
    Floor { name: "telemetry", may_name: &["domain"] },
    Floor { name: "protocol", may_name: &["domain"] },
    Floor { name: "store", may_name: &["domain"] },
    Floor { name: "session", may_name: &["domain", "telemetry", "protocol", "store"] },
    Floor { name: "mfa", may_name: &["domain", "telemetry", "protocol", "store"] },
    Floor { name: "authority", may_name: &["domain", "policy", "telemetry", "session", "mfa"] },
    Floor { name: "edge", may_name: &["domain", "telemetry", "protocol", "authority"] },
    Floor { name: "config", may_name: &["domain", "policy", "telemetry", "store", "session", "mfa", "authority", "edge"] },
    Floor { name: "import", may_name: &["domain", "config"] },
    Floor { name: "lint", may_name: &["domain", "config"] },
    Floor { name: "app", may_name: &["domain", "policy", "telemetry", "protocol", "store", "session", "mfa", "authority", "edge", "config"] },
    Floor { name: "cli", may_name: &["app", "config", "import", "lint"] },
    Floor { name: "main.rs", may_name: &["app", "config", "import", "lint", "cli"] },
    Floor { name: "lib.rs", may_name: &[] },
];

/// A crate that only one module and what is below it may name.
const KEPT_IN: &[(&str, &str)] = &[
    ("serde_saphyr", "config"),
    ("cel", "policy/expr"),
    ("prometheus", "telemetry/metrics"),
    ("redb", "store/embedded"),
    ("redis", "store/redis"),
    ("ring", "policy/assertion"),
    ("rsa", "protocol/edumfa/signature"),
    ("askama", "edge/http/pages"),
    ("fluent_bundle", "edge/http/pages"),
    ("unic_langid", "edge/http/pages"),
];

/// Floors without IO, async and clock.
const PURE_FLOORS: &[&str] = &["domain", "policy"];

/// Crates that a pure floor does not name.
const IMPURE_CRATES: &[&str] = &[
    "actix_http",
    "actix_rt",
    "actix_web",
    "async_std",
    "awc",
    "axum",
    "futures",
    "futures_util",
    "h2",
    "http",
    "http_body",
    "hyper",
    "mio",
    "reqwest",
    "socket2",
    "tokio",
    "tokio_util",
    "tonic",
    "tower",
];

/// Modules of `std` that a pure floor does not name.
const IMPURE_STD: &[&str] = &["env", "fs", "process", "thread"];

/// Clocks and sockets: refused under any path, so `use std::time; time::Instant` is found too.
const IMPURE_NAMES: &[&str] = &[
    "Instant",
    "SystemTime",
    "UNIX_EPOCH",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixStream",
];

/// Lines of code in one file, without tests, comments and blank lines.
const CODE_LINES: usize = 400;

/// Words that say nothing about what is in a file.
const EMPTY_NAMES: &[&str] = &["common", "helper", "manager", "misc", "util"];

// === Checking one file ===

/// One broken rule.
struct Violation {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Reads the syntax of one file; `file` is its path below `src/`.
struct Reader<'a> {
    file: &'a str,
    floor: &'static Floor,
    /// The module that is being read, from the crate's root.
    module: Vec<String>,
    /// First and last lines of `#[cfg(test)]` code.
    test_lines: Vec<(usize, usize)>,
    /// Names of `#[cfg(test)] mod name;`, whose files are exempt.
    test_modules: Vec<PathBuf>,
    violations: Vec<Violation>,
}

/// Where a path leads.
enum Target {
    /// The crate's root itself, or everything in it.
    Root,
    /// A top-level module of this crate.
    Floor(String),
    /// Another crate, or a name that is in scope.
    Other,
}

impl Reader<'_> {
    fn report(&mut self, line: usize, what: String) {
        self.violations.push(Violation { file: self.file.to_owned(), line, what });
    }

    /// Where the path of these segments leads when it stands in the current module.
    fn resolve(&self, segments: &[String]) -> Target {
        let mut base = match segments.first().map(String::as_str) {
            Some("crate" | "vouchsafe") => &[][..],
            Some("self" | "super") => self.module.as_slice(),
            // In a crate's root, a module's own name is enough.
            Some(name) if self.module.is_empty() && floor(name).is_some() => {
                return Target::Floor(name.to_owned());
            }
            _ => return Target::Other,
        };
        let mut rest = segments;
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "crate" | "vouchsafe" | "self" => {}
                "super" => base = base.split_last().map_or(base, |(_, parent)| parent),
                _ => break,
            }
            rest = after;
        }
        match base.first().or(rest.first()).map(String::as_str) {
            None | Some("*") => Target::Root,
            Some(name) => Target::Floor(name.to_owned()),
        }
    }

    /// Checks one path; `imported` if a `use` brings it into scope.
    fn check(&mut self, segments: &[String], imported: bool, span: Span) {
        let line = span.start().line;
        let path = segments.join("::");
        match self.resolve(segments) {
            Target::Root if imported => self.report(
                line,
                format!("imports the crate's root (`{path}`); name what you need by its floor"),
            ),
            Target::Root => {}
            Target::Floor(name) => self.check_floor(&name, &path, line),
            Target::Other => self.check_foreign(segments, &path, line),
        }
    }

    fn check_floor(&mut self, name: &str, path: &str, line: usize) {
        let Floor { name: here, may_name } = *self.floor;
        if floor(name).is_none() {
            self.report(
                line,
                format!("names `{path}`, but `{name}` is no floor; add it to FLOORS or use one"),
            );
        } else if name != here && !may_name.contains(&name) {
            let allowed =
                if may_name.is_empty() { "no other floor".to_owned() } else { may_name.join(", ") };
            self.report(line, format!("names {name} (`{path}`); {here} may name {allowed}"));
        }
    }

    fn check_foreign(&mut self, segments: &[String], path: &str, line: usize) {
        let first = segments.first().map_or("", String::as_str);
        if let Some((_, place)) = KEPT_IN.iter().find(|(name, _)| *name == first)
            && !Path::new(self.file).with_extension("").starts_with(place)
        {
            self.report(line, format!("names `{path}`; only src/{place} may name {first}"));
        }
        if !PURE_FLOORS.contains(&self.floor.name) {
            return;
        }
        let impure = IMPURE_CRATES.contains(&first)
            || matches!(segments, [std, module, ..] if std == "std" && IMPURE_STD.contains(&module.as_str()))
            || segments.iter().any(|name| IMPURE_NAMES.contains(&name.as_str()));
        if impure {
            let here = self.floor.name;
            self.report(line, format!("names `{path}`; {here} knows no IO, async, clock or HTTP"));
        }
    }

    fn check_use(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>) {
        let depth = prefix.len();
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.check_use(&path.tree, prefix);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.check_use(tree, prefix);
                }
            }
            syn::UseTree::Name(syn::UseName { ident })
            | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                prefix.push(ident.to_string());
                self.check(prefix, true, ident.span());
            }
            syn::UseTree::Glob(glob) => {
                prefix.push("*".to_owned());
                self.check(prefix, true, glob.span());
            }
        }
        prefix.truncate(depth);
    }

    /// Finds paths in what a macro or an attribute gets, `use`-like groups and quoted paths included.
    fn check_tokens(&mut self, tokens: TokenStream, prefix: &[String]) {
        let mut path: Vec<String> = Vec::new();
        let mut start = Span::call_site();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 || path.is_empty() {
                        self.flush(&mut path, start);
                        path.extend_from_slice(prefix);
                        start = ident.span();
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    let follows = colons == 2 && group.delimiter() == Delimiter::Brace;
                    let inner = if follows { std::mem::take(&mut path) } else { Vec::new() };
                    self.flush(&mut path, start);
                    self.check_tokens(group.stream(), &inner);
                    colons = 0;
                }
                TokenTree::Literal(literal) => {
                    self.flush(&mut path, start);
                    colons = 0;
                    if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string())
                        && let Ok(quoted) = text.parse::<syn::Path>()
                        && quoted.segments.len() > 1
                        && quoted
                            .segments
                            .first()
                            .is_some_and(|s| s.ident == "crate" || s.ident == "super")
                    {
                        self.check(&segments(&quoted), false, literal.span());
                    }
                }
                TokenTree::Punct(_) => {
                    self.flush(&mut path, start);
                    colons = 0;
                }
            }
        }
        self.flush(&mut path, start);
    }

    fn flush(&mut self, path: &mut Vec<String>, start: Span) {
        if path.len() > 1 {
            self.check(path, false, start);
        }
        path.clear();
    }

    /// Whether to skip an item, because only tests compile it.
    fn is_test(&mut self, attributes: &[syn::Attribute], span: Span) -> bool {
        let test = attributes.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|name| name.is_ident("test"))
        });
        if test {
            self.test_lines.push((span.start().line, span.end().line));
        }
        test
    }
}

/// Skips what only tests compile, for each kind of node that may stand behind `#[cfg(test)]`.
macro_rules! skip_tests {
    ($($visit:ident: $node:ty;)*) => { $(
        fn $visit(&mut self, node: &'ast $node) {
            if !self.is_test(&node.attrs, node.span()) {
                visit::$visit(self, node);
            }
        }
    )* };
}

impl<'ast> Visit<'ast> for Reader<'_> {
    skip_tests! {
        visit_arm: syn::Arm;
        visit_field: syn::Field;
        visit_field_value: syn::FieldValue;
        visit_impl_item_const: syn::ImplItemConst;
        visit_impl_item_fn: syn::ImplItemFn;
        visit_impl_item_type: syn::ImplItemType;
        visit_item_const: syn::ItemConst;
        visit_item_enum: syn::ItemEnum;
        visit_item_fn: syn::ItemFn;
        visit_item_impl: syn::ItemImpl;
        visit_item_macro: syn::ItemMacro;
        visit_item_static: syn::ItemStatic;
        visit_item_struct: syn::ItemStruct;
        visit_item_trait: syn::ItemTrait;
        visit_item_type: syn::ItemType;
        visit_local: syn::Local;
        visit_stmt_macro: syn::StmtMacro;
        visit_trait_item_fn: syn::TraitItemFn;
        visit_variant: syn::Variant;
    }

    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        self.module.push(node.ident.to_string());
        if self.is_test(&node.attrs, node.span()) {
            if node.content.is_none() {
                self.test_modules.push(self.module.iter().collect());
            }
        } else {
            if let Some(path) =
                node.attrs.iter().find(|attribute| attribute.path().is_ident("path"))
            {
                let what =
                    "puts a module elsewhere with #[path]; a file stands where its module does";
                self.report(path.span().start().line, what.to_owned());
            }
            visit::visit_item_mod(self, node);
        }
        self.module.pop();
    }

    fn visit_item_use(&mut self, node: &'ast syn::ItemUse) {
        if !self.is_test(&node.attrs, node.span()) {
            self.check_use(&node.tree, &mut Vec::new());
        }
    }

    fn visit_item_extern_crate(&mut self, node: &'ast syn::ItemExternCrate) {
        if !self.is_test(&node.attrs, node.span()) {
            let name =
                if node.ident == "self" { "crate".to_owned() } else { node.ident.to_string() };
            self.check(&[name], true, node.ident.span());
        }
    }

    fn visit_path(&mut self, node: &'ast syn::Path) {
        self.check(&segments(node), false, node.span());
        visit::visit_path(self, node);
    }

    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        visit::visit_macro(self, node);
        self.check_tokens(node.tokens.clone(), &[]);
    }

    fn visit_meta_list(&mut self, node: &'ast syn::MetaList) {
        visit::visit_meta_list(self, node);
        self.check_tokens(node.tokens.clone(), &[]);
    }
}

fn floor(name: &str) -> Option<&'static Floor> {
    FLOORS.iter().find(|floor| floor.name == name)
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// The module that a file holds: `policy/trust.rs` and `policy/trust/mod.rs` are `policy::trust`.
fn module_of(file: &str) -> Vec<String> {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    if matches!(stem, "lib" | "main") {
        Vec::new()
    } else {
        stem.split('/').map(str::to_owned).collect()
    }
}

/// What is wrong with one file, and the modules of it that only tests compile.
fn read(file: &str, source: &str) -> (Vec<Violation>, Vec<PathBuf>) {
    let module = module_of(file);
    let at = |line, what: String| Violation { file: file.to_owned(), line, what };
    let Some(floor) = floor(module.first().map_or(file, String::as_str)) else {
        return (
            vec![at(1, "stands on no floor; add it to FLOORS or move it".to_owned())],
            Vec::new(),
        );
    };
    let syntax = match syn::parse_file(source) {
        Ok(syntax) => syntax,
        Err(error) => {
            let line = error.span().start().line;
            return (vec![at(line, format!("cannot be parsed: {error}"))], Vec::new());
        }
    };
    let mut reader = Reader {
        file,
        floor,
        module,
        test_lines: Vec::new(),
        test_modules: Vec::new(),
        violations: Vec::new(),
    };
    reader.visit_file(&syntax);
    let Reader { test_lines, test_modules, mut violations, .. } = reader;

    if !syntax.attrs.iter().any(|attribute| attribute.path().is_ident("doc")) {
        violations
            .push(at(1, "has no `//!`: say what it is for and what it must not know".to_owned()));
    }
    let lines = code_lines(source, &test_lines);
    if lines > CODE_LINES {
        violations
            .push(at(1, format!("has {lines} lines of code, more than {CODE_LINES}: is it two?")));
    }
    let said = file.trim_end_matches(".rs").split(['/', '_']);
    if let Some(word) = said.into_iter().find(|w| EMPTY_NAMES.contains(&w.trim_end_matches('s'))) {
        violations.push(at(1, format!("is called `{word}`: name it after what is in it")));
    }
    violations.sort_by_key(|violation| violation.line);
    (violations, test_modules)
}

fn code_lines(source: &str, test_lines: &[(usize, usize)]) -> usize {
    let in_test = |line| test_lines.iter().any(|(first, last)| (*first..=*last).contains(&line));
    (1..)
        .zip(source.lines().map(str::trim_start))
        .filter(|(line, text)| !text.is_empty() && !text.starts_with("//") && !in_test(*line))
        .count()
}

// === The tree ===

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_names_only_what_its_floor_may_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no source found");

    let mut violations = Vec::new();
    let mut test_modules: Vec<PathBuf> = Vec::new();
    for path in &files {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let (found, exempt) = read(&file, &fs::read_to_string(path).unwrap());
        violations.extend(found);
        test_modules.extend(exempt);
    }
    violations.retain(|v| {
        let module: PathBuf = module_of(&v.file).iter().collect();
        !test_modules.iter().any(|exempt| module.starts_with(exempt))
    });
    let list: Vec<_> = violations.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "\n{}\n", list.join("\n"));
}

#[test]
fn the_table_points_down_only() {
    for (at, floor) in FLOORS.iter().enumerate() {
        for name in floor.may_name {
            let below = FLOORS.iter().take(at).any(|lower| lower.name == *name);
            assert!(below, "{} may name {name}, which does not stand before it", floor.name);
        }
    }
}

// === The rules, each broken once ===
