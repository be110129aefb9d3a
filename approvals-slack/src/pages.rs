//! Paragraphs laid out over messages: the first, and those that follow it in its thread.

use approvals_core::{Coverage, Presentation};

use crate::block::{Inline, Rich};
use crate::facts::{Fact, facts, joined};

/// The most text of the first message, beside progress and buttons.
const FIRST: usize = 6_000;
/// The most text of a further message.
const FURTHER: usize = 9_000;
/// The most further messages: at one a second they are there while somebody reads the first.
const MOST: usize = 12;

/// What is shown of a presentation, and where.
pub(crate) struct Pages {
    /// In the message that has the buttons.
    pub(crate) first: Vec<Rich>,
    /// In each further message.
    pub(crate) further: Vec<Vec<Rich>>,
    /// Whether all of it is there.
    pub(crate) coverage: Coverage,
}

/// Lays a presentation out. What it says about coverage is what is declared before posting.
pub(crate) fn pages(presentation: &Presentation<'_>) -> Pages {
    let facts = facts(presentation);
    if !presentation.is_whole() {
        let places = presentation.masked.len();
        let why = format!("what looks like a secret is masked at {places} places");
        return partial(facts, why);
    }
    let size: usize = facts
        .iter()
        .flat_map(|f| &f.paragraphs)
        .map(Rich::size)
        .sum();
    if size > FIRST + MOST * FURTHER {
        return partial(facts, too_long(size));
    }
    let (first, further) = laid_out(facts);
    if further.len() > MOST {
        // What was laid out is not needed again: the same facts, shorter.
        return partial(self::facts(presentation), too_long(size));
    }
    Pages {
        first,
        further,
        coverage: Coverage::Whole,
    }
}

fn too_long(size: usize) -> String {
    format!(
        "it has {size} characters, and {} messages do not hold them",
        MOST + 1
    )
}

fn laid_out(facts: Vec<Fact>) -> (Vec<Rich>, Vec<Vec<Rich>>) {
    let (mut first, mut further) = (Vec::new(), Vec::<Vec<Rich>>::new());
    let mut room = FIRST;
    for fact in facts {
        for pair in kept_together(fact.paragraphs) {
            let size: usize = pair.iter().map(Rich::size).sum();
            if size > room {
                further.push(Vec::new());
                room = FURTHER;
            }
            room = room.saturating_sub(size);
            match further.last_mut() {
                Some(page) => page.extend(pair),
                None => first.extend(pair),
            }
        }
    }
    (joined(first), further.into_iter().map(joined).collect())
}

/// A line by itself, or a heading with what stands under it.
fn kept_together(paragraphs: Vec<Rich>) -> Vec<Vec<Rich>> {
    let mut groups: Vec<Vec<Rich>> = Vec::new();
    for paragraph in paragraphs {
        match (&paragraph, groups.last_mut()) {
            (Rich::Preformatted { .. } | Rich::Quote { .. }, Some(group)) => group.push(paragraph),
            _ => groups.push(vec![paragraph]),
        }
    }
    groups
}

/// One message, in which every value that is long is named and not shown.
fn partial(facts: Vec<Fact>, why: String) -> Pages {
    let (mut first, mut room, mut left) = (Vec::new(), FIRST, 0_usize);
    for fact in facts {
        let whole: usize = fact.paragraphs.iter().map(Rich::size).sum();
        let withheld = fact.withheld();
        let line = withheld.size();
        if left == 0 && whole <= room.min(FIRST / 4) {
            room -= whole;
            first.extend(fact.paragraphs);
        } else if left == 0 && line <= room {
            room -= line;
            first.push(withheld);
        } else {
            left += 1;
        }
    }
    if left > 0 {
        let note = format!("NOT SHOWN HERE: {left} further facts");
        first.push(Rich::Section {
            elements: vec![Inline::italic(note)],
        });
    }
    Pages {
        first: joined(first),
        further: Vec::new(),
        coverage: Coverage::Partial { why },
    }
}
