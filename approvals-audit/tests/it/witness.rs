//! Witnesses and copies of checkpoints.

use std::path::Path;
use std::sync::Arc;

use approvals_audit::{
    Answer, CheckpointFile, CheckpointSink as _, Cosigner, Directory, EntryProof, LogError, Note,
    Publisher, Signer as _, Transport, TransportError, VerifierKey, Witness, WitnessError,
};
use approvals_core::async_trait;

use crate::mini_witness::MiniWitness;
use crate::support::*;

fn publisher(log: &Path, key: &VerifierKey) -> Publisher {
    Publisher::of(log, [key.clone()])
}

#[tokio::test]
async fn a_witness_signs_a_log_that_only_grew_and_its_signature_lies_beside_the_log() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), trail(700));
    let mini = MiniWitness::of(key.key());
    for (size, statuses) in [
        (0, &[200][..]),
        (1, &[200]),
        (256, &[200]),
        (300, &[200]),
        (700, &[200]),
    ] {
        let before = Directory::at(place.path())
            .checkpoint(&[key.key().clone()])
            .map_or(0, |c| c.size);
        written(place.path(), &key, &all[before as usize..size]).await;
        let publisher = publisher(place.path(), key.key()).witness(mini.witness());
        let published = publisher.once().await.unwrap();
        assert!(published.refused.is_empty(), "{:?}", published.refused);
        assert_eq!(
            (published.witnesses, published.checkpoint.size),
            (1, size as u64)
        );
        assert_eq!(mini.statuses(), statuses);
    }
    let directory = Directory::at(place.path());
    let note = directory.witnessed().unwrap().unwrap();
    let parsed = Note::parse(&note).unwrap();
    let both = [key.key().clone(), mini.key().clone()];
    assert_eq!(parsed.verify(&both).unwrap().len(), 2);
    // Cosigned or not, it is the log's: another library reads it.
    let proof = EntryProof::under(&directory, 299, note, &both).unwrap();
    let entry = directory.entry(299, 700).unwrap();
    proof.verify(&entry, &both[..1]).unwrap();
    // A witness alone does not make a checkpoint.
    proof.verify(&entry, &both[1..]).unwrap_err();
    // The log goes on, and is verified as ever.
    assert_eq!(verify(place.path(), key.key()).unwrap().entries, 700);
}

#[tokio::test]
async fn a_witness_that_knows_another_size_is_asked_again_from_there() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), trail(700));
    let mini = MiniWitness::of(key.key());
    written(place.path(), &key, &all[..300]).await;
    let publisher = publisher(place.path(), key.key()).witness(mini.witness());
    publisher.once().await.unwrap();
    written(place.path(), &key, &all[300..]).await;
    // What it had signed is forgotten here.
    std::fs::remove_file(place.path().join("checkpoint.witnessed")).unwrap();
    let published = publisher.once().await.unwrap();
    assert_eq!(published.witnesses, 1);
    assert_eq!(mini.statuses(), [200, 409, 200]);
}

#[tokio::test]
async fn a_log_that_was_set_back_or_rewritten_is_told_by_a_witness() {
    let place = tempfile::tempdir().unwrap();
    let key = key();
    let mini = MiniWitness::of(key.key());
    let first = place.path().join("first");
    written(&first, &key, &trail(300)).await;
    let once = async |log: &Path| {
        let publisher = publisher(log, key.key()).witness(mini.witness());
        publisher.once().await.unwrap()
    };
    assert_eq!(once(&first).await.witnesses, 1);
    for (events, is_set_back) in [(200, true), (300, false), (400, false)] {
        let log = place.path().join(events.to_string());
        written(&log, &key, &trail(events)).await;
        let published = once(&log).await;
        assert_eq!(published.witnesses, 0);
        let [error] = &published.refused[..] else {
            panic!("{:?}", published.refused);
        };
        let found = match error {
            WitnessError::SetBack {
                seen: 300,
                size: 200,
                ..
            } => true,
            WitnessError::Forked(_) => false,
            other => panic!("{other}"),
        };
        assert_eq!(found, is_set_back);
        assert!(Directory::at(&log).witnessed().unwrap().is_none());
    }
}

/// Answers whatever it is told to.
#[derive(Debug)]
struct Says(Answer);

#[async_trait]
impl Transport for Says {
    async fn post(&self, _url: &str, _body: Vec<u8>) -> Result<Answer, TransportError> {
        if self.0.status == 0 {
            return Err(TransportError("nobody there".to_owned()));
        }
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn whatever_a_witness_answers_nothing_is_kept_that_it_did_not_sign() {
    let place = tempfile::tempdir().unwrap();
    let (_, log) = log_of(place.path(), 300).await;
    let own = Cosigner::generate("example.org/witness").unwrap();
    let other = Cosigner::generate("example.org/witness").unwrap();
    let directory = Directory::at(place.path());
    let note = Note::parse(&directory.note().unwrap()).unwrap();
    let elsewhere = Note::parse(note.to_string().replace("300", "301").as_bytes()).unwrap();
    let line = own.line(&note, 1);
    let (name, signature) = line.trim().rsplit_once(' ').unwrap();
    let mut flipped = signature.to_owned();
    flipped.replace_range(60..61, if &flipped[60..61] == "A" { "B" } else { "A" });
    let size = Some("text/x.tlog.size");
    for (status, content_type, body) in [
        (0, None, String::new()),
        (200, None, String::new()),
        (200, None, "yes".to_owned()),
        (200, None, other.line(&note, 1)),
        (200, None, own.line(&elsewhere, 1)),
        (200, None, format!("{name} {flipped}\n")),
        (200, None, "x".repeat(1 << 20)),
        (200, None, format!("{line}garbage\n")),
        (400, None, String::new()),
        (403, None, String::new()),
        (404, None, String::new()),
        (409, None, "12\n".to_owned()),
        (409, size, "12\n".to_owned()),
        (409, size, "-1\n".to_owned()),
        (409, size, "301\n".to_owned()),
        (409, size, "18446744073709551616\n".to_owned()),
        (422, None, String::new()),
        (500, None, String::new()),
    ] {
        let answer = Answer {
            status,
            content_type: content_type.map(str::to_owned),
            body: body.clone().into_bytes(),
        };
        let witness = Witness::new("https://w", own.key().clone(), Arc::new(Says(answer)));
        let publisher = publisher(place.path(), &log).witness(witness.unwrap());
        let published = publisher.once().await.unwrap();
        assert_eq!(
            (published.witnesses, published.refused.len()),
            (0, 1),
            "{status} {body}"
        );
        assert!(directory.witnessed().unwrap().is_none());
    }
    let log_key = Witness::new(
        "https://w",
        log,
        Arc::new(Says(Answer {
            status: 0,
            content_type: None,
            body: Vec::new(),
        })),
    );
    assert!(matches!(log_key, Err(WitnessError::Kind(_))));
}

#[tokio::test]
async fn a_copy_of_a_checkpoint_is_replaced_only_by_one_that_goes_on_from_it() {
    let place = tempfile::tempdir().unwrap();
    let (key, all) = (key(), trail(600));
    let copy = Arc::new(CheckpointFile::at(place.path().join("copy")));
    let log = place.path().join("log");
    for to in [0, 300, 600] {
        let from = if to < 600 { 0 } else { 300 };
        written(&log, &key, &all[from..to]).await;
        let publisher = publisher(&log, key.key()).copy_to(copy.clone());
        assert!(publisher.once().await.unwrap().refused.is_empty());
        let kept = copy.last().await.unwrap().unwrap();
        assert_eq!(kept, std::fs::read(log.join("checkpoint")).unwrap());
    }
    let kept = copy.last().await.unwrap().unwrap();
    for events in [599, 600, 601] {
        let other = place.path().join(events.to_string());
        written(&other, &key, &trail(events)).await;
        let publisher = publisher(&other, key.key()).copy_to(copy.clone());
        let published = publisher.once().await.unwrap();
        let [WitnessError::Log(LogError::Damaged { .. })] = &published.refused[..] else {
            panic!("{:?}", published.refused);
        };
        assert_eq!(copy.last().await.unwrap().unwrap(), kept);
    }
}
