//! The index, held against what the trail's author knows.

use std::path::Path;

use approvals_audit::index::{Cursor, Index, IndexError, Page, Period, Question, Standing};
use approvals_audit::{SignedLog, Signer, VerifierKey};
use approvals_core::{RequestId, Timestamp};

use crate::kinds::every_kind;
use crate::stories::{Story, stories};
use crate::support::*;

struct Asked {
    place: tempfile::TempDir,
    key: std::sync::Arc<approvals_audit::Ed25519Signer>,
    stories: Vec<Story>,
    index: Index,
}

impl Asked {
    async fn of(calls: u64) -> Self {
        let place = tempfile::tempdir().unwrap();
        let key = key();
        let (events, stories) = stories(calls, 7);
        written(&place.path().join("log"), &key, &events).await;
        let index = Index::open(place.path().join("index")).unwrap();
        let this = Self {
            place,
            key,
            stories,
            index,
        };
        assert!(this.index.update(&this.log()).unwrap().anew);
        this
    }

    fn log(&self) -> SignedLog {
        let keys: [VerifierKey; 1] = [self.key.key().clone()];
        SignedLog::open(self.place.path().join("log"), &keys).unwrap()
    }

    /// Whether the index finds exactly the stories of which this holds, in either order.
    fn holds(&self, question: &Question, holds: impl Fn(&Story) -> bool) {
        let mut expected: Vec<&Story> = self.stories.iter().filter(|s| holds(s)).collect();
        assert!(!expected.is_empty(), "the trail has some");
        for most in [7, 10_000] {
            let found = whole(&self.index, &question.clone().oldest_first(), most);
            assert_eq!(found, expected.iter().map(|s| s.entry).collect::<Vec<_>>());
        }
        expected.reverse();
        let found = whole(&self.index, question, 5);
        assert_eq!(found, expected.iter().map(|s| s.entry).collect::<Vec<_>>());
    }
}

/// The places of all that is found, page by page.
fn whole(index: &Index, question: &Question, most: usize) -> Vec<u64> {
    let (mut found, mut after): (Vec<u64>, _) = (Vec::new(), None);
    loop {
        let page = index.find(question, after, most).unwrap();
        assert!(page.found.len() <= most);
        found.extend(page.found.iter().map(|found| found.entry));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn every_question_finds_the_calls_that_it_asks_for_and_no_other() {
    let asked = Asked::of(400).await;
    let middle = asked.stories[200].at;
    let later = asked.stories[300].at;
    let question = Question::new;
    asked.holds(&question(), |_| true);
    asked.holds(&question().action("db.export"), |s| s.action == "db.export");
    asked.holds(&question().requester("agent:cleaner"), |s| {
        s.agent == "cleaner"
    });
    asked.holds(&question().requester("person:dana"), |s| {
        s.principal == "person:dana"
    });
    asked.holds(&question().reviewer("alice"), |s| {
        s.reviewer == Some("alice")
    });
    asked.holds(&question().resource("db/\"table\" 3"), |s| {
        s.resource == "db/\"table\" 3"
    });
    asked.holds(&question().policy_version("2026-10"), |s| {
        s.version == Some("2026-10")
    });
    asked.holds(&question().from(middle).until(later), |s| {
        s.at >= middle && s.at < later
    });
    asked.holds(&question().glass_broken(), |s| s.glass_broken);
    asked.holds(&question().review_owed(), |s| s.glass_broken);
    asked.holds(&question().self_approval_attempted(), |s| s.self_approval);
    for standing in [
        "allowed",
        "refused",
        "pending",
        "denied",
        "expired",
        "succeeded",
        "failed",
    ] {
        asked.holds(&question().standing(of_name(standing)), |s| {
            s.standing == standing
        });
    }
    asked.holds(
        &question()
            .requester("person:bob")
            .reviewer("carol")
            .action("db.drop")
            .from(middle),
        |s| {
            s.principal == "person:bob"
                && s.reviewer == Some("carol")
                && s.action == "db.drop"
                && s.at >= middle
        },
    );
    asked.holds(
        &question()
            .standing(Standing::Denied)
            .resource("db/\"table\" 1")
            .until(later),
        |s| s.standing == "denied" && s.resource == "db/\"table\" 1" && s.at < later,
    );
    let none = Page {
        found: Vec::new(),
        next: None,
    };
    assert_eq!(
        asked
            .index
            .find(&question().action("db.other"), None, 9)
            .unwrap(),
        none
    );
    assert_eq!(
        asked
            .index
            .find(&question().reviewer("mallory"), None, 9)
            .unwrap(),
        none
    );
}

fn of_name(name: &str) -> Standing {
    let all = [
        Standing::Allowed,
        Standing::Refused,
        Standing::Pending,
        Standing::Denied,
        Standing::Expired,
        Standing::Succeeded,
        Standing::Failed,
    ];
    all.into_iter()
        .find(|standing| standing.as_str() == name)
        .unwrap()
}

#[tokio::test]
async fn what_is_found_says_what_the_log_says() {
    let asked = Asked::of(100).await;
    let page = asked
        .index
        .find(&Question::new().oldest_first(), None, 1000)
        .unwrap();
    for (found, story) in page.found.iter().zip(&asked.stories) {
        assert_eq!(found.request, story.request);
        assert_eq!(found.action, story.action);
        assert_eq!(found.requester, Some(format!("agent:{}", story.agent)));
        assert_eq!(found.resource.as_ref(), Some(&story.resource));
        assert_eq!(found.environment.as_deref(), Some("production"));
        assert_eq!(found.policy.as_deref(), Some("prod-db"));
        assert_eq!(found.policy_version.as_deref(), story.version);
        assert_eq!(found.at, story.at);
        assert_eq!(found.standing.as_str(), story.standing);
        assert_eq!(found.took, story.took);
        if let Some(request) = story.request {
            let steps = asked.index.steps(request).unwrap();
            let entries: Vec<u64> = steps.iter().map(|step| step.entry).collect();
            assert_eq!(entries, story.steps);
            for step in steps {
                let text = asked.log().entry(step.entry).unwrap().entry;
                assert!(text.contains(&format!("\"what\":\"{}\"", step.what)));
                assert!(text.contains(&request.to_string()));
            }
        }
    }
    assert!(
        asked
            .index
            .steps(RequestId::from_bytes([9; 16]))
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn figures_are_those_of_the_calls_of_the_period() {
    let asked = Asked::of(400).await;
    let (from, until) = (asked.stories[100].at, asked.stories[350].at);
    let period = Period::of(from, until).unwrap();
    for action in [None, Some("db.export")] {
        let of: Vec<&Story> = asked
            .stories
            .iter()
            .filter(|s| s.at >= from && s.at < until && action.is_none_or(|a| s.action == a))
            .collect();
        let count =
            |names: &[&str]| of.iter().filter(|s| names.contains(&s.standing)).count() as u64;
        let rates = asked.index.rates(period, action).unwrap();
        assert_eq!(rates.allowed, count(&["allowed"]));
        assert_eq!(rates.refused, count(&["refused"]));
        assert_eq!(rates.approved, count(&["succeeded", "failed"]));
        assert_eq!(rates.denied, count(&["denied"]));
        assert_eq!(rates.expired, count(&["expired"]));
        assert_eq!(rates.open, count(&["pending"]));
        assert_eq!(rates.asked, of.len() as u64 - rates.allowed - rates.refused);
        let mut times: Vec<u64> = of
            .iter()
            .filter(|s| ["succeeded", "failed", "denied"].contains(&s.standing))
            .filter_map(|s| s.took)
            .collect();
        times.sort_unstable();
        let time = asked
            .index
            .time_to_decision(period, action)
            .unwrap()
            .unwrap();
        assert_eq!(time.decided, times.len() as u64);
        assert_eq!(time.most, *times.last().unwrap());
        let median = times[times.len().div_ceil(2) - 1];
        assert!(time.median >= median && time.median - median <= median / 64);
    }
    let attempts = asked
        .index
        .self_approvals(Period::all(), None, 1000)
        .unwrap();
    assert_eq!(
        attempts.len(),
        asked.stories.iter().filter(|s| s.self_approval).count()
    );
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt.person.as_deref() == Some("bob"))
    );
    let second = asked
        .index
        .self_approvals(Period::all(), Some(Cursor(attempts[0].entry)), 1);
    assert_eq!(second.unwrap(), attempts[1..2]);
}

#[tokio::test]
async fn a_rule_that_has_not_fired_since_is_stale() {
    let asked = Asked::of(100).await;
    let last = |version: &str| {
        let of = asked.stories.iter().filter(|s| s.version == Some(version));
        of.map(|s| s.at).max().unwrap()
    };
    let rules = ["rule-of-2026-09", "rule-of-2026-10", "never-fires"];
    let since = last("2026-09").max(last("2026-10"));
    let stale = asked.index.stale_rules(rules, since).unwrap();
    let (older, at) = if last("2026-09") < last("2026-10") {
        ("rule-of-2026-09", last("2026-09"))
    } else {
        ("rule-of-2026-10", last("2026-10"))
    };
    let told: Vec<_> = stale.iter().map(|rule| (&*rule.rule, rule.last)).collect();
    assert_eq!(told, [(older, Some(at)), ("never-fires", None)]);
    let fresh = asked
        .index
        .stale_rules(rules, Timestamp::from_millis(0))
        .unwrap();
    assert_eq!(fresh.len(), 1);
    // A rule that denies is told as one that allows is, and not out of what it says.
    let refused = asked.stories.iter().filter(|s| s.standing == "refused");
    let denying = asked
        .index
        .stale_rules(["no-drops", "some-words"], Timestamp::from_millis(u64::MAX));
    let denying = denying.unwrap();
    assert_eq!(denying[1].last, None);
    assert_eq!(denying[0].last, refused.clone().map(|s| s.at).max());
    assert_eq!(denying[0].fired, refused.count() as u64);
    assert_eq!(fresh[0].fired, 0);
}

#[tokio::test]
async fn an_index_of_a_log_that_grows_is_the_one_of_the_whole_log() {
    let place = tempfile::tempdir().unwrap();
    let (log, key) = (place.path().join("log"), key());
    let (events, _) = stories(300, 3);
    let open = |name: &str| Index::open(place.path().join(name)).unwrap();
    let keys = [key.key().clone()];
    let grown = open("grown");
    let mut given = 0;
    for end in [0, 1, 5, 255, 256, 257, 700, events.len()] {
        written(&log, &key, &events[given..end]).await;
        given = end;
        let updated = grown
            .update(&SignedLog::open(&log, &keys).unwrap())
            .unwrap();
        assert_eq!((updated.anew, updated.built.size), (end <= 1, end as u64));
    }
    let at_once = open("at-once");
    at_once
        .update(&SignedLog::open(&log, &keys).unwrap())
        .unwrap();
    let all = |index: &Index| index.find(&Question::new(), None, 10_000).unwrap();
    assert_eq!(all(&grown), all(&at_once));
    assert_eq!(grown.built().unwrap(), at_once.built().unwrap());
    let rates = |index: &Index| index.rates(Period::all(), None).unwrap();
    assert_eq!(rates(&grown), rates(&at_once));
}

#[tokio::test]
async fn an_index_whose_log_was_cut_off_or_replaced_is_built_anew() {
    let place = tempfile::tempdir().unwrap();
    let (log, key) = (place.path().join("log"), key());
    let keys = [key.key().clone()];
    let index = Index::open(place.path().join("index")).unwrap();
    let (events, _) = stories(200, 3);
    let (others, _) = stories(200, 4);
    for (some, anew) in [
        (&events[..], true),
        (&events[..400], true),
        (&others[..], true),
        (&others[..], false),
    ] {
        if anew {
            let _ = std::fs::remove_dir_all(&log);
            written(&log, &key, some).await;
        }
        let signed = SignedLog::open(&log, &keys).unwrap();
        let updated = index.update(&signed).unwrap();
        assert_eq!(
            (updated.anew, updated.built.size),
            (anew, some.len() as u64)
        );
        assert_eq!(updated.built.root, signed.checkpoint().root);
    }
}

#[tokio::test]
async fn a_log_that_was_changed_is_not_indexed() {
    let asked = Asked::of(200).await;
    let path: &Path = asked.place.path();
    let bundle = path.join("log/tile/entries/001");
    let mut bytes = std::fs::read(&bundle).unwrap();
    let at = bytes
        .windows(9)
        .position(|part| part == b"db.export")
        .unwrap();
    bytes[at + 8] = b'o';
    std::fs::write(&bundle, bytes).unwrap();
    let index = Index::open(path.join("another")).unwrap();
    let failed = index.update(&asked.log());
    assert!(matches!(failed, Err(IndexError::Log(_))), "{failed:?}");
    assert_eq!(index.built().unwrap(), None, "nothing of the batch is kept");
}

#[tokio::test]
async fn every_kind_of_event_is_indexed() {
    let place = tempfile::tempdir().unwrap();
    let (log, key) = (place.path().join("log"), key());
    let events = every_kind();
    written(&log, &key, &events).await;
    let index = Index::open(place.path().join("index")).unwrap();
    let signed = SignedLog::open(&log, &[key.key().clone()]).unwrap();
    index.update(&signed).unwrap();
    let first = events[3].request.unwrap();
    let about = events.iter().filter(|event| event.request == Some(first));
    assert_eq!(index.steps(first).unwrap().len(), about.count());
    let page = index.find(&Question::new(), None, 100).unwrap();
    assert_eq!(page.found.len(), 5, "five calls: {page:?}");
}

#[test]
fn the_file_of_another_program_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("other");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)")
        .unwrap();
    assert!(matches!(Index::open(&path), Err(IndexError::Foreign(_))));
    std::fs::write(
        place.path().join("text"),
        "no database at all, and long enough",
    )
    .unwrap();
    assert!(matches!(
        Index::open(place.path().join("text")),
        Err(IndexError::Sqlite(_))
    ));
}
