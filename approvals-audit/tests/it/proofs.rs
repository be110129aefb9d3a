//! One entry, shown to be in the log by a file and a key.

use approvals_audit::{Directory, EntryProof, EntryProofError, Signer};

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

#[tokio::test]
async fn every_changed_bit_of_a_proof_file_is_found() {
    let place = tempfile::tempdir().unwrap();
    let (_, public) = log_of(place.path(), 300).await;
    let directory = Directory::at(place.path());
    let keys = [public];
    let text = EntryProof::of(&directory, 77, &keys).unwrap().to_string();
    let entry = directory.entry(77, 300).unwrap();
    let original = EntryProof::parse(&text).unwrap();
    for byte in 0..text.len() {
        for bit in 0..8 {
            let mut changed = text.clone().into_bytes();
            changed[byte] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(changed) else {
                continue;
            };
            let Ok(proof) = EntryProof::parse(&changed) else {
                continue;
            };
            assert!(
                proof.verify(&entry, &keys).is_err() || proof == original,
                "bit {bit} of byte {byte} was changed, and nobody noticed"
            );
        }
    }
    for cut in 0..text.len() {
        let shorter = EntryProof::parse(&text[..text.floor_char_boundary(cut)]);
        let verified = shorter.map(|proof| proof.verify(&entry, &keys));
        assert!(!matches!(verified, Ok(Ok(_))), "cut at {cut}");
    }
}
