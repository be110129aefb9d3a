//! What is deliberately absent: held by looking at the tree and at what cargo says about it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crates that others build on. Everything else of the workspace that is published is an adapter.
const CORE: &str = "approvals-core";
const MACROS: &str = "approvals-macros";
/// What channels to chat services share.
const CHANNEL: &str = "approvals-channel";
/// Past this a file has more than one subject.
const LONGEST_FILE: usize = 600;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every file of the tree with one of these endings, by its path from the root.
pub(crate) fn files(endings: &[&str]) -> Vec<(String, String)> {
    fn walk(directory: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    walk(&path, endings, found);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), endings, &mut found);
    found.sort();
    assert!(!found.is_empty(), "no file ends with {endings:?}");
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    found
        .iter()
        .map(|path| (relative(path), fs::read_to_string(path).unwrap()))
        .collect()
}

/// What core is made of, without its tests.
fn core_sources() -> impl Iterator<Item = (String, String)> {
    files(&[".rs"]).into_iter().filter(|(path, _)| {
        path.starts_with("approvals-core/src/")
            && !path.contains("/tests/")
            && !path.ends_with("tests.rs")
    })
}

pub(crate) fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata failed: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// The workspace's own packages: those without a source.
pub(crate) fn own(metadata: &Value) -> impl Iterator<Item = &Value> {
    list(metadata, "packages")
        .iter()
        .filter(|package| package["source"].is_null())
}

#[test]
fn adapters_depend_on_core_and_never_on_each_other() {
    let metadata = metadata();
    let published: BTreeSet<&str> = own(&metadata)
        .filter(|package| package["publish"].is_null())
        .map(|package| text(package, "name"))
        .collect();
    assert!(published.contains(CORE) && published.contains(MACROS));
    for package in own(&metadata).filter(|p| published.contains(text(p, "name"))) {
        let name = text(package, "name");
        let of_ours: BTreeSet<&str> = list(package, "dependencies")
            .iter()
            // A crate's tests may use what they like.
            .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
            .map(|dependency| text(dependency, "name"))
            .filter(|dependency| published.contains(dependency))
            .collect();
        let allowed: BTreeSet<&str> = match name {
            MACROS => BTreeSet::new(),
            CORE => BTreeSet::from([MACROS]),
            CHANNEL => BTreeSet::from([CORE]),
            // What adapters share is not one of them.
            _ => BTreeSet::from([CORE, CHANNEL]),
        };
        assert!(
            of_ours.is_subset(&allowed),
            "{name} depends on {of_ours:?}: only {allowed:?} are allowed"
        );
    }
}

#[test]
fn core_has_no_network_no_disk_and_no_sql() {
    let metadata = metadata();
    let core = own(&metadata).find(|p| text(p, "name") == CORE).unwrap();
    for dependency in list(core, "dependencies") {
        if dependency["kind"].as_str() == Some("dev") {
            continue;
        }
        let name = text(dependency, "name");
        for foreign in ["hyper", "reqwest", "axum", "rusqlite", "sqlx", "postgres"] {
            assert!(!name.contains(foreign), "{CORE} depends on {name}");
        }
        if name == "tokio" {
            let features: BTreeSet<&str> = list(dependency, "features")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let allowed = BTreeSet::from(["sync", "time", "rt", "macros"]);
            assert!(features.is_subset(&allowed), "{features:?}");
        }
    }
    for (path, source) in core_sources() {
        for foreign in ["std::fs", "std::net", "tokio::fs", "tokio::net"] {
            assert!(!source.contains(foreign), "{path} uses {foreign}");
        }
    }
}

/// The engine has nothing to ask but its arguments: no clock, no store, no runtime.
#[test]
fn the_review_engine_has_no_clock_and_no_input_or_output() {
    for (path, source) in core_sources() {
        if !path.starts_with("approvals-core/src/review/") {
            continue;
        }
        for foreign in [
            "async fn",
            ".await",
            "tokio",
            "Instant",
            "SystemTime",
            "Clock",
            "dyn RequestStore",
            "dyn Directory",
            "static mut",
            "static ref",
            "OnceLock",
            "Mutex",
            "Cell<",
        ] {
            let found = source
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .find(|line| line.contains(foreign) && !line.contains("ClockWentBack"));
            assert_eq!(found, None, "{path} has {foreign}");
        }
    }
}

/// Invariant 1: whoever could make a permit could run a body.
#[test]
fn only_the_gate_makes_a_permit() {
    for (path, source) in core_sources() {
        let makes = source.contains("Permit::started(")
            || source.contains("Permit::allowed(")
            || source.contains("Permit(");
        let may =
            path.starts_with("approvals-core/src/gate/") || path == "approvals-core/src/permit.rs";
        assert!(!makes || may, "{path} makes a permit");
    }
}

/// Invariant 14. A feature that is not listed here has not been looked at.
#[test]
fn no_feature_of_core_loosens_anything() {
    let metadata = metadata();
    let features = |name: &str| -> BTreeMap<String, Vec<String>> {
        let package = own(&metadata).find(|p| text(p, "name") == name).unwrap();
        serde_json::from_value(package["features"].clone()).unwrap()
    };
    let core = BTreeMap::from([
        ("default".to_owned(), vec!["macros".to_owned()]),
        // Re-exports the attribute.
        ("macros".to_owned(), vec!["dep:approvals-macros".to_owned()]),
    ]);
    assert_eq!(features(CORE), core);
    assert_eq!(features(MACROS), BTreeMap::new());
    // What a feature, a debug build or a test switches in core, beyond tests themselves.
    for (path, source) in core_sources() {
        for (number, line) in source.lines().enumerate() {
            let line = line.trim();
            let known = [
                "#[cfg(test)]",
                "#[cfg(doctest)]",
                "#[cfg(feature = \"macros\")]",
            ];
            let switches = line.contains("cfg(")
                || line.contains("cfg!(")
                || line.contains("cfg_attr")
                || line.contains("debug_assert")
                || line.contains("env::var");
            assert!(
                !switches || known.contains(&line) || line.starts_with("//"),
                "{path}:{}: {line}",
                number + 1
            );
        }
    }
}

/// Invariant 14: a gate that a feature can remove is not a gate.
#[test]
fn no_attribute_stands_inside_cfg_attr() {
    for (path, source) in files(&[".rs"]) {
        // Written so that this line is not found.
        for place in source.match_indices(concat!("cfg_", "attr(")) {
            let rest: String = source
                .chars()
                .skip(source[..place.0].chars().count())
                .collect();
            let end = rest.find(")]").unwrap_or(rest.len());
            assert!(
                !rest[..end].contains("requires_approval"),
                "{path} has the attribute inside `cfg_attr`"
            );
        }
    }
}

#[test]
fn no_file_has_more_than_one_subject() {
    let mut long = Vec::new();
    for (path, source) in files(&[".rs"]) {
        let lines = source.lines().count();
        if lines > LONGEST_FILE {
            long.push(format!("{path}: {lines} lines, at most {LONGEST_FILE}"));
        }
    }
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}

/// The names that ARCHITECTURE.md gives as a test's: `some_sentence` in backquotes. One that is
/// ignored shows nothing to whoever runs them all.
#[test]
fn every_test_that_the_architecture_names_exists_and_is_run() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let named: BTreeSet<&str> = architecture
        .split('`')
        .skip(1)
        .step_by(2)
        // Tests are sentences: three words and more. Longer names of items have capitals or colons.
        .filter(|name| name.matches('_').count() >= 2)
        .filter(|name| {
            name.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .collect();
    assert!(named.len() > 50, "only {} tests are named", named.len());
    let mut defined = BTreeSet::new();
    for (_, source) in files(&[".rs"]) {
        let mut attributed = false;
        for line in source.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.contains("::test]") || line.contains("::test(") {
                attributed = true;
            } else if line.starts_with("#[ignore") {
                attributed = false;
            } else if let Some(rest) = line
                .strip_prefix("fn ")
                .or_else(|| line.strip_prefix("async fn "))
                && std::mem::take(&mut attributed)
            {
                defined.insert(rest.split(['(', '<']).next().unwrap_or_default().to_owned());
            }
        }
    }
    let missing: Vec<&&str> = named
        .iter()
        .filter(|name| !defined.contains(**name))
        .collect();
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md names tests that are not there, or not run: {missing:#?}"
    );
}
