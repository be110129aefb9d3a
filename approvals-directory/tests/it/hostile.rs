//! Files that were written to do harm, or by accident: refused, within bounds.

use std::fmt::Write as _;
use std::fs;

use approvals_directory::{FileDirectory, MAX_FILE};

use crate::support::{Folder, PEOPLE, channel, person, slack, wrong};

/// xorshift64*: a different file each time, the same files in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let rolled = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(rolled).unwrap() % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Loads it, and says what is wrong where something is.
fn load(folder: &Folder, bytes: &[u8]) -> Option<String> {
    // A new file: to write over one that is there waits for the disk.
    let _ = fs::remove_file(folder.people());
    fs::write(folder.people(), bytes).unwrap();
    let error = FileDirectory::open(folder.people()).err()?;
    assert!(!error.mistakes().is_empty());
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    let places: Vec<_> = error
        .mistakes()
        .iter()
        .filter_map(|one| one.place())
        .collect();
    assert!(places.is_sorted(), "{error}");
    assert!(places.iter().all(|place| place.line <= lines), "{error}");
    let told = error.to_string();
    assert!(told.len() < 100 * 1024, "{} bytes", told.len());
    assert!(
        told.chars().all(|c| c == '\n' || !c.is_control()),
        "{told:?}"
    );
    Some(told)
}

#[test]
fn no_bytes_that_are_thrown_at_it_panic_it() {
    let folder = Folder::new();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let valid = PEOPLE.as_bytes();
    for _ in 0..3_000 {
        let mut bytes = valid.to_vec();
        for _ in 0..=dice.below(8) {
            let at = dice.below(bytes.len());
            match dice.below(4) {
                0 => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
                1 => {
                    bytes.remove(at);
                }
                2 => bytes.insert(at, b"[]{}=\".,'\n\\#\0\xff"[dice.below(14)]),
                _ => {
                    let end = (at + dice.below(60)).min(bytes.len());
                    let piece: Vec<_> = bytes.drain(at..end).collect();
                    let to = dice.below(bytes.len().max(1)).min(bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        load(&folder, &bytes);
    }
}

#[test]
fn tables_that_contradict_each_other_are_errors_and_no_panic() {
    let folder = Folder::new();
    let mut dice = Dice(42);
    let names = [
        "people",
        "people.a",
        "people.a.identities",
        "groups",
        "groups.g",
        "a",
    ];
    for _ in 0..3_000 {
        let mut file = String::new();
        for _ in 0..=dice.below(8) {
            let name = dice.pick(&names);
            match dice.below(6) {
                0 | 1 => writeln!(file, "[{name}]").unwrap(),
                2 | 3 => writeln!(file, "[[{name}]]").unwrap(),
                4 => writeln!(file, "{name} = {{ name = 'a', a.b = [] }}").unwrap(),
                _ => writeln!(file, "{name}.name = 'a'").unwrap(),
            }
        }
        load(&folder, file.as_bytes());
    }
}

/// Lines that could stand in a people file, mostly where they belong.
fn any_file(dice: &mut Dice) -> String {
    let names = ["a", "b", "c", "d", "\"e.f\"", "g"];
    let oddities = [
        "A",
        "\"\"",
        "\"x y\"",
        "a.b",
        "[]",
        "[1]",
        "true",
        "3",
        "{}",
        "[[['a']]]",
        "1979-05-27",
        "\"\\u202e\"",
        "['nobody']",
        "['a', 'a']",
    ];
    let keys: [(&str, &str, &[&str]); 7] = [
        ("people", "name", &["'Alice'", "'Bob'"]),
        (
            "people",
            "email",
            &["'a@example.com'", "'B@example.com'", "'c@x.org'"],
        ),
        ("people", "active", &["true", "false"]),
        (
            "people",
            "identities",
            &[
                "[{ channel = 'slack', tenant = 'T1', user = 'U1' }]",
                "[{ channel = 'http', user = 'a' }, { channel = 'http', user = 'b' }]",
            ],
        ),
        (
            "groups",
            "people",
            &["['a']", "['b']", "['a', 'b']", "['c']"],
        ),
        ("groups", "groups", &["['a']", "['b']", "['c', 'd']"]),
        ("agents", "owners", &["['a']", "['b', 'a']"]),
    ];
    let mut lines = std::collections::BTreeMap::new();
    for _ in 0..=dice.below(8) {
        let (section, key, values) = keys[dice.below(keys.len())];
        let mut words = [section, dice.pick(&names), key, dice.pick(values)];
        if dice.below(20) == 0 {
            words[dice.below(4)] = dice.pick(&oddities);
        }
        let [section, name, key, value] = words;
        lines.insert(format!("{section}.{name}.{key}"), value);
    }
    let mut file = String::new();
    for (key, value) in lines {
        writeln!(file, "{key} = {value}").unwrap();
    }
    file
}

#[test]
fn whatever_loads_holds_what_a_directory_promises() {
    use approvals_core::{Directory as _, Members};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let folder = Folder::new();
    let mut dice = Dice(0x0123_4567_89ab_cdef);
    let mut loaded = 0;
    for _ in 0..4_000 {
        let file = any_file(&mut dice);
        if load(&folder, file.as_bytes()).is_some() {
            continue;
        }
        loaded += 1;
        let directory = folder.open();
        let people = directory.people();
        assert!(!people.is_empty(), "{file}");
        let mut folded: Vec<_> = people
            .iter()
            .map(|one| one.person.as_str().to_lowercase())
            .collect();
        folded.dedup();
        assert_eq!(folded.len(), people.len(), "{file}");
        let mut emails: Vec<_> = people.iter().filter_map(|one| one.email.clone()).collect();
        let count = emails.len();
        emails.sort();
        emails.dedup();
        assert_eq!(emails.len(), count, "{file}");
        for name in ["a", "b", "c", "d", "g"] {
            let group = crate::support::group(name);
            match runtime.block_on(directory.members(&group)).unwrap() {
                Members::Listed(members) => {
                    assert!(!members.is_empty(), "{file}");
                    for member in members {
                        assert!(runtime.block_on(directory.exists(&member)).unwrap());
                    }
                }
                Members::Unenumerable | Members::NoSuchGroup => {}
            }
        }
        let slack_channel = channel("slack");
        for identity in people.iter().flat_map(|one| {
            let all = directory.identities(&one.person, &slack_channel);
            runtime.block_on(all).unwrap()
        }) {
            assert_eq!(identity, slack("U1"), "{file}");
        }
    }
    assert!(loaded > 100, "only {loaded} files loaded");
}

#[test]
fn a_file_that_is_too_large_is_not_read_to_its_end() {
    let folder = Folder::new();
    let file = fs::File::create(folder.people()).unwrap();
    // Sparse: what is read of it is bounded, not what it claims to be.
    file.set_len(1 << 40).unwrap();
    let error = FileDirectory::open(folder.people()).unwrap_err();
    let told = folder.told(&error);
    let expected = format!("people.toml: the file has more than {MAX_FILE} bytes: ");
    assert!(told.starts_with(&expected), "{told}");
}

#[test]
fn what_is_no_regular_file_is_refused_and_never_waited_for() {
    let folder = Folder::new();
    fs::create_dir(folder.people()).unwrap();
    let error = FileDirectory::open(folder.people()).unwrap_err();
    assert_eq!(
        folder.told(&error),
        "people.toml: this is no regular file: name one"
    );
    #[cfg(unix)]
    assert!(FileDirectory::open("/dev/zero").is_err());
}

#[test]
fn what_is_not_utf_8_is_refused_with_its_line() {
    let folder = Folder::new();
    let told = load(&folder, b"people.a.name = 'a'\n\n# \xff\n").unwrap();
    assert!(
        told.ends_with("people.toml: line 3 is not UTF-8: save the file as UTF-8"),
        "{told}"
    );
}

#[test]
fn brackets_that_are_nested_without_end_are_an_error_and_no_overflow() {
    let folder = Folder::new();
    let limit = usize::try_from(MAX_FILE).unwrap();
    for (open, close) in [("[", ""), ("[", "]"), ("{a=", ""), ("a.", "")] {
        for size in [1_000, 200_000, limit - 100] {
            let count = size / (open.len() + close.len());
            let file = format!(
                "people.a.name = {}{}",
                open.repeat(count),
                close.repeat(count)
            );
            assert!(load(&folder, file.as_bytes()).is_some());
        }
    }
    let headers = format!("[{}b]", "a.".repeat(500_000));
    assert!(load(&folder, headers.as_bytes()).is_some());
}

#[test]
fn a_file_full_of_mistakes_is_told_in_time_and_in_bounds() {
    let folder = Folder::new();
    let limit = usize::try_from(MAX_FILE).unwrap();
    let mut syntax = String::new();
    let mut unknown = "people.a.name = 'a'\ngroups.g.people = [\n".to_owned();
    let mut same = String::new();
    let mut circles = "people.a.name = 'a'\n".to_owned();
    let mut number = 0;
    while unknown.len() < limit - 200 {
        number += 1;
        writeln!(unknown, "'n{number}',").unwrap();
        if syntax.len() < 400_000 {
            syntax.push_str("= = =\n");
        }
        if same.len() < limit - 200 {
            writeln!(same, "people.p{number}.email = 'a@example.com'").unwrap();
        }
        if circles.len() < limit - 200 {
            writeln!(
                circles,
                "groups.g{number}.groups = ['g{}', 'g1']",
                number + 1
            )
            .unwrap();
        }
    }
    unknown.push(']');
    for file in [syntax, unknown, same, circles] {
        let told = load(&folder, file.as_bytes()).unwrap();
        let last = told.lines().last().unwrap();
        let counts = last.starts_with("and ") && last.ends_with(" more");
        assert!(counts || told.lines().count() == 100, "{last}");
    }
}

#[test]
fn a_file_whose_groups_would_fill_the_memory_is_refused() {
    let mut file = "groups.g0.people = [".to_owned();
    for n in 0..2_000 {
        write!(file, "'p{n}',").unwrap();
    }
    file.push_str("]\n");
    for n in 0..2_000 {
        writeln!(file, "people.p{n}.name = 'p'").unwrap();
        writeln!(file, "groups.g{}.groups = ['g{n}']", n + 1).unwrap();
    }
    let told = wrong(&file);
    assert!(
        told.contains("come to more than 1000000 memberships: nest fewer groups"),
        "{told}"
    );
}

#[test]
fn any_identity_that_can_be_linked_is_read_again_as_it_was() {
    use approvals_core::{ChannelIdentity, Directory as _};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let mut dice = Dice(7);
    for _ in 0..50 {
        let any = |dice: &mut Dice| -> String {
            let length = 1 + dice.below(12);
            let printable =
                |dice: &mut Dice| char::from(b' ' + u8::try_from(dice.below(95)).unwrap());
            (0..length).map(|_| printable(dice)).collect()
        };
        let account = ChannelIdentity::new(channel("http"), &any(&mut dice), &any(&mut dice));
        let code = directory
            .begin_link(&person("dave"), &channel("http"))
            .unwrap();
        let linked = directory.finish_link(&account, code.reveal());
        let spaced =
            account.user.trim() != &*account.user || account.tenant.trim() != &*account.tenant;
        assert_eq!(linked.is_err(), spaced, "{account:?}");
        if !spaced {
            let found = runtime.block_on(folder.open().person(&account)).unwrap();
            assert_eq!(found, Some(person("dave")), "{account:?}");
        }
    }
}
