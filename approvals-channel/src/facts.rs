//! A presentation as paragraphs, in the order in which they are read.

use approvals_core::Presentation;
use approvals_core::presentation::ShownArgument;

use crate::writing::{Kind, Paragraph, Piece, label, room_of, units};

/// A value up to this size stands in the line of its name.
const SHORT: usize = 160;
/// The most that stands in one frame.
const FRAME: usize = 2_800;

/// One fact: its name and its value, in one line or in frames below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The paragraphs, in order. A value that is long has several, each with its own name.
    pub paragraphs: Vec<Paragraph>,
    /// What is in frames: names and sizes.
    long: Vec<(String, usize)>,
}

impl Fact {
    /// The same in a line or two, where what is in frames is not shown, but how much of it there is.
    #[must_use]
    pub fn withheld(&self) -> Vec<Paragraph> {
        let line = |(name, size): &(String, usize)| {
            let size = Piece::italic(format!("(NOT SHOWN HERE: {size} characters)"));
            Paragraph::line(vec![label(name), size])
        };
        if self.long.is_empty() {
            return self.paragraphs.first().cloned().into_iter().collect();
        }
        self.long.iter().map(line).collect()
    }
}

/// Everything that a reviewer has to see, most important first. A field that is forgotten here is a
/// compile error.
#[must_use]
pub fn facts(presentation: &Presentation<'_>) -> Vec<Fact> {
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
    let mut all = vec![
        fact("Action", "", action),
        fact("Risk", "", risk.as_str()),
        fact("Asked by", "", requester),
    ];
    let mut optional = |name: &str, value: Option<&str>| {
        all.extend(value.map(|value| fact(name, "", value)));
    };
    optional("On", resource.as_deref());
    optional("Environment", environment.as_deref());
    optional("Summary", summary.as_deref());
    all.push(fact("Expires", "", &expires_at.to_string()));
    all.push(fact("Code", "", &presentation.short_code()));
    all.extend(warnings.iter().map(|warning| fact("Mind", "", warning)));
    all.extend(arguments.iter().map(|argument| shown("Argument", argument)));
    all.extend(fields.iter().map(|field| shown("Field", field)));
    let labelled = labels
        .iter()
        .map(|(name, value)| fact(&format!("Label {name}"), "", value));
    all.extend(labelled);
    all.extend(
        masked
            .iter()
            .map(|place| fact("Masked, not shown", "", place)),
    );
    all.extend(
        reasons
            .iter()
            .map(|(rule, why)| fact("Because", &format!("rule {rule}"), why)),
    );
    all.extend(requirements.iter().map(|line| fact("Who agrees", "", line)));
    all.extend(claim.as_deref().map(claimed));
    all.extend(model.as_deref().map(|model| fact("Model", "", model)));
    all.push(fact("Function", "", origin));
    all.push(fact("Asked at", "", &asked_at.to_string()));
    all.push(fact("Request", "", request));
    all.push(fact("Digest", "", &digest.to_string()));
    all
}

fn shown(kind: &str, argument: &ShownArgument<'_>) -> Fact {
    let name = format!("{kind} {}", argument.name);
    let short = units(&name) <= SHORT && units(&argument.remark) <= SHORT;
    if short && argument.text.is_empty() && !argument.remark.is_empty() {
        let elements = vec![
            label(&name),
            Piece::italic(format!("({})", argument.remark)),
        ];
        return Fact {
            paragraphs: vec![Paragraph::line(elements)],
            long: Vec::new(),
        };
    }
    fact(&name, &argument.remark, &argument.text)
}

/// What the agent says, visibly not what is known.
fn claimed(claim: &str) -> Fact {
    let title = "The agent claims, and nobody has checked";
    let size = units(claim);
    let pieces = cut(claim);
    let of = pieces.len();
    let paragraphs = pieces.into_iter().enumerate().flat_map(|(index, piece)| {
        let heading = heading(title, "", size, index, of);
        let quote = Paragraph {
            kind: Kind::Quote,
            pieces: vec![Piece::italic(piece)],
        };
        [heading, quote]
    });
    Fact {
        paragraphs: paragraphs.collect(),
        long: vec![(title.to_owned(), size)],
    }
}

/// A name and a value; `said` is a remark of ours about the value.
fn fact(name: &str, said: &str, value: &str) -> Fact {
    // Names and remarks may hold what came from outside, and then stand on their own.
    if units(name) > SHORT {
        return both(
            fact("Name of the next", "", name),
            fact("Value", said, value),
        );
    }
    if units(said) > SHORT {
        return both(
            fact(name, "remark below", value),
            fact("Remark on it", "", said),
        );
    }
    let size = units(value);
    if size <= SHORT {
        let mut elements = Vec::with_capacity(3);
        elements.extend([label(name), Piece::code(value)]);
        if !said.is_empty() {
            elements.push(remark(said));
        }
        return Fact {
            paragraphs: vec![Paragraph::line(elements)],
            long: Vec::new(),
        };
    }
    let pieces = cut(value);
    let of = pieces.len();
    let paragraphs = pieces.into_iter().enumerate().flat_map(|(index, piece)| {
        let frame = Paragraph {
            kind: Kind::Frame,
            pieces: vec![Piece::plain(piece)],
        };
        [heading(name, said, size, index, of), frame]
    });
    Fact {
        paragraphs: paragraphs.collect(),
        long: vec![(name.to_owned(), size)],
    }
}

fn both(mut one: Fact, other: Fact) -> Fact {
    one.long.extend(other.long);
    one.paragraphs.extend(other.paragraphs);
    one
}

/// A remark of ours, never mistaken for a value: those have another style.
fn remark(said: &str) -> Piece {
    Piece::italic(format!("  ({said})"))
}

/// The line above a frame.
fn heading(name: &str, said: &str, size: usize, index: usize, of: usize) -> Paragraph {
    let mut elements = vec![Piece::bold(name)];
    if !said.is_empty() {
        elements.push(remark(said));
    }
    if of > 1 {
        let part = format!("{size} characters, part {} of {of}", index + 1);
        elements.push(remark(&part));
    }
    Paragraph::line(elements)
}

/// Cuts a text into pieces that fit a frame, never inside a character.
fn cut(text: &str) -> Vec<&str> {
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
    use crate::writing::room;

    #[test]
    fn a_text_that_is_cut_is_whole_when_its_pieces_are_put_together() {
        for text in [
            String::new(),
            "a".repeat(FRAME),
            "💾é".repeat(5_000),
            "\"\\".repeat(5_000),
        ] {
            let pieces = cut(&text);
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().all(|piece| room(piece) <= FRAME));
        }
    }
}
