//! The card of a request.

use approvals_channel::pages::{Room, at_once, pages, partial};
use approvals_channel::progress::{progress, title};
use approvals_channel::{Facts, Json, PageLink, Paragraph, Text, Written, units};
use approvals_core::{Coverage, Presentation, Record};

use crate::button::buttons;
use crate::element;
use crate::weight::{at_most, weight};

/// How large a card may become, in bytes of UTF-16. Every card of this size also fits what takes
/// less than a bot may send.
pub(crate) const USUAL: usize = 28 * 1024;
/// Teams' documentation advises no more.
pub(crate) const LARGEST: usize = 80 * 1024;
/// What fields and buttons, title and notes take at most, in UTF-16 units.
const AROUND: usize = 4_600;
/// What is kept for how far the request has come.
const PROGRESS: usize = 1_700;
/// What is kept for the note that not all of that is shown.
const NOTE: usize = 200;

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
        self.write(presentation, &mut Json::with_room(ROOM))
    }

    /// Writes what is shown of a presentation, each element after a comma.
    fn write(&self, presentation: &Presentation<'_>, json: &mut Json) -> Shown {
        let most = self.facts();
        let room = |first| Room {
            first,
            further: 0,
            most: 0,
        };
        let begun = json.len();
        let fits = |json: &Json| {
            let elements = json.since(begun);
            let weighs = at_most(elements);
            (weighs <= most || weight(elements) <= most).then_some(weighs)
        };
        // Most requests fit whatever their texts consist of.
        if at_once(presentation, most, |paragraph| {
            element::paragraph(json, paragraph);
        }) && let Some(weighs) = fits(json)
        {
            return Shown {
                begun,
                weighs,
                coverage: Coverage::Whole,
            };
        }
        json.back_to(begun);
        let pages = pages(presentation, room(most));
        all(json, pages.first());
        if let Some(weighs) = fits(json) {
            let coverage = pages.coverage;
            return Shown {
                begun,
                weighs,
                coverage,
            };
        }
        // It would fit, were it not for what JSON makes of it.
        let why = match pages.coverage {
            Coverage::Partial { why } => why,
            Coverage::Whole => {
                let taken = weight(json.since(begun));
                format!("it takes {taken} characters of a card, which has {most}")
            }
        };
        let facts = Facts::of(presentation);
        // Half as much text each time, until what JSON makes of that fits as well.
        let mut first = most / 2;
        loop {
            json.back_to(begun);
            let pages = partial(&facts, room(first), why.clone());
            all(json, pages.first());
            let weighs = match fits(json) {
                None if first == 0 => Some(at_most(json.since(begun))),
                fits => fits,
            };
            if let Some(weighs) = weighs {
                let coverage = pages.coverage;
                return Shown {
                    begun,
                    weighs,
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
    /// Where in the card it begins.
    begun: usize,
    /// What it weighs at most.
    weighs: usize,
    pub(crate) coverage: Coverage,
}

/// What a card takes, most often.
const ROOM: usize = 10 * 1024;

/// The card of a request as its record stands.
pub(crate) fn card(record: &Record, face: &Face) -> Written {
    let mut json = Json::with_room(ROOM);
    write(&mut json, record, face);
    json.written()
}

/// The same as what a press is answered with: the card in place of the one that was pressed.
pub(crate) fn answer(record: &Record, face: &Face) -> Written {
    let mut json = Json::with_room(ROOM);
    json.ours(r#"{"statusCode":200,"type":"application/vnd.microsoft.card.adaptive","value":"#);
    write(&mut json, record, face);
    json.ours("}");
    json.written()
}

fn write(json: &mut Json, record: &Record, face: &Face) {
    let presentation = Presentation::of(&record.asked);
    let (summary, lines) = (summary(record), progress(record));
    element::card(json, &summary, |json| {
        element::title(json, title(&record.state));
        let Shown {
            begun,
            weighs,
            coverage,
        } = face.write(&presentation, json);
        let facts_end = json.len();
        all(json, lines.paragraphs());
        below(json, record, face, &coverage);
        // With the title, and what is around all of it.
        let around = units(&summary) + 400;
        // For the note that something is missing, which most often nothing is.
        if weighs + at_most(json.since(facts_end)) + around + NOTE + 2 <= face.units() {
            return;
        }
        json.back_to(facts_end);
        let facts = weight(json.since(begun));
        let mut rest = Json::with_room(ROOM);
        below(&mut rest, record, face, &coverage);
        let taken = facts + weight(rest.since(0)).max(2) + around;
        how_far(json, &lines, face.units().saturating_sub(taken));
        json.value(&rest.written());
    });
}

/// A card that only tells of a request: whatever is done about it is done where the link leads.
pub(crate) fn telling(record: &Record, face: &Face) -> Written {
    let presentation = Presentation::of(&record.asked);
    let mut json = Json::with_room(ROOM);
    element::card(&mut json, &summary(record), |json| {
        element::title(json, title(&record.state));
        face.write(&presentation, json);
        open(json, record, face);
    });
    json.written()
}

/// Paragraphs, each after a comma.
fn all<'t, 'a: 't>(json: &mut Json, paragraphs: impl Iterator<Item = Paragraph<'t, 'a>>) {
    paragraphs.for_each(|paragraph| element::paragraph(json, paragraph));
}

/// What stands below everything else: how to answer, or why nobody can.
fn below(json: &mut Json, record: &Record, face: &Face, coverage: &Coverage) {
    let why = match coverage {
        Coverage::Whole => return buttons(json, record),
        Coverage::Partial { why } => why,
    };
    let where_to = match face.link {
        Some(_) => ", only where the link leads",
        None => "",
    };
    let note =
        format!("Not all of it can be shown here: {why}. Nobody can approve it here{where_to}.");
    element::note(json, note);
    open(json, record, face);
}

fn open(json: &mut Json, record: &Record, face: &Face) {
    if let Some(link) = &face.link {
        let url = link.of(record.id());
        element::actions(json.ours(","), [url], |json, url| {
            element::open(json, "Open the request", &url);
        });
    }
}

/// How far it has come, as much of it as there is room for: the latest, which is said last, first.
fn how_far(json: &mut Json, lines: &Text<'_>, room: usize) {
    let mut left = room.saturating_sub(NOTE);
    let begun = json.len();
    let weights = lines.paragraphs().map(|paragraph| {
        element::paragraph(json, paragraph);
        let weight = weight(json.since(begun));
        json.back_to(begun);
        weight
    });
    let weights: Vec<usize> = weights.collect();
    let fits = |weight: &&usize| {
        let rest = left.checked_sub(**weight);
        left = rest.unwrap_or_default();
        rest.is_some()
    };
    let kept = weights.iter().rev().take_while(fits).count();
    let missing = lines.len() - kept;
    if missing > 0 {
        let note = format!("{missing} earlier lines are not shown here, see the trail");
        element::note(json, note);
    }
    all(json, lines.between(missing, lines.len()));
}

/// What a notification says first, and clients that show no card: nothing of it is from outside.
pub(crate) fn summary(record: &Record) -> String {
    approvals_channel::progress::in_short(record)
}

#[cfg(test)]
mod tests;
