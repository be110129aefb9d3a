//! A presentation as paragraphs, in the order in which they are read.

use std::borrow::Cow;
use std::ops::Range;

use approvals_core::Presentation;
use approvals_core::presentation::ShownArgument;

use crate::writing::{Kind, Paragraph, Piece, Text, room, room_of, units};

/// A value up to this size stands in the line of its name.
const SHORT: usize = 160;
/// The most that stands in one frame.
const FRAME: usize = 2_800;

/// Everything that a reviewer has to see, most important first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts<'a> {
    text: Text<'a>,
    facts: Vec<Fact<'a>>,
    /// What of the present one is in frames.
    long: Vec<(Name<'a>, usize)>,
}

/// One fact: its name and its value, in one line or in frames below it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fact<'a> {
    /// A value that is long has several, each with its own name.
    paragraphs: Range<usize>,
    /// What is in frames: names and sizes.
    long: Vec<(Name<'a>, usize)>,
}

/// A name, after words of ours that say of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name<'a> {
    of: &'static str,
    own: &'a str,
}

impl<'a> Name<'a> {
    const fn ours(own: &'static str) -> Self {
        Self { of: "", own }
    }

    const fn of(of: &'static str, own: &'a str) -> Self {
        Self { of, own }
    }

    fn is_short(self) -> bool {
        self.of.len() + self.own.len() <= SHORT || units(self.of) + units(self.own) <= SHORT
    }

    /// As the label of what follows in the same line.
    fn label(self) -> Piece<'a> {
        Piece::bold(self.own).between(self.of, "  ")
    }

    /// As the line above a frame.
    fn heading(self) -> Piece<'a> {
        Piece::bold(self.own).between(self.of, "")
    }
}

/// A text has no more units than bytes, and most are short by those.
fn is_short(text: &str) -> bool {
    text.len() <= SHORT || units(text) <= SHORT
}

impl<'a> Facts<'a> {
    /// The facts of a presentation.
    #[must_use]
    pub fn of(presentation: &'a Presentation<'_>) -> Self {
        let facts = 16 + presentation.arguments.len() + presentation.fields.len();
        let mut all = Self {
            text: Text::with_room(facts),
            facts: Vec::with_capacity(facts),
            long: Vec::new(),
        };
        tell(presentation, &mut all);
        all
    }

    /// All of them, whole.
    #[must_use]
    pub const fn whole(&self) -> &Text<'a> {
        &self.text
    }

    pub(crate) fn into_whole(self) -> Text<'a> {
        self.text
    }

    /// Each by itself: whole, and in a line or two where what is in frames is not shown, but how
    /// much of it there is.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Vec<Paragraph<'_, 'a>>, Text<'a>)> {
        self.facts.iter().map(|fact| {
            let Range { start, end } = fact.paragraphs;
            let whole: Vec<_> = self.text.between(start, end).collect();
            let mut withheld = Text::default();
            for (name, size) in &fact.long {
                let size = format!("(NOT SHOWN HERE: {size} characters)");
                withheld.line([name.label(), Piece::italic(size)]);
            }
            if let (true, Some(line)) = (withheld.is_empty(), whole.first()) {
                withheld.copy(*line);
            }
            (whole, withheld)
        })
    }
}

/// Where facts go as they are told.
trait Telling<'a> {
    /// A paragraph of the present fact.
    fn add<const N: usize>(&mut self, kind: Kind, pieces: [Piece<'a>; N]);

    /// What of it stands in frames, and how much.
    fn long(&mut self, name: Name<'a>, size: usize);

    /// It is told whole.
    fn told(&mut self);

    fn line<const N: usize>(&mut self, pieces: [Piece<'a>; N]) {
        self.add(Kind::Line, pieces);
    }

    fn fact(&mut self, name: &'static str, value: &'a str) {
        self.named(Name::ours(name), "".into(), Cow::Borrowed(value));
    }

    fn optional(&mut self, name: &'static str, value: Option<&'a str>) {
        if let Some(value) = value {
            self.fact(name, value);
        }
    }

    /// What a value of ours prints as.
    fn printed(&mut self, name: &'static str, value: String) {
        self.named(Name::ours(name), "".into(), Cow::Owned(value));
    }

    fn argument(&mut self, of: &'static str, argument: &'a ShownArgument<'_>) {
        let ShownArgument { name, remark, text } = argument;
        let name = Name::of(of, name);
        if text.is_empty() && !remark.is_empty() && name.is_short() && is_short(remark) {
            let remark = Piece::italic(&**remark).between("(", ")");
            self.line([name.label(), remark]);
            return self.told();
        }
        self.named(name, Cow::Borrowed(remark), Cow::Borrowed(text));
    }

    /// What the agent says, visibly not what is known.
    fn claimed(&mut self, claim: &'a str) {
        let title = Name::ours("The agent claims, and nobody has checked");
        let size = units(claim);
        let pieces = cut(Cow::Borrowed(claim));
        let of = pieces.len();
        for (index, piece) in pieces.into_iter().enumerate() {
            self.heading(title, "".into(), size, index, of);
            self.add(Kind::Quote, [Piece::italic(piece)]);
        }
        self.long(title, size);
        self.told();
    }

    fn named(&mut self, name: Name<'a>, said: Cow<'a, str>, value: Cow<'a, str>) {
        self.set(name, said, value);
        self.told();
    }

    /// A name and a value; `said` is a remark of ours about the value.
    fn set(&mut self, name: Name<'a>, said: Cow<'a, str>, value: Cow<'a, str>) {
        // Names and remarks may hold what came from outside, and then stand on their own.
        if !name.is_short() {
            let whole = Cow::Owned(format!("{}{}", name.of, name.own));
            self.set(Name::ours("Name of the next"), "".into(), whole);
            return self.set(Name::ours("Value"), said, value);
        }
        if !is_short(&said) {
            self.set(name, "remark below".into(), value);
            return self.set(Name::ours("Remark on it"), "".into(), said);
        }
        if is_short(&value) {
            let (label, value) = (name.label(), Piece::code(value));
            return match said.is_empty() {
                true => self.line([label, value]),
                false => self.line([label, value, remark(said)]),
            };
        }
        let size = units(&value);
        let pieces = cut(value);
        let of = pieces.len();
        for (index, piece) in pieces.into_iter().enumerate() {
            self.heading(name, said.clone(), size, index, of);
            self.add(Kind::Frame, [Piece::plain(piece)]);
        }
        self.long(name, size);
    }

    /// The line above a frame.
    fn heading(
        &mut self,
        name: Name<'a>,
        said: Cow<'a, str>,
        size: usize,
        index: usize,
        of: usize,
    ) {
        let part = || remark(format!("{size} characters, part {} of {of}", index + 1));
        match (said.is_empty(), of > 1) {
            (true, false) => self.line([name.heading()]),
            (true, true) => self.line([name.heading(), part()]),
            (false, false) => self.line([name.heading(), remark(said)]),
            (false, true) => self.line([name.heading(), remark(said), part()]),
        }
    }
}

impl<'a> Telling<'a> for Facts<'a> {
    fn add<const N: usize>(&mut self, kind: Kind, pieces: [Piece<'a>; N]) {
        self.text.add(kind, pieces);
    }

    fn long(&mut self, name: Name<'a>, size: usize) {
        self.long.push((name, size));
    }

    fn told(&mut self) {
        let begun = self.facts.last().map_or(0, |fact| fact.paragraphs.end);
        self.facts.push(Fact {
            paragraphs: begun..self.text.len(),
            long: std::mem::take(&mut self.long),
        });
    }
}

/// Writes paragraphs as they are told, while there is room for them.
struct AtOnce<F> {
    room: usize,
    fits: bool,
    write: F,
}

impl<'a, F: FnMut(Paragraph<'_, '_>)> Telling<'a> for AtOnce<F> {
    fn add<const N: usize>(&mut self, kind: Kind, pieces: [Piece<'a>; N]) {
        let size: usize = pieces.iter().map(Piece::at_most).sum();
        match self.room.checked_sub(size) {
            Some(room) if self.fits => {
                self.room = room;
                let pieces = &pieces;
                (self.write)(Paragraph { kind, pieces });
            }
            Some(_) | None => self.fits = false,
        }
    }

    fn long(&mut self, _: Name<'a>, _: usize) {}

    fn told(&mut self) {}
}

/// Has all facts of a presentation written, where they surely take no more than so much room; says
/// whether they do. Otherwise what was written is only a part of them.
pub(crate) fn at_once(
    presentation: &Presentation<'_>,
    room: usize,
    write: impl FnMut(Paragraph<'_, '_>),
) -> bool {
    let fits = true;
    let mut all = AtOnce { room, fits, write };
    tell(presentation, &mut all);
    all.fits
}

/// Tells the facts of a presentation. A field that is forgotten here is a compile error.
fn tell<'a>(presentation: &'a Presentation<'_>, all: &mut impl Telling<'a>) {
    let Presentation {
        action,
        arguments,
        asked_at,
        claim,
        digest,
        environment,
        expires_at,
        fields,
        labels,
        masked,
        model,
        origin,
        reasons,
        request,
        requester,
        requirements,
        resource,
        risk,
        summary,
        version: _,
        warnings,
    } = presentation;
    all.fact("Action", action);
    all.fact("Risk", risk.as_str());
    all.fact("Asked by", requester);
    all.optional("On", resource.as_deref());
    all.optional("Environment", environment.as_deref());
    all.optional("Summary", summary.as_deref());
    all.printed("Expires", expires_at.to_string());
    all.printed("Code", presentation.short_code());
    for warning in warnings {
        all.fact("Mind", warning);
    }
    for argument in arguments {
        all.argument("Argument ", argument);
    }
    for field in fields {
        all.argument("Field ", field);
    }
    for (name, value) in labels {
        all.named(Name::of("Label ", name), "".into(), Cow::Borrowed(value));
    }
    for place in masked {
        all.fact("Masked, not shown", place);
    }
    for (rule, why) in reasons {
        let rule = ["rule ", rule].concat().into();
        all.named(Name::ours("Because"), rule, Cow::Borrowed(why));
    }
    for line in requirements {
        all.fact("Who agrees", line);
    }
    if let Some(claim) = claim {
        all.claimed(claim);
    }
    all.optional("Model", model.as_deref());
    all.fact("Function", origin);
    all.printed("Asked at", asked_at.to_string());
    all.fact("Request", request);
    all.printed("Digest", digest.to_string());
}

/// A remark of ours, never mistaken for a value: those have another style.
fn remark<'a>(said: impl Into<Cow<'a, str>>) -> Piece<'a> {
    Piece::italic(said).between("  (", ")")
}

/// Cuts a text into pieces that fit a frame, never inside a character.
fn cut(text: Cow<'_, str>) -> Vec<Cow<'_, str>> {
    // Each character takes at most two for a byte.
    if text.len() <= FRAME / 2 || room(&text) <= FRAME {
        return vec![text];
    }
    match text {
        Cow::Borrowed(text) => cuts(text).into_iter().map(Cow::Borrowed).collect(),
        Cow::Owned(text) => {
            let pieces = cuts(&text).into_iter();
            pieces.map(|piece| Cow::Owned(piece.to_owned())).collect()
        }
    }
}

fn cuts(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (at, character) in text.char_indices() {
        let one = room_of(character);
        if size + one > FRAME {
            pieces.extend(text.get(start..at));
            (start, size) = (at, 0);
        }
        size += one;
    }
    pieces.extend(text.get(start..));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_cut_is_whole_when_its_pieces_are_put_together() {
        for text in [
            String::new(),
            "a".repeat(FRAME / 2),
            "a".repeat(FRAME),
            "💾é".repeat(5_000),
            "\"\\".repeat(5_000),
        ] {
            for text in [Cow::Borrowed(&*text), Cow::Owned(text.clone())] {
                let pieces = cut(text.clone());
                assert_eq!(pieces.concat(), text);
                assert!(pieces.iter().all(|piece| room(piece) <= FRAME));
            }
        }
    }
}
