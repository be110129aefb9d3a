//! Dependencies are as `deny.toml` allows, also where `cargo deny` is not at hand.

use std::collections::BTreeSet;

use crate::tidy::{files, list, metadata, own, root, text};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The strings of the first list that is called so in `deny.toml`.
fn allowed_in_policy(name: &str) -> BTreeSet<String> {
    let policy = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let start = policy.find(&format!("\n{name} = [")).unwrap();
    let end = start + policy[start..].find(']').unwrap();
    policy[start..end]
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Whether an SPDX expression can be met by the licences that are allowed.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // `MIT/Apache-2.0` is how it was written before SPDX.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = either(&mut words, allowed);
    met && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= both(words, allowed);
    }
    met
}

fn both(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let met = either(words, allowed);
        return words.next_if_eq(&")").is_some() && met;
    }
    let mut licence = words.next().unwrap_or_default().to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
    }
    allowed.contains(&licence)
}

#[test]
fn every_dependency_is_licensed_as_deny_toml_allows() {
    let allowed = allowed_in_policy("allow");
    let metadata = metadata();
    let refused: Vec<String> = list(&metadata, "packages")
        .iter()
        .filter(|package| !is_met(text(package, "license"), &allowed))
        .map(|package| {
            let licence = text(package, "license");
            format!(
                "{} {}: {licence:?}",
                text(package, "name"),
                text(package, "version")
            )
        })
        .collect();
    assert!(
        refused.is_empty(),
        "not allowed by deny.toml:\n{}",
        refused.join("\n")
    );
}

#[test]
fn every_dependency_comes_from_crates_io_and_has_a_version() {
    let metadata = metadata();
    for package in list(&metadata, "packages") {
        let name = text(package, "name");
        match package["source"].as_str() {
            Some(source) => assert_eq!(source, CRATES_IO, "{name}"),
            None => {
                for dependency in list(package, "dependencies") {
                    let asked = text(dependency, "req");
                    let by_path = dependency["path"].is_string();
                    let named = text(dependency, "name");
                    assert!(
                        by_path || asked != "*",
                        "{name} takes any version of {named}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_dependency_of_what_is_published_is_used() {
    let metadata = metadata();
    let sources = files(&[".rs"]);
    for package in own(&metadata).filter(|package| package["publish"].is_null()) {
        let name = text(package, "name");
        for dependency in list(package, "dependencies") {
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            let rename = dependency["rename"].as_str();
            let named = rename.unwrap_or(text(dependency, "name")).replace('-', "_");
            let mentions = |(path, source): &(String, String)| {
                path.starts_with(&format!("{name}/src/")) && source.contains(&named)
            };
            assert!(sources.iter().any(mentions), "{name} does not use {named}");
        }
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = BTreeSet::from([
        "MIT".to_owned(),
        "Apache-2.0 WITH LLVM-exception".to_owned(),
    ]);
    for (expression, met) in [
        ("MIT", true),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(GPL-3.0 OR MIT) AND MIT", true),
        ("MIT OR GPL-3.0 AND GPL-2.0", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("MIT)", false),
        ("(MIT", false),
        ("", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression:?}");
    }
}
