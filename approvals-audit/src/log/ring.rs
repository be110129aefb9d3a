//! The ring of pages that a head is, as whoever reads it finds it.
//!
//! A page is a signed note, and zeros. Each is written into a page that is known to be zeros on the
//! disk, and the page that follows is made zeros by the same flush. So after a loss of power every
//! page is what it was, or what it was to be, or, where its note is longer than a sector, some
//! sectors of a note and zeros for the others; and of pages that are not whole there are two at most,
//! which follow the newest that is. Of those nobody was told. Anything else was changed.

use super::head::size_said;

/// How long a page is, in bytes.
pub(super) const PAGE: usize = 4096;

/// How many checkpoints are kept: the last ones.
pub(super) const PAGES: usize = 64;

/// What disks write in one piece.
pub(super) const SECTOR: usize = 512;

/// A page that no crash has left, or one where none has left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changed;

/// What a page has.
#[derive(Debug)]
enum Page {
    Nothing,
    /// Some sectors of a note, and not all.
    Torn,
    Note {
        size: u64,
        note: Vec<u8>,
    },
}

/// The notes of a ring, in the order in which they were written. Nobody's signature is looked at.
pub(super) fn notes_of(ring: &[[u8; PAGE]]) -> Result<Vec<Vec<u8>>, Changed> {
    let pages: Result<Vec<Page>, Changed> = ring.iter().map(Page::of).collect();
    let mut pages = pages?;
    let sizes = pages.iter().zip(0..).map(|(page, at)| (page.size(), at));
    let newest = sizes.filter_map(|(size, at)| Some((size?, at))).max();
    // The oldest comes first, after what may not be whole.
    let next = newest.map_or(0, |(_, at): (u64, usize)| (at + 1) % ring.len());
    pages.rotate_left(next);
    let is_note = |page: &Page| page.size().is_some();
    let gap = pages.iter().take_while(|page| !is_note(page)).count();
    let notes = pages.split_off(gap);
    // In its first round, a ring has pages that were never written, up to its end.
    let is_first_round = next + gap == ring.len();
    if gap > 2 && !is_first_round {
        return Err(Changed);
    }
    if pages.iter().skip(2).any(|page| matches!(page, Page::Torn)) {
        return Err(Changed);
    }
    if !notes.iter().all(is_note) || !notes.is_sorted_by(|one, next| one.size() < next.size()) {
        return Err(Changed);
    }
    let notes = notes.into_iter().filter_map(|page| match page {
        Page::Note { note, .. } => Some(note),
        Page::Nothing | Page::Torn => None,
    });
    Ok(notes.collect())
}

impl Page {
    fn of(bytes: &[u8; PAGE]) -> Result<Self, Changed> {
        if is_zero(bytes) {
            return Ok(Self::Nothing);
        }
        let note = note_of(bytes).ok();
        let whole = note.and_then(|note| Some((size_said(&note)?, note)));
        match whole {
            Some((size, note)) => Ok(Self::Note { size, note }),
            None if is_torn(bytes) => Ok(Self::Torn),
            None => Err(Changed),
        }
    }

    const fn size(&self) -> Option<u64> {
        match self {
            Self::Note { size, .. } => Some(*size),
            Self::Nothing | Self::Torn => None,
        }
    }
}

/// Whether a page has whole sectors of a note, and misses at least one that the note had: it is
/// zeros, or the note ends where it begins. No note ends with a sector.
fn is_torn(page: &[u8; PAGE]) -> bool {
    let (sectors, _) = page.as_chunks::<SECTOR>();
    let last = sectors.iter().rposition(|sector| !is_zero(sector));
    let Some(last) = last.filter(|last| last + 1 < sectors.len()) else {
        return false;
    };
    let is_of_text = |byte: &&u8| **byte == b'\n' || **byte >= b' ';
    let mut misses = false;
    for (n, sector) in sectors.iter().enumerate().take(last + 1) {
        let text = sector.iter().take_while(is_of_text).count();
        match text {
            0 if is_zero(sector) => misses = true,
            SECTOR => misses |= n == last,
            // The end of the note.
            _ if n == last && is_zero(sector.get(text..).unwrap_or_default()) => {}
            _ => return false,
        }
    }
    misses
}

pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// The note of a page that is whole.
pub(super) fn note_of(page: &[u8; PAGE]) -> Result<Vec<u8>, Changed> {
    let end = page.iter().position(|byte| *byte == 0).ok_or(Changed)?;
    let (note, rest) = page.split_at_checked(end).ok_or(Changed)?;
    is_zero(rest).then(|| note.to_vec()).ok_or(Changed)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;
    use crate::tree::Hash;

    type Ring = Vec<[u8; PAGE]>;

    /// A checkpoint of this size, as long as one that so many keys signed.
    fn note(size: u64, keys: u8) -> Vec<u8> {
        let mut note = format!("example.com/log\n{size}\n{}\n\n", Hash::of_nothing());
        for key in 0..keys {
            let signature = BASE64_STANDARD.encode([key; 68]);
            note.push_str(&format!("\u{2014} example.com/log {signature}\n"));
        }
        note.into_bytes()
    }

    fn page(note: &[u8]) -> [u8; PAGE] {
        let mut page = [0; PAGE];
        page[..note.len()].copy_from_slice(note);
        page
    }

    /// Everything that a crash makes of a page: each sector was written, or not.
    fn torn(before: &[u8; PAGE], after: &[u8; PAGE]) -> Vec<[u8; PAGE]> {
        let differ: Vec<usize> = (0..PAGE)
            .step_by(SECTOR)
            .filter(|at| before[*at..at + SECTOR] != after[*at..at + SECTOR])
            .collect();
        let all = (0..1_u32 << differ.len()).map(|written| {
            let mut page = *before;
            for (bit, at) in differ.iter().enumerate() {
                if written >> bit & 1 == 1 {
                    page[*at..at + SECTOR].copy_from_slice(&after[*at..at + SECTOR]);
                }
            }
            page
        });
        all.collect()
    }

    /// Which sizes a ring tells, and whether they are the last ones up to this.
    fn last(ring: &Ring) -> Result<u64, Changed> {
        let notes = notes_of(ring)?;
        let sizes: Vec<u64> = notes.iter().map(|note| size_said(note).unwrap()).collect();
        let last = sizes.last().copied().unwrap_or(0);
        let first = last + 1 - sizes.len() as u64;
        assert!(sizes.iter().copied().eq(first..=last), "{sizes:?}");
        assert!(sizes.len() as u64 >= last.min(PAGES as u64 - 2));
        Ok(last)
    }

    #[test]
    fn whatever_a_crash_leaves_of_a_page_the_ring_tells_the_last_checkpoint_that_was_flushed() {
        for keys in [1, 5, 9] {
            let mut ring = vec![[0; PAGE]; PAGES];
            for size in 1..=2 * PAGES as u64 + 5 {
                let at = (size as usize - 1) % PAGES;
                let after = (at + 1) % PAGES;
                let (old, new) = (ring[after], page(&note(size, keys)));
                assert!(is_zero(&ring[at]));
                let looked_at = [1, 2, 3, 40, 62, 63, 64, 65, 66, 127, 128, 129];
                let zeroed = match looked_at.contains(&size) {
                    true => torn(&old, &[0; PAGE]),
                    false => Vec::new(),
                };
                for written in torn(&[0; PAGE], &new) {
                    for emptied in &zeroed {
                        (ring[at], ring[after]) = (written, *emptied);
                        let told = last(&ring).unwrap();
                        assert_eq!(told, size - u64::from(written != new), "{keys} {size}");
                    }
                }
                (ring[at], ring[after]) = (new, [0; PAGE]);
            }
        }
    }

    #[test]
    fn a_page_that_is_changed_or_missing_anywhere_else_is_found() {
        for keys in [1, 5] {
            for size in [1, 40, 64, 130] {
                let mut ring = vec![[0; PAGE]; PAGES];
                for size in 1..=size {
                    let at = (size as usize - 1) % PAGES;
                    ring[at] = page(&note(size, keys));
                    ring[(at + 1) % PAGES] = [0; PAGE];
                }
                assert_eq!(last(&ring), Ok(size));
                let newest = (size as usize - 1) % PAGES;
                let near = (0..7).map(|n| (newest + PAGES - 3 + n) % PAGES);
                for at in near.chain([0, 1, 31, PAGES - 1]) {
                    let whole = ring[at];
                    let mut changes = vec![page(b"no note"), [7; PAGE]];
                    let back = (newest + PAGES - at) % PAGES;
                    // Of the newest nobody can tell that it was not written, and the oldest may be
                    // about to be written over. In its first round it is the only one of both.
                    let oldest = PAGES - 2;
                    if !is_zero(&whole) && back > 0 && back < oldest && back + 1 < size as usize {
                        changes.push([0; PAGE]);
                        changes.push(page(&note(size + 1, keys)));
                    }
                    for bit in [3, 8 * 20 + 1, 8 * 100 + 5, 8 * (PAGE - 1)] {
                        let mut flipped = whole;
                        flipped[bit / 8] ^= 1 << (bit % 8);
                        // What still is a note is not of its signature.
                        if note_of(&flipped)
                            .ok()
                            .and_then(|note| size_said(&note))
                            .is_none()
                        {
                            changes.push(flipped);
                        }
                    }
                    for changed in changes {
                        ring[at] = changed;
                        assert_eq!(last(&ring), Err(Changed), "{size} {at}");
                    }
                    ring[at] = whole;
                }
            }
        }
    }
}
