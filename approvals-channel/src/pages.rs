//! Paragraphs laid out over messages: the first, and those that follow it in its thread.

use approvals_core::{Coverage, Presentation};

use crate::facts::{Fact, facts};
use crate::writing::{Kind, Paragraph};

/// How much a service holds, as [`room`](crate::room) counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// In the first message, beside progress and buttons.
    pub first: usize,
    /// In a further message.
    pub further: usize,
    /// The most further messages.
    pub most: usize,
}

/// What is shown of a presentation, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// In the message that has the buttons.
    pub first: Vec<Paragraph>,
    /// In each further message.
    pub further: Vec<Vec<Paragraph>>,
    /// Whether all of it is there.
    pub coverage: Coverage,
}

/// Lays a presentation out. What it says about coverage is what is declared before posting.
#[must_use]
pub fn pages(presentation: &Presentation<'_>, room: Room) -> Pages {
    let facts = facts(presentation);
    if !presentation.is_whole() {
        let places = presentation.masked.len();
        let why = format!("what looks like a secret is masked at {places} places");
        return partial(facts, room, why);
    }
    let size: usize = facts
        .iter()
        .flat_map(|f| &f.paragraphs)
        .map(Paragraph::size)
        .sum();
    if size > room.first + room.most * room.further {
        return partial(facts, room, too_long(size, room));
    }
    let (first, further) = laid_out(facts, room);
    if further.len() > room.most {
        // What was laid out is not needed again: the same facts, shorter.
        return partial(self::facts(presentation), room, too_long(size, room));
    }
    Pages {
        first,
        further,
        coverage: Coverage::Whole,
    }
}

fn too_long(size: usize, room: Room) -> String {
    format!(
        "it takes {size} characters, and {} messages do not hold them",
        room.most + 1
    )
}

fn laid_out(facts: Vec<Fact>, sizes: Room) -> (Vec<Paragraph>, Vec<Vec<Paragraph>>) {
    let (mut first, mut further) = (Vec::new(), Vec::<Vec<Paragraph>>::new());
    let mut room = sizes.first;
    for fact in facts {
        for pair in kept_together(fact.paragraphs) {
            let size: usize = pair.iter().map(Paragraph::size).sum();
            if size > room {
                further.push(Vec::new());
                room = sizes.further;
            }
            room = room.saturating_sub(size);
            match further.last_mut() {
                Some(page) => page.extend(pair),
                None => first.extend(pair),
            }
        }
    }
    (first, further)
}

/// A line by itself, or a heading with what stands under it.
fn kept_together(paragraphs: Vec<Paragraph>) -> Vec<Vec<Paragraph>> {
    let mut groups: Vec<Vec<Paragraph>> = Vec::new();
    for paragraph in paragraphs {
        match (paragraph.kind, groups.last_mut()) {
            (Kind::Frame | Kind::Quote, Some(group)) => group.push(paragraph),
            _ => groups.push(vec![paragraph]),
        }
    }
    groups
}

/// One message, in which every value that is long is named and not shown.
#[must_use]
pub fn partial(facts: Vec<Fact>, room: Room, why: String) -> Pages {
    let (mut first, mut left_room, mut left) = (Vec::new(), room.first, 0_usize);
    let size = |paragraphs: &[Paragraph]| paragraphs.iter().map(Paragraph::size).sum::<usize>();
    for fact in facts {
        let whole = size(&fact.paragraphs);
        let withheld = fact.withheld();
        let line = size(&withheld);
        if left == 0 && whole <= left_room.min(room.first / 4) {
            left_room -= whole;
            first.extend(fact.paragraphs);
        } else if left == 0 && line <= left_room {
            left_room -= line;
            first.extend(withheld);
        } else {
            left += 1;
        }
    }
    if left > 0 {
        first.push(Paragraph::note(format!(
            "NOT SHOWN HERE: {left} further facts"
        )));
    }
    Pages {
        first,
        further: Vec::new(),
        coverage: Coverage::Partial { why },
    }
}
