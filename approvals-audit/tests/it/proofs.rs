//! One entry, shown to be in the log by a file and a key.

use approvals_audit::{Directory, EntryProof, EntryProofError, Signer, VerifierKey};

use crate::support::*;

#[tokio::test]
async fn a_proof_file_shows_its_own_entry_and_no_other() {
    let place = tempfile::tempdir().unwrap();
    let (_, public) = log_of(place.path(), 600).await;
    let keys = [public];
    let directory = Directory::at(place.path());
    let size = 600;
    for index in [0, 1, 255, 256, 511, 599] {
        let proof = EntryProof::of(&directory, index, &keys).unwrap();
        let text = proof.to_string();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex "));
        let read = EntryProof::parse(&text).unwrap();
        assert_eq!(read, proof);
        let entry = directory.entry(index, size).unwrap();
        assert_eq!(read.verify(&entry, &keys).unwrap().size, size);
        let neighbour = directory.entry(index ^ 1, size).unwrap();
        let other = read.verify(&neighbour, &keys);
        assert!(matches!(other, Err(EntryProofError::Proof(_))));
        let unknown = read.verify(&entry, &[key().key().clone()]);
        assert!(matches!(unknown, Err(EntryProofError::Checkpoint(_))));
    }
    EntryProof::of(&directory, size, &keys).unwrap_err();
}

/// The same as it is, or something that shows nothing.
fn is_found(changed: &[u8], original: &EntryProof, entry: &[u8], keys: &[VerifierKey]) -> bool {
    let Ok(text) = str::from_utf8(changed) else {
        return true;
    };
    EntryProof::parse(text).map_or(true, |proof| {
        proof == *original || proof.verify(entry, keys).is_err()
    })
}

#[tokio::test]
async fn every_changed_bit_line_and_cut_of_a_proof_file_is_found() {
    let place = tempfile::tempdir().unwrap();
    let (_, public) = log_of(place.path(), 2000).await;
    let directory = Directory::at(place.path());
    let keys = [public];
    let (mut bits, mut lines, mut cuts) = (0, 0, 0);
    for index in [0, 777, 1999] {
        let text = EntryProof::of(&directory, index, &keys)
            .unwrap()
            .to_string();
        let entry = directory.entry(index, 2000).unwrap();
        let original = EntryProof::parse(&text).unwrap();
        let found = |changed: &[u8]| is_found(changed, &original, &entry, &keys);
        for bit in 0..text.len() * 8 {
            let mut changed = text.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(found(&changed), "{index}: bit {bit}");
            bits += 1;
        }
        // Hashes that are missing, doubled or swapped, and all other lines of it.
        let all: Vec<&str> = text.split_inclusive('\n').collect();
        for at in 0..all.len() {
            let (mut without, mut doubled, mut swapped) = (all.clone(), all.clone(), all.clone());
            without.remove(at);
            doubled.insert(at, all[at]);
            swapped.swap(at, (at + 1) % all.len());
            // A signature says the same when it stands there twice.
            if all[at].starts_with('—') {
                doubled.clone_from(&all);
            }
            for changed in [without, doubled, swapped] {
                let changed = changed.concat();
                assert!(
                    changed == text || found(changed.as_bytes()),
                    "{index}: line {at}"
                );
                lines += 1;
            }
        }
        for cut in 0..text.len() {
            let shorter = EntryProof::parse(&text[..text.floor_char_boundary(cut)]);
            let verified = shorter.map(|proof| proof.verify(&entry, &keys));
            assert!(!matches!(verified, Ok(Ok(_))), "cut at {cut}");
            cuts += 1;
        }
    }
    println!("{bits} bits, {lines} lines and {cuts} cuts of proofs");
}
