//! Links in any order, against what has to come of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::{ChannelIdentity, Directory as _, PersonId};
use approvals_directory::{FileDirectory, LinkError};
use approvals_testing::ManualClock;

use crate::support::{Folder, PEOPLE, channel, person, slack};

/// What has to be true, by the rules alone.
#[derive(Default)]
struct Model {
    linked: BTreeMap<ChannelIdentity, PersonId>,
    /// Of each person the code that is good, and how many minutes it is good for.
    codes: BTreeMap<PersonId, (String, u64)>,
    used: Vec<String>,
}

/// What to do next, as digits of a number.
struct Choices(u64);

impl Choices {
    fn of(&mut self, count: usize) -> usize {
        // The constants are those of the MMIX generator.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % count
    }
}

async fn play(seed: u64) -> usize {
    let folder = Folder::of(PEOPLE);
    let clock = Arc::new(ManualClock::new());
    let processes: [FileDirectory; 2] = std::array::from_fn(|_| folder.at(&clock).open().unwrap());
    let people = ["alice", "bob", "dave"].map(person);
    // The first is Alice's by the file.
    let accounts = ["UALICE", "U1", "U2", "U3"].map(slack);
    let mut model = Model::default();
    model.linked.insert(accounts[0].clone(), people[0].clone());
    let mut choices = Choices(seed);
    let mut links = 0;
    for _ in 0..40 {
        let directory = &processes[choices.of(2)];
        match choices.of(8) {
            0..=2 => {
                let who = &people[choices.of(3)];
                let code = directory.begin_link(who, &channel("slack")).unwrap();
                let open = (code.reveal().to_owned(), 10);
                if let Some((earlier, _)) = model.codes.insert(who.clone(), open) {
                    model.used.push(earlier);
                }
            }
            3 => {
                clock.advance(Duration::from_secs(4 * 60));
                for (_, minutes) in model.codes.values_mut() {
                    *minutes = minutes.saturating_sub(4);
                }
            }
            4 => {
                let account = &accounts[1 + choices.of(3)];
                let was_there = model.linked.remove(account).is_some();
                assert_eq!(directory.unlink(account).unwrap(), was_there);
            }
            5 if !model.used.is_empty() => {
                let code = &model.used[choices.of(model.used.len())];
                let refused = directory.finish_link(&accounts[choices.of(4)], code);
                assert!(matches!(refused, Err(LinkError::WrongCode)), "{refused:?}");
            }
            _ => {
                let account = &accounts[choices.of(4)];
                let Some((who, (code, minutes))) = model.codes.pop_first() else {
                    continue;
                };
                let found = directory.finish_link(account, &code);
                let owner = model.linked.get(account);
                if minutes == 0 {
                    // It was told so, or the entry was gone already.
                    let is_late = matches!(found, Err(LinkError::Expired | LinkError::WrongCode));
                    assert!(is_late, "{found:?}");
                } else if owner.is_some_and(|owner| *owner != who) {
                    assert!(matches!(found, Err(LinkError::Taken(_))), "{found:?}");
                    model.codes.insert(who, (code, minutes));
                } else {
                    assert_eq!(found.unwrap(), who);
                    model.linked.insert(account.clone(), who);
                    model.used.push(code);
                    links += 1;
                }
            }
        }
        for directory in &processes {
            directory.reload().unwrap();
            for account in &accounts {
                let found = directory.person(account).await.unwrap();
                assert_eq!(found.as_ref(), model.linked.get(account), "seed {seed}");
            }
        }
    }
    links
}

#[tokio::test]
async fn in_any_order_an_account_is_whose_code_it_sent_last_and_nobody_elses() {
    let mut links = 0;
    for seed in 0..8 {
        links += play(seed).await;
    }
    assert!(links > 15, "only {links} links were made");
}
