//! The same trees, proofs, notes and tiles by libraries that nobody here wrote.

use approvals_audit::{
    Directory, Frontier, Hash, Note, Signer, consistency_proof, inclusion_proof, root_of,
    verify_consistency, verify_inclusion,
};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;
use signed_note::{StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{TileHashReader, TileReader};

use crate::support::*;

fn leaf(n: u64) -> Vec<u8> {
    format!("entry {n}").into_bytes()
}

#[test]
fn roots_are_those_of_another_library() {
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut ours = Frontier::new();
    assert_eq!(ours.root(), Hash::of_nothing());
    for n in 0..1000 {
        theirs.push(leaf(n));
        ours.push(Hash::of_leaf(&leaf(n)));
        assert_eq!(
            ours.root().as_bytes()[..],
            theirs.root().as_bytes()[..],
            "of {n}"
        );
    }
}

#[tokio::test]
async fn proofs_are_those_of_another_library() {
    let place = tempfile::tempdir().unwrap();
    let (_, public) = log_of(place.path(), 700).await;
    let directory = Directory::at(place.path());
    let size = directory.checkpoint(&[public]).unwrap().size;
    let entries: Vec<_> = (0..size)
        .map(|n| directory.entry(n, size).unwrap())
        .collect();
    let roots: Vec<Hash> = (0..=size)
        .map(|n| root_of(&directory.as_of(size), n).unwrap())
        .collect();
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for (n, entry) in (0_usize..).zip(&entries) {
        theirs.push(entry.clone());
        let now = n as u64 + 1;
        if n % 37 != 0 && now != size {
            continue;
        }
        let nodes = directory.as_of(size);
        for index in (0..now).step_by(11) {
            let ours = inclusion_proof(&nodes, index, now).unwrap();
            let bytes: Vec<u8> = ours.iter().flat_map(|hash| *hash.as_bytes()).collect();
            let index_of = usize::try_from(index).unwrap();
            assert_eq!(bytes, theirs.prove_inclusion(index_of).as_bytes());
            let leaf = Hash::of_leaf(&entries[index_of]);
            verify_inclusion(leaf, index, now, &ours, roots[n + 1]).unwrap();
            verify_inclusion(leaf, index + 1, now, &ours, roots[n + 1]).unwrap_err();
        }
        for old in (1..now).step_by(13) {
            let ours = consistency_proof(&nodes, old, now).unwrap();
            let bytes: Vec<u8> = ours.iter().flat_map(|hash| *hash.as_bytes()).collect();
            let added = usize::try_from(now - old).unwrap();
            assert_eq!(
                bytes,
                theirs.prove_consistency(added).as_bytes(),
                "{old} to {now}"
            );
            let (then, today) = (
                (old, roots[usize::try_from(old).unwrap()]),
                (now, roots[n + 1]),
            );
            verify_consistency(then, today, &ours).unwrap();
            verify_consistency((old, roots[0]), today, &ours).unwrap_err();
        }
    }
}

#[test]
fn notes_are_read_and_written_by_another_library() {
    let ours = key();
    let note = Note::signed("a text\nof two lines\n", [&*ours as &dyn Signer]).unwrap();
    let verifier = StandardVerifier::new(&ours.key().to_string()).unwrap();
    let list = VerifierList::new(vec![Box::new(verifier)]);
    let theirs = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
    let (verified, _) = theirs.verify(&list).unwrap();
    assert_eq!(verified.len(), 1);
    // And the other way round.
    let signer = StandardSigner::new(&ours.private()).unwrap();
    let mut theirs = signed_note::Note::new(b"signed by them\n", &[]).unwrap();
    theirs.add_sigs(&[&signer]).unwrap();
    let read = Note::parse(&theirs.to_bytes()).unwrap();
    read.verify(&[ours.key().clone()]).unwrap();
}

/// Reads our files as tlog-tiles says where they lie.
struct Files(std::path::PathBuf);

impl TileReader for Files {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &tlog_tiles::Tile| {
            // The library writes the height into the path, the specification leaves 8 out.
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            std::fs::read(self.0.join(path)).unwrap()
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[tokio::test]
async fn tiles_are_read_by_another_library() {
    for events in [1, 255, 256, 257, 700] {
        let place = tempfile::tempdir().unwrap();
        let (_, public) = log_of(place.path(), events).await;
        let directory = Directory::at(place.path());
        let checkpoint = directory.checkpoint(&[public]).unwrap();
        let note = Note::parse(&directory.note().unwrap()).unwrap();
        let theirs = tlog_tiles::Checkpoint::from_bytes(note.text().as_bytes()).unwrap();
        assert_eq!(theirs.size(), events);
        let files = Files(place.path().to_owned());
        let reader = TileHashReader::new(theirs.size(), *theirs.hash(), &files);
        for index in (0..events).step_by(50) {
            let proof = tlog_tiles::prove_record(events, index, &reader).unwrap();
            let entry = directory.entry(index, checkpoint.size).unwrap();
            let hash = tlog_tiles::record_hash(&entry);
            tlog_tiles::check_record(&proof, events, *theirs.hash(), index, hash).unwrap();
        }
    }
}
