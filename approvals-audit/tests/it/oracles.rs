//! The same trees, proofs, notes and tiles by libraries that nobody here wrote.

use approvals_audit::{
    Cosigner, Directory, Frontier, Hash, Note, Signer, Tile, VerifierKey, consistency_proof,
    inclusion_proof, root_of, verify_consistency, verify_inclusion,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
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

#[test]
fn paths_of_tiles_are_those_of_another_library_also_above_999() {
    let indices = [
        0, 1, 9, 99, 255, 256, 999, 1000, 1001, 1234, 67_891, 999_999,
    ];
    let more = [
        1_000_000,
        1_234_067,
        999_999_999,
        1_000_000_000,
        1_234_567_890,
    ];
    for index in indices.into_iter().chain(more) {
        for level in [0_u8, 1, 5] {
            for width in [1_u64, 17, 255, 256] {
                let ours = Tile::hashes(level, index).of_width(width).to_string();
                let width = u32::try_from(width).unwrap();
                let theirs = tlog_tiles::Tile::new(8, level, index, width, false);
                // The library writes the height into the path, the specification leaves 8 out.
                let path = theirs.path();
                assert_eq!(ours, path.replacen("tile/8/", "tile/", 1));
                assert_eq!(tlog_tiles::Tile::from_path(&path).unwrap(), theirs);
            }
        }
        let ours = Tile::bundle(index).to_string();
        let theirs = tlog_tiles::Tile::new(8, 0, index, 256, true).path();
        let theirs = theirs.replacen("tile/8/data/", "tile/entries/", 1);
        assert_eq!(ours, theirs);
    }
    assert_eq!(
        Tile::bundle(1_234_067).to_string(),
        "tile/entries/x001/x234/067"
    );
}

/// A witness's key by the other library: it knows Ed25519 and notes, and leaves what is signed to
/// whoever adds a kind of signature.
struct Witness {
    name: String,
    id: u32,
    key: StandardVerifier,
}

impl Witness {
    fn of(key: &VerifierKey) -> Self {
        let text = key.to_string();
        let bytes = BASE64_STANDARD.decode(text.splitn(3, '+').last().unwrap());
        let bytes = bytes.unwrap();
        assert_eq!(bytes[0], 0x04, "the kind that C2SP gives cosignatures");
        // The same key as one of a log, which the library reads.
        let bare = [&[0x01], &bytes[1..]].concat();
        let of_log = format!(
            "{}+{:08x}+{}",
            key.name(),
            signed_note::key_id(key.name(), &bare),
            BASE64_STANDARD.encode(&bare)
        );
        Self {
            name: key.name().to_owned(),
            id: signed_note::key_id(key.name(), &bytes),
            key: StandardVerifier::new(&of_log).unwrap(),
        }
    }
}

impl signed_note::Verifier for Witness {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let (time, signature) = signature.split_at(8);
        let time = u64::from_be_bytes(time.try_into().unwrap());
        let signed = [format!("cosignature/v1\ntime {time}\n").as_bytes(), text].concat();
        self.key.verify(&signed, signature)
    }
}

#[test]
fn cosignatures_are_verified_by_another_library() {
    let (log, witness) = (key(), Cosigner::generate("witness.example/w1").unwrap());
    let mut note = Note::signed("example.com/log\n1\nAAAA\n", [&*log as &dyn Signer]).unwrap();
    let line = witness.line(&note, 1_700_000_123);
    note.cosign(&line, std::slice::from_ref(witness.key()))
        .unwrap();
    let verified = |text: &str| {
        let of_log = StandardVerifier::new(&log.key().to_string()).unwrap();
        let of_witness = Witness::of(witness.key());
        let list = VerifierList::new(vec![Box::new(of_log), Box::new(of_witness)]);
        let theirs = signed_note::Note::from_bytes(text.as_bytes()).unwrap();
        theirs.verify(&list).map(|(verified, _)| verified.len())
    };
    let text = note.to_string();
    assert_eq!(verified(&text).unwrap(), 2);
    // Of another time, or of another text.
    let other = Cosigner::line(&witness, &note, 1_700_000_124);
    assert_ne!(line, other);
    assert!(verified(&text.replacen("AAAA", "AAAB", 1)).is_err());
}
