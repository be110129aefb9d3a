//! The suite that any directory must pass.

use std::collections::BTreeSet;
use std::sync::Arc;

use approvals_core::{ChannelIdentity, GroupId};
use approvals_testing::directory::{self, Inhabitant, Town};

use crate::support::{Folder, PEOPLE, channel, group, person, slack};

fn groups(names: &[&str]) -> BTreeSet<GroupId> {
    names.iter().map(|name| group(name)).collect()
}

#[tokio::test]
async fn the_file_directory_keeps_every_rule_of_a_directory() {
    let folder = Folder::of(PEOPLE);
    let directory = folder.open();
    let dave = ChannelIdentity::new(channel("http"), "", "dave");
    let code = directory
        .begin_link(&person("dave"), &channel("http"))
        .unwrap();
    directory.finish_link(&dave, code.reveal()).unwrap();
    let town = Town {
        directory: Arc::new(directory),
        people: vec![
            Inhabitant {
                person: person("alice"),
                identities: vec![slack("UALICE")],
                groups: groups(&["engineers"]),
                not_in: groups(&["leads"]),
            },
            Inhabitant {
                person: person("bob"),
                identities: vec![
                    slack("UBOB"),
                    ChannelIdentity::new(channel("terminal"), "", "bob"),
                ],
                groups: groups(&["engineers", "leads"]),
                not_in: groups(&[]),
            },
            Inhabitant {
                person: person("dave"),
                identities: vec![dave],
                groups: groups(&[]),
                not_in: groups(&["engineers", "leads"]),
            },
        ],
        nobody: person("carol"),
        no_group: group("nowhere"),
        strangers: vec![
            slack("UCAROL"),
            slack("ualice"),
            slack("UMALLORY"),
            ChannelIdentity::new(channel("slack"), "T2", "UALICE"),
            ChannelIdentity::new(channel("slack"), "", "UALICE"),
            ChannelIdentity::new(channel("teams"), "T1", "UALICE"),
            ChannelIdentity::new(channel("terminal"), "", "alice"),
        ],
        owned: Some((
            "agent:exporter".parse().unwrap(),
            BTreeSet::from([person("bob")]),
        )),
        unowned: Some("service:exporter".parse().unwrap()),
    };
    directory::conformance(town).await.assert_kept();
}
