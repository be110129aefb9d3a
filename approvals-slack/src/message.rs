//! The messages of a request, as bodies for Slack.

use approvals_channel::pages::{Pages, Room, pages};
use approvals_channel::progress::{progress, title};
use approvals_channel::{PageLink, Paragraph, Piece, label, within};
use approvals_core::{Coverage, Presentation, Record};
use serde::Serialize;

use crate::block::{Block, Button, Inline, Plain, Rich, joined};
use crate::button::{Press, buttons};
use crate::id::{UserGroupId, UserId};

/// What messages hold: at one a second the further ones are there while somebody reads the first.
///
/// Slack documents no limit for the blocks of a message as a whole. Messages of more than some eleven
/// thousand characters of text, or sixteen thousand of JSON, were seen to be refused with
/// `msg_blocks_too_long`; the first one has to hold votes and comments beside.
pub(crate) const ROOM: Room = Room {
    first: 6_500,
    further: 9_500,
    most: 12,
};

/// What a message consists of. `text` is what a notification and a screen reader say first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Body {
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
}

/// Whom a message calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mention {
    User(UserId),
    Group(UserGroupId),
}

impl Mention {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::User(user) => user.as_str(),
            Self::Group(group) => group.as_str(),
        }
    }

    /// The mentions of these ids.
    pub(crate) fn all(ids: &[String]) -> Vec<Self> {
        let mention = |id: &String| {
            let group = || UserGroupId::new(id).ok().map(Self::Group);
            UserId::new(id).ok().map(Self::User).or_else(group)
        };
        ids.iter().filter_map(mention).collect()
    }
}

/// How a message is to look, beside what its record says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Face<'a> {
    /// Whom it calls.
    pub(crate) mentions: &'a [Mention],
    /// The beginning of the address where all of a request is shown; the request's id follows.
    pub(crate) link: Option<&'a PageLink>,
    /// Whether the further messages are there. Without them there are no buttons.
    pub(crate) rest: Rest,
}

/// What there is of the further messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// All of them, if there are any.
    There,
    /// They follow.
    Coming,
    /// They will never be there.
    Missing,
}

/// The message that has the buttons, as its record stands.
pub(crate) fn first(record: &Record, face: Face<'_>) -> Body {
    let presentation = Presentation::of(&record.asked);
    first_of(record, pages(&presentation, ROOM), face)
}

fn first_of(record: &Record, pages: Pages, face: Face<'_>) -> Body {
    let revision = record.revision;
    let Pages {
        first,
        further,
        coverage,
    } = pages;
    // An update has blocks of its own: Slack wants new ids for them.
    let part = match face.rest {
        Rest::Coming => 0,
        Rest::There => 1,
        Rest::Missing => 2,
    };
    let id = |name: &str| format!("{name}-{revision}-{part}");
    let mut blocks = vec![Block::Header {
        block_id: id("title"),
        text: Plain::new(title(&record.state)),
    }];
    let mut facts = calls(face.mentions);
    facts.extend(first.into_iter().map(Rich::from));
    if !further.is_empty() {
        let count = further.len();
        let note = match face.rest {
            Rest::There => {
                format!("Not all of it fits here: {count} more in the thread. Read them too.")
            }
            Rest::Coming => format!("Not all of it fits here: {count} more follow in the thread."),
            Rest::Missing => {
                "Not all of it fits here, and the rest could not be posted.".to_owned()
            }
        };
        facts.push(note_of(note));
    }
    blocks.push(Block::RichText {
        block_id: id("facts"),
        elements: joined(facts),
    });
    let mut below: Vec<Rich> = progress(record).into_iter().map(Rich::from).collect();
    let mut elements = Vec::new();
    match &coverage {
        Coverage::Partial { why } => {
            below.push(note_of(format!(
                "Not all of it can be shown here: {why}. Nobody can approve it here{}.",
                if face.link.is_some() {
                    ", only where the link leads"
                } else {
                    ""
                }
            )));
            elements.extend(face.link.map(|link| open(link, record)));
        }
        Coverage::Whole => match face.rest {
            Rest::There => elements.extend(buttons(record)),
            Rest::Coming => below.push(note_of("The buttons come with the rest.".to_owned())),
            Rest::Missing => {
                below.push(note_of("Nobody can answer it here.".to_owned()));
                elements.extend(face.link.map(|link| open(link, record)));
            }
        },
    }
    if !below.is_empty() {
        blocks.push(Block::RichText {
            block_id: id("progress"),
            elements: joined(below),
        });
    }
    if !elements.is_empty() {
        blocks.push(Block::Actions {
            block_id: id("buttons"),
            elements,
        });
    }
    Body {
        text: fallback(record),
        blocks,
    }
}

/// All messages, the one that has the buttons first.
pub(crate) fn all(record: &Record, face: Face<'_>) -> Vec<Body> {
    let mut pages = pages(&Presentation::of(&record.asked), ROOM);
    let further = following(record, &mut pages);
    let first = first_of(record, pages, face);
    std::iter::once(first).chain(further).collect()
}

/// The messages that follow in the thread.
pub(crate) fn further(record: &Record) -> Vec<Body> {
    let mut pages = pages(&Presentation::of(&record.asked), ROOM);
    following(record, &mut pages)
}

/// Takes the content of the further messages out, and leaves their number.
fn following(record: &Record, pages: &mut Pages) -> Vec<Body> {
    let further: Vec<Vec<Paragraph>> = pages.further.iter_mut().map(std::mem::take).collect();
    let of = further.len();
    let body = |(index, page): (usize, Vec<Paragraph>)| {
        let number = index + 1;
        let text = format!("{}: {number} of {of} further messages", fallback(record));
        Body {
            blocks: vec![
                Block::Header {
                    block_id: format!("title-{number}"),
                    text: Plain::new(format!("{number} of {of} further messages")),
                },
                Block::RichText {
                    block_id: format!("page-{number}"),
                    elements: joined(page.into_iter().map(Rich::from)),
                },
            ],
            text,
        }
    };
    further.into_iter().enumerate().map(body).collect()
}

/// A message in the thread that calls whoever is asked by now.
pub(crate) fn calling(record: &Record, mentions: &[Mention]) -> Body {
    in_thread(
        record,
        mentions,
        "others are asked as well",
        "By now you are asked as well.",
    )
}

/// A message in the thread that reminds of a request.
pub(crate) fn reminding(record: &Record, mentions: &[Mention]) -> Body {
    let due = record.late_from().unwrap_or(record.asked.expires_at);
    let words = format!("This still waits for an answer. It is to be decided by {due}.");
    in_thread(record, mentions, "still waiting", &words)
}

fn in_thread(record: &Record, mentions: &[Mention], what: &str, words: &str) -> Body {
    let mut elements = vec![note_of(words.to_owned())];
    elements.extend(calls(mentions));
    Body {
        text: format!("{}: {what}", fallback(record)),
        blocks: vec![Block::RichText {
            block_id: format!("thread-{}", record.revision),
            elements: joined(elements),
        }],
    }
}

/// A short answer to one person.
pub(crate) fn answer(what: &str, why: &str) -> Body {
    use approvals_core::text::{Lines, escape};
    let why = within(&escape(why, Lines::Escape), 2_000);
    Body {
        text: what.to_owned(),
        blocks: vec![Block::RichText {
            block_id: "answer".to_owned(),
            elements: vec![Rich::Section {
                elements: vec![label(what).into(), Piece::plain(why).into()],
            }],
        }],
    }
}

/// For notifications, which show no blocks. Slack reads it as markup, so nothing stands here that
/// came from outside; an action's name is left out too, since Slack would make an address of many.
fn fallback(record: &Record) -> String {
    let (asked, what) = (&record.asked, title(&record.state));
    format!(
        "{what} (risk {}, code {})",
        asked.risk,
        asked.digest.short_code()
    )
}

fn calls(mentions: &[Mention]) -> Vec<Rich> {
    if mentions.is_empty() {
        return Vec::new();
    }
    let mut elements = vec![Inline::from(label("For"))];
    for mention in mentions {
        elements.push(match mention {
            Mention::User(user) => Inline::User {
                user_id: user.as_str().to_owned(),
            },
            Mention::Group(group) => Inline::Usergroup {
                usergroup_id: group.as_str().to_owned(),
            },
        });
        elements.push(Piece::plain(" ").into());
    }
    vec![Rich::Section { elements }]
}

fn note_of(text: String) -> Rich {
    Paragraph::note(text).into()
}

fn open(link: &PageLink, record: &Record) -> Button {
    Button {
        action_id: Press::Link.action_id(),
        text: Plain::new("Open the request"),
        style: None,
        value: None,
        url: Some(link.of(record.id())),
    }
}

#[cfg(test)]
mod tests;
