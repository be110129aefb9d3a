//! Publishing: the files by which anybody reads a log, as C2SP says, are made to say what was
//! acknowledged before.
//!
//! It is done beside the writer, which goes on meanwhile: it appends to bundles and adds checkpoints
//! to the head that the publication has nothing to do with. A crash at any line of it leaves what is
//! made up for when the log is opened.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::appending::ahead_of;
use super::disk;
use super::queue::News;
use super::tail::Full;
use super::writer::Writer;
use super::{Directory, Files, LogError};
use crate::tile::Tile;

/// How many tiles are flushed at the same time.
const TOGETHER: usize = 16;

/// All that it takes to publish one checkpoint, one step after the other. It changes nothing that a
/// writer appends to.
#[derive(Debug)]
pub(super) struct Publication {
    files: Files,
    /// How many entries it publishes.
    size: u64,
    /// The published checkpoint that it replaces.
    before: Option<Vec<u8>>,
    note: Vec<u8>,
    steps: VecDeque<Step>,
    /// Tiles that are not flushed yet.
    written: Vec<(PathBuf, File)>,
}

#[derive(Debug)]
enum Step {
    /// A bundle that became full is shown in its place too.
    Link(u64),
    /// A tile that became full is written, and flushed with some others before it is in its place.
    Write(Full),
    Flush,
    Place(Tile),
    /// A tile that is not full is put in its place.
    Show(Tile, Vec<u8>),
    /// What became full is in its place after a crash.
    Settle(Vec<Tile>),
    /// The published checkpoint is replaced.
    Replace,
    /// What became full is in its place only.
    Forget(Tile),
    Remove(u64),
    /// Files are made for bundles that come next, so that no commit has to.
    MakeOpen(Range<u64>),
    MakeShown(Range<u64>),
}

impl Publication {
    /// Publishes, to the end.
    pub(super) fn carry_out(&mut self) -> Result<(), LogError> {
        while self.step()? {}
        Ok(())
    }

    /// Does what is next; `false` when all is done.
    fn step(&mut self) -> Result<bool, LogError> {
        let Some(step) = self.steps.pop_front() else {
            return Ok(false);
        };
        let files = &self.files;
        match step {
            Step::Link(bundle) => files.link_bundle(bundle)?,
            Step::Write((tile, bytes)) => self.written.push(files.write_tile(tile, &bytes)?),
            Step::Flush => {
                let written = std::mem::take(&mut self.written);
                let each: Vec<_> = written.iter().map(|(path, file)| (file, &**path)).collect();
                disk::flush(&each)?;
            }
            Step::Place(tile) => files.place_tile(tile)?,
            Step::Show(tile, bytes) => files.show_tile(tile, &bytes)?,
            Step::Replace => {
                // It is a while since the writer looked.
                if files.checkpoint()? != self.before {
                    let directory = Directory::of(files.clone());
                    return Err(directory.damaged(self.size, CHANGED));
                }
                files.write_checkpoint(&self.note)?;
            }
            Step::Settle(tiles) => files.sync_tiles(&tiles)?,
            Step::Forget(tile) => files.forget_partial(tile)?,
            Step::Remove(bundle) => files.remove(&files.open(bundle))?,
            Step::MakeOpen(bundles) => files.make_open(bundles)?,
            Step::MakeShown(bundles) => files.make_shown(bundles)?,
        }
        Ok(true)
    }
}

/// Why a log is refused whose checkpoints are not as its writer left them.
pub(super) const CHANGED: &str =
    "somebody else has changed its checkpoint while it was being written";

/// A publication that is carried out by a thread of its own. It has ended when this is gone.
#[derive(Debug)]
pub(super) struct UnderWay(Option<JoinHandle<Result<Duration, LogError>>>);

impl UnderWay {
    fn begin(mut publication: Publication, news: News) -> Result<Self, LogError> {
        let root = publication.files.root().to_owned();
        let thread = thread::Builder::new().name("approvals-audit-publisher".to_owned());
        let thread = thread.spawn(move || {
            // Dropped last, also when this panics.
            let _news = news;
            let begun = Instant::now();
            publication.carry_out()?;
            Ok(begun.elapsed())
        });
        let thread = thread.map_err(LogError::disk("starting a thread for", &root))?;
        Ok(Self(Some(thread)))
    }

    fn has_ended(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for its end.
    fn end(mut self) -> Result<Duration, LogError> {
        match self.0.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(Duration::ZERO),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // Nothing of it may happen once the log is opened again, or by somebody else.
        drop(self.0.take().map(JoinHandle::join));
    }
}

impl Writer {
    /// Whether the published checkpoint is that of all entries, or will be by itself.
    pub(super) const fn is_published(&self) -> bool {
        self.unpublished.is_none()
    }

    /// Whether something is being published beside.
    pub(super) const fn is_publishing(&self) -> bool {
        self.under_way.is_some()
    }

    /// Has the tiles, and then the checkpoint, show everything that was acknowledged.
    pub(super) fn publish(&mut self) -> Result<(), LogError> {
        self.end_publishing()?;
        if let Some(mut publication) = self.publication()? {
            publication.carry_out()?;
            self.note_published();
        }
        Ok(())
    }

    /// The same, beside what is written from now on. Whatever is being published has to have ended.
    pub(super) fn publish_beside(&mut self, news: News) -> Result<(), LogError> {
        if let Some(publication) = self.publication()? {
            self.under_way = Some(UnderWay::begin(publication, news)?);
        }
        Ok(())
    }

    /// Takes note of what was published beside, if that has ended, and of how long it took.
    pub(super) fn ended_publishing(&mut self) -> Result<Option<Duration>, LogError> {
        match &self.under_way {
            Some(under_way) if under_way.has_ended() => self.end_publishing(),
            Some(_) | None => Ok(None),
        }
    }

    /// Waits for the end of what is being published beside, and takes note of it.
    pub(super) fn end_publishing(&mut self) -> Result<Option<Duration>, LogError> {
        let Some(under_way) = self.under_way.take() else {
            return Ok(None);
        };
        let took = under_way.end()?;
        self.note_published();
        Ok(Some(took))
    }

    /// What it takes to publish everything that was acknowledged, unless it is published.
    fn publication(&mut self) -> Result<Option<Publication>, LogError> {
        let Some(note) = self.unpublished.take() else {
            return Ok(None);
        };
        self.refuse_changed()?;
        let bundles = std::mem::take(&mut self.bundles);
        let full = std::mem::take(&mut self.full);
        let tiles = full.iter().map(|(tile, _)| *tile);
        let all: Vec<Tile> = tiles
            .chain(bundles.iter().copied().map(Tile::bundle))
            .collect();
        let mut steps: VecDeque<Step> = bundles.iter().copied().map(Step::Link).collect();
        // Levels above the lowest change only with it.
        let is_shown = |tile: Tile| matches!(tile.level, None | Some(0)) || !full.is_empty();
        let partial = self.tail.partial().into_iter();
        let partial: Vec<Full> = partial.filter(|(tile, _)| is_shown(*tile)).collect();
        let mut full = full.into_iter().peekable();
        while full.peek().is_some() {
            let some: Vec<Full> = full.by_ref().take(TOGETHER).collect();
            let places: Vec<Step> = some.iter().map(|(tile, _)| Step::Place(*tile)).collect();
            steps.extend(some.into_iter().map(Step::Write));
            steps.push_back(Step::Flush);
            steps.extend(places);
        }
        steps.extend(
            partial
                .into_iter()
                .map(|(tile, bytes)| Step::Show(tile, bytes)),
        );
        if !all.is_empty() {
            steps.push_back(Step::Settle(all.clone()));
        }
        steps.push_back(Step::Replace);
        steps.extend(all.into_iter().map(Step::Forget));
        if !bundles.is_empty() {
            let next = ahead_of(self.tail.bundle(), bundles.len() as u64);
            self.readied = next.end;
            steps.extend(bundles.into_iter().map(Step::Remove));
            steps.push_back(Step::MakeOpen(next.clone()));
            // Where anything was shown of late.
            if self.presentations.ready >= next.start {
                self.readied_shown = next.end;
                steps.push_back(Step::MakeShown(next));
            }
        }
        self.publishing = Some(note.clone());
        Ok(Some(Publication {
            files: self.files.clone(),
            size: self.size(),
            before: self.published.clone(),
            note,
            steps,
            written: Vec::new(),
        }))
    }

    fn note_published(&mut self) {
        if let Some(note) = self.publishing.take() {
            self.published = Some(note);
        }
        self.ready = self.ready.max(self.readied);
        self.presentations.ready = self.presentations.ready.max(self.readied_shown);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::ops::Range;
    use std::path::Path;
    use std::sync::Arc;

    use super::super::disk::recording::{self, Did};
    use super::super::entry::{Entry, Writing};
    use super::super::head::size_said;
    use super::super::queue::{Next, Queue};
    use super::super::writer::Keys;
    use super::*;
    use crate::note::Signer as _;
    use crate::support::{ORIGIN, copy, key, trail, verify};
    use crate::tile::WIDTH;

    /// A log, and entries for it.
    struct House {
        place: tempfile::TempDir,
        keys: Keys,
        entries: Vec<Entry>,
        writer: Writer,
    }

    impl House {
        /// So many are published, and so many acknowledged.
        fn new(published: usize, acknowledged: usize) -> Self {
            let place = tempfile::tempdir().unwrap();
            let signer = key();
            let keys = Keys {
                origin: ORIGIN.to_owned(),
                trusted: vec![signer.key().clone()],
                signers: vec![signer],
            };
            let files = Files::of(&place.path().join("log"));
            drop(files.lock().unwrap());
            let nothing = BTreeSet::new();
            let mut writing = Writing::new(&nothing, &files, false);
            let trail = trail(2300);
            let entries = trail.iter().map(|event| writing.entry(event).unwrap());
            let mut house = Self {
                entries: entries.collect(),
                writer: Writer::open(&files, &keys, None, None).unwrap(),
                place,
                keys,
            };
            house.append(0..published).unwrap();
            house.writer.publish().unwrap();
            house.append(published..acknowledged).unwrap();
            house
        }

        fn append(&mut self, which: Range<usize>) -> Result<(), LogError> {
            self.writer.append(&self.entries[which])
        }

        fn log(&self) -> std::path::PathBuf {
            self.place.path().join("log")
        }

        fn checkpoint(&self) -> Vec<u8> {
            fs::read(self.log().join("checkpoint")).unwrap()
        }

        /// That this log has so many entries: as it is read, and once it is opened after a crash.
        fn holds(&self, log: &Path, size: usize) {
            let key = &self.keys.trusted[0];
            let report = verify(log, key).unwrap();
            assert_eq!((report.entries, report.has_more), (size as u64, false));
            self.opens(log, size);
        }

        fn opens(&self, log: &Path, size: usize) {
            let key = &self.keys.trusted[0];
            let reached = self.writer.reached();
            let writer = Writer::open(&Files::of(log), &self.keys, Some(reached), None).unwrap();
            assert_eq!(writer.reached(), reached);
            assert_eq!(shown(log), size as u64);
            assert_eq!(verify(log, key).unwrap().entries, size as u64);
        }

        /// What a crash now would leave; without these tiles, as where the power is lost.
        fn crashed(&self, name: &str, without: &[Tile]) -> std::path::PathBuf {
            let image = self.place.path().join(name);
            copy(&self.log(), &image);
            for tile in without {
                Files::of(&image)
                    .remove(&image.join(tile.to_string()))
                    .unwrap();
            }
            image
        }
    }

    /// How many entries the published checkpoint says there are. Whoever knows nothing but C2SP finds
    /// every tile that it needs.
    fn shown(log: &Path) -> u64 {
        let size = size_said(&fs::read(log.join("checkpoint")).unwrap()).unwrap();
        for level in [None, Some(0), Some(1)] {
            let count = level.map_or(size, |level| Tile::count(level, size));
            for first in (0..count).step_by(WIDTH as usize) {
                let tile = Tile::with(level, first, size);
                let bytes = fs::read(log.join(tile.to_string())).unwrap();
                assert!(level.is_none() || bytes.len() == tile.bytes(), "{tile}");
            }
        }
        size
    }

    #[test]
    fn commits_go_on_while_a_log_is_published_and_a_crash_at_any_step_loses_none_of_them() {
        // Over the end of two bundles, within one, and of the first entries.
        for (published, acknowledged) in [(260, 780), (300, 310), (0, 5)] {
            let mut house = House::new(published, acknowledged);
            recording::take();
            let mut publication = house.writer.publication().unwrap().unwrap();
            let full: Vec<Tile> = publication
                .steps
                .iter()
                .filter_map(|step| match step {
                    Step::Place(tile) => Some(*tile),
                    Step::Link(bundle) => Some(Tile::bundle(*bundle)),
                    _ => None,
                })
                .collect();
            let (mut size, mut steps) = (acknowledged, 0);
            loop {
                house.append(size..size + 29).unwrap();
                size += 29;
                let is_replaced = !publication.steps.iter().any(|s| matches!(s, Step::Replace));
                let expected = if is_replaced { acknowledged } else { published };
                assert_eq!(shown(&house.log()), expected as u64);
                house.holds(&house.crashed(&format!("killed-{steps}"), &[]), size);
                if publication
                    .steps
                    .iter()
                    .any(|s| matches!(s, Step::Settle(_)))
                {
                    // Nothing says yet that what became full is in its place for good.
                    house.holds(&house.crashed(&format!("lost-{steps}"), &full), size);
                }
                if !publication.step().unwrap() {
                    break;
                }
                steps += 1;
            }
            house.writer.note_published();
            house.append(size..size + 300).unwrap();
            house.writer.publish().unwrap();
            house.append(size + 300..size + 301).unwrap();
            let log = house.log();
            assert_eq!(shown(&log), size as u64 + 300);
            house.holds(&log, size + 301);
        }
    }

    #[test]
    fn tiles_that_a_loss_of_power_left_empty_are_made_again() {
        for acknowledged in [1292, 1600] {
            let house = House::new(1290, acknowledged);
            for (n, tile) in ["tile/0/005.p/10", "tile/1/000.p/5"].iter().enumerate() {
                let log = house.crashed(&format!("empty-{n}"), &[]);
                assert!(log.join(tile).exists());
                fs::write(log.join(tile), b"").unwrap();
                house.opens(&log, acknowledged);
            }
        }
    }

    #[test]
    fn tiles_are_flushed_before_they_are_in_place_and_that_before_the_checkpoint_is_replaced() {
        let mut house = House::new(10, 1900);
        let log = house.log();
        recording::take();
        let mut publication = house.writer.publication().unwrap().unwrap();
        let (mut flushed, mut placed) = (Vec::new(), 0);
        while !matches!(publication.steps.front(), Some(Step::Replace)) {
            if let Some(Step::Place(tile)) = publication.steps.front() {
                let before = log.join(format!("{tile}.new"));
                assert!(flushed.contains(&(Did::Flushed, before)), "{tile}");
                placed += 1;
            }
            publication.step().unwrap();
            flushed.extend(recording::take());
        }
        assert_eq!(placed, 7);
        let is_settled = |step| !matches!(step, &Step::Settle(_));
        assert!(publication.steps.iter().all(is_settled));
        publication.carry_out().unwrap();
        assert_eq!(shown(&log), 1900);
    }

    #[test]
    fn a_checkpoint_that_somebody_else_changes_while_it_is_published_is_refused() {
        for after in [false, true] {
            let mut house = House::new(260, 300);
            let first = house.checkpoint();
            house.writer.publish().unwrap();
            let second = house.checkpoint();
            house.append(300..600).unwrap();
            let mut publication = house.writer.publication().unwrap().unwrap();
            while !matches!(publication.steps.front(), Some(Step::Replace)) {
                publication.step().unwrap();
            }
            house.append(600..610).unwrap();
            let file = house.log().join("checkpoint");
            if after {
                publication.step().unwrap();
                // What is being published is nobody else's.
                house.append(610..620).unwrap();
                fs::write(&file, &second).unwrap();
            } else {
                fs::write(&file, &first).unwrap();
                let error = publication.carry_out().unwrap_err();
                assert!(error.to_string().contains("somebody else"), "{error}");
                assert_eq!(house.checkpoint(), first);
            }
            let error = house.append(620..630).unwrap_err();
            assert!(error.to_string().contains("somebody else"), "{error}");
        }
        // Also by whoever waits until it is over.
        let mut house = House::new(260, 300);
        let earlier = house.checkpoint();
        house.writer.publish().unwrap();
        fs::write(house.log().join("checkpoint"), &earlier).unwrap();
        house.append(300..310).unwrap_err();
    }

    #[test]
    fn what_is_published_beside_is_told_at_its_end_whether_it_failed_or_not() {
        for fails in [false, true] {
            let mut house = House::new(260, 800);
            let before = house.checkpoint();
            let blocked = house.log().join("checkpoint.new");
            if fails {
                fs::create_dir(&blocked).unwrap();
            }
            let queue = Arc::new(Queue::default());
            house.writer.publish_beside(queue.news()).unwrap();
            // It goes on meanwhile.
            house.append(800..900).unwrap();
            assert!(matches!(queue.wait(None), Next::News));
            let ended = house.writer.end_publishing();
            assert_eq!(ended.is_err(), fails, "{ended:?}");
            assert!(!house.writer.is_publishing());
            if fails {
                assert_eq!(house.checkpoint(), before);
                fs::remove_dir(&blocked).unwrap();
            } else {
                assert_eq!(shown(&house.log()), 800);
                house.append(900..910).unwrap();
            }
            let size = if fails { 900 } else { 910 };
            house.holds(&house.log(), size);
        }
    }

    #[test]
    fn files_of_bundles_to_come_are_made_beside_and_used_once_they_are_sure_to_stay() {
        let mut house = House::new(10, 1900);
        let ready = |writer: &Writer| (writer.ready, writer.presentations.ready);
        assert_eq!(ready(&house.writer), (16, 16));
        let mut publication = house.writer.publication().unwrap().unwrap();
        publication.carry_out().unwrap();
        for bundle in 7..23 {
            for place in ["open", "shown"] {
                let file = house.log().join(place).join(bundle.to_string());
                assert!(file.exists(), "{}", file.display());
            }
        }
        assert_eq!(ready(&house.writer), (16, 16));
        house.writer.note_published();
        assert_eq!(ready(&house.writer), (23, 23));
        // Nobody takes it that they are there because they were.
        fs::remove_file(house.log().join("open/8")).unwrap();
        house.append(1900..2000).unwrap();
        house.append(2000..2300).unwrap();
        house.holds(&house.log(), 2300);
    }

    #[test]
    fn a_log_is_opened_by_nobody_before_what_is_published_beside_has_ended() {
        let mut house = House::new(10, 1900);
        let queue = Arc::new(Queue::default());
        house.writer.publish_beside(queue.news()).unwrap();
        let log = house.log();
        drop(house.writer);
        assert_eq!(shown(&log), 1900);
        assert!(!log.join("open/0").exists());
        assert!(matches!(queue.wait(None), Next::News));
    }
}
