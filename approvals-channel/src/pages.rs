//! Paragraphs laid out over messages: the first, and those that follow it in its thread.

use approvals_core::{Coverage, Presentation};

use crate::facts::{self, Facts};
use crate::writing::{Kind, Paragraph, Text};

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
pub struct Pages<'a> {
    text: Text<'a>,
    /// The paragraph that each further message begins with.
    further: Vec<usize>,
    /// Whether all of it is there.
    pub coverage: Coverage,
}

impl<'a> Pages<'a> {
    /// What stands in the message that has the buttons.
    pub fn first(&self) -> impl Iterator<Item = Paragraph<'_, 'a>> {
        let end = self.further.first().copied();
        self.text.between(0, end.unwrap_or(self.text.len()))
    }

    /// How many further messages there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.further.len()
    }

    /// What stands in each further message.
    pub fn further(&self) -> impl Iterator<Item = impl Iterator<Item = Paragraph<'_, 'a>>> {
        let ends = self.further.iter().skip(1).copied();
        let ends = ends.chain([self.text.len()]);
        let all = self.further.iter().zip(ends);
        all.map(|(start, end)| self.text.between(*start, end))
    }
}

/// Has all that is shown of a presentation written, where it surely fits into one message: what
/// [`pages`] would say of it, without laying anything out. Says whether it does; otherwise what was
/// written is to be taken back.
#[must_use]
pub fn at_once(
    presentation: &Presentation<'_>,
    room: usize,
    write: impl FnMut(Paragraph<'_, '_>),
) -> bool {
    presentation.is_whole() && facts::at_once(presentation, room, write)
}

/// Lays a presentation out. What it says about coverage is what is declared before posting.
#[must_use]
pub fn pages<'a>(presentation: &'a Presentation<'_>, room: Room) -> Pages<'a> {
    let facts = Facts::of(presentation);
    if !presentation.is_whole() {
        let places = presentation.masked.len();
        let why = format!("what looks like a secret is masked at {places} places");
        return partial(&facts, room, why);
    }
    // Most requests fit into one message whatever their texts consist of.
    let further = match facts.whole().at_most() <= room.first {
        true => Vec::new(),
        false => {
            let size = facts.whole().size();
            let further = laid_out(facts.whole(), room);
            if size > room.first + room.most * room.further || further.len() > room.most {
                return partial(&facts, room, too_long(size, room));
            }
            further
        }
    };
    Pages {
        text: facts.into_whole(),
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

/// The paragraphs that further messages begin with. A line stays together with what stands under it.
fn laid_out(text: &Text<'_>, sizes: Room) -> Vec<usize> {
    let (mut further, mut room) = (Vec::new(), sizes.first);
    let mut all = text.paragraphs().enumerate().peekable();
    while let Some((begins, paragraph)) = all.next() {
        let mut size = paragraph.size();
        let below = |kind| matches!(kind, Kind::Frame | Kind::Quote);
        while let Some((_, under)) = all.next_if(|(_, next)| below(next.kind)) {
            size += under.size();
        }
        if size > room {
            further.push(begins);
            room = sizes.further;
        }
        room = room.saturating_sub(size);
    }
    further
}

/// One message, in which every value that is long is named and not shown.
#[must_use]
pub fn partial<'a>(facts: &Facts<'a>, room: Room, why: String) -> Pages<'a> {
    let (mut text, mut left_room, mut left) = (Text::default(), room.first, 0_usize);
    for (paragraphs, withheld) in facts.each() {
        let whole: usize = paragraphs.iter().map(Paragraph::size).sum();
        let line = withheld.size();
        if left == 0 && whole <= left_room.min(room.first / 4) {
            left_room -= whole;
            paragraphs
                .into_iter()
                .for_each(|paragraph| text.copy(paragraph));
        } else if left == 0 && line <= left_room {
            left_room -= line;
            withheld
                .paragraphs()
                .for_each(|paragraph| text.copy(paragraph));
        } else {
            left += 1;
        }
    }
    if left > 0 {
        text.note(format!("NOT SHOWN HERE: {left} further facts"));
    }
    Pages {
        text,
        further: Vec::new(),
        coverage: Coverage::Partial { why },
    }
}
