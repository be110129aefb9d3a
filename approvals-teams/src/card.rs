//! The card of a request.

use approvals_channel::pages::{Pages, Room, pages, partial};
use approvals_channel::progress::{progress, title};
use approvals_channel::{PageLink, Paragraph, facts, units};
use approvals_core::{Coverage, Presentation, Record};

use crate::button::buttons;
use crate::element::{Action, Card, Element, weight};

/// How large a card may become, in bytes of UTF-16. Every card of this size also fits what takes
/// less than a bot may send.
pub(crate) const USUAL: usize = 28 * 1024;
/// Teams' documentation advises no more.
pub(crate) const LARGEST: usize = 80 * 1024;
/// What fields and buttons, title and notes take at most, in UTF-16 units.
const AROUND: usize = 4_600;
/// What is kept for how far the request has come.
const PROGRESS: usize = 1_700;

/// How cards are to look, beside what their records say.
#[derive(Debug, Clone)]
pub(crate) struct Face {
    /// Where all of a request is shown.
    pub(crate) link: Option<PageLink>,
    /// How large a card may become, in bytes of UTF-16.
    pub(crate) bytes: usize,
}

impl Face {
    const fn units(&self) -> usize {
        self.bytes / 2
    }

    const fn facts(&self) -> usize {
        self.units().saturating_sub(AROUND + PROGRESS)
    }

    /// What is shown of a presentation. What it says about coverage is what is declared before
    /// posting.
    pub(crate) fn pages(&self, presentation: &Presentation<'_>) -> Shown {
        let most = self.facts();
        let room = |first| Room {
            first,
            further: 0,
            most: 0,
        };
        let Pages {
            first, coverage, ..
        } = pages(presentation, room(most));
        let (elements, taken) = set(first);
        if taken <= most {
            return Shown {
                elements,
                taken,
                coverage,
            };
        }
        // It would fit, were it not for what JSON makes of it.
        let why = match coverage {
            Coverage::Partial { why } => why,
            Coverage::Whole => format!("it takes {taken} characters of a card, which has {most}"),
        };
        // Half as much text each time, until what JSON makes of that fits as well.
        let mut first = most / 2;
        loop {
            let pages = partial(facts(presentation), room(first), why.clone());
            let (elements, taken) = set(pages.first);
            if taken <= most || first == 0 {
                let coverage = pages.coverage;
                return Shown {
                    elements,
                    taken,
                    coverage,
                };
            }
            first /= 2;
        }
    }
}

/// What of a presentation stands in a card.
#[derive(Debug)]
pub(crate) struct Shown {
    elements: Vec<Element>,
    /// How much of a card they take.
    taken: usize,
    pub(crate) coverage: Coverage,
}

/// Paragraphs as elements, and how much of a card they take.
fn set(paragraphs: Vec<Paragraph>) -> (Vec<Element>, usize) {
    let elements: Vec<Element> = paragraphs.into_iter().map(Element::from).collect();
    let taken = weight(&elements);
    (elements, taken)
}

/// The card of a request as its record stands.
pub(crate) fn card(record: &Record, face: &Face) -> Card {
    let Shown {
        elements,
        taken,
        coverage,
    } = face.pages(&Presentation::of(&record.asked));
    let mut body = vec![Element::title(title(&record.state))];
    body.extend(elements);
    let below = match &coverage {
        Coverage::Whole => buttons(record),
        Coverage::Partial { why } => unapprovable(record, face, why),
    };
    // With the title, and what is around all of it.
    let taken = taken + weight(&below) + units(&summary(record)) + 400;
    body.extend(how_far(record, face.units().saturating_sub(taken)));
    body.extend(below);
    Card::new(summary(record), body)
}

/// A card that only tells of a request: whatever is done about it is done where the link leads.
pub(crate) fn telling(record: &Record, face: &Face) -> Card {
    let Shown { elements, .. } = face.pages(&Presentation::of(&record.asked));
    let mut body = vec![Element::title(title(&record.state))];
    body.extend(elements);
    body.extend(face.link.iter().map(|link| open(link, record)));
    Card::new(summary(record), body)
}

fn unapprovable(record: &Record, face: &Face, why: &str) -> Vec<Element> {
    let where_to = match face.link {
        Some(_) => ", only where the link leads",
        None => "",
    };
    let note =
        format!("Not all of it can be shown here: {why}. Nobody can approve it here{where_to}.");
    let mut all = vec![Element::from(Paragraph::note(note))];
    all.extend(face.link.as_ref().map(|link| open(link, record)));
    all
}

fn open(link: &PageLink, record: &Record) -> Element {
    let url = link.of(record.id());
    let title = "Open the request";
    Element::ActionSet {
        actions: vec![Action::Open { title, url }],
    }
}

/// How far it has come, as much of it as there is room for: the latest, which is said last, first.
fn how_far(record: &Record, room: usize) -> Vec<Element> {
    let lines = progress(record);
    let all = lines.len();
    let mut kept = Vec::new();
    // For the note that something is missing.
    let mut left = room.saturating_sub(200);
    for line in lines.into_iter().rev() {
        let element = Element::from(line);
        let taken = weight(&element) + 2;
        if taken > left {
            break;
        }
        left -= taken;
        kept.push(element);
    }
    let missing = all - kept.len();
    if missing > 0 {
        let note = format!("{missing} earlier lines are not shown here, see the trail");
        kept.push(Paragraph::note(note).into());
    }
    kept.reverse();
    kept
}

/// What a notification says first, and clients that show no card: nothing of it is from outside.
pub(crate) fn summary(record: &Record) -> String {
    let (asked, what) = (&record.asked, title(&record.state));
    format!(
        "{what} (risk {}, code {})",
        asked.risk,
        asked.digest.short_code()
    )
}

#[cfg(test)]
mod tests;
