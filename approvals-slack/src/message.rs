//! The messages of a request, as bodies for Slack.

use approvals_channel::pages::{Pages, Room, at_once, pages};
use approvals_channel::progress::{progress, title};
use approvals_channel::{Json, PageLink, Paragraph, Piece, Written, label, within};
use approvals_core::{Coverage, Presentation, Record};
use serde::Serialize;

use crate::block::{BlockId, Button, Does, RichText, actions, header};
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
    pub(crate) blocks: Written,
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
    let mut json = Json::with_room(USUAL);
    if !in_one(&mut json, record, &presentation, face) {
        json.back_to(0);
        with_more(&mut json, record, &pages(&presentation, ROOM), face);
    }
    Body {
        text: fallback(record),
        blocks: json.written(),
    }
}

/// What a message takes most often, in bytes.
const USUAL: usize = 8 * 1024;

/// The ids of a message's blocks. An update has blocks of its own: Slack wants new ids for them.
fn ids(record: &Record, face: Face<'_>) -> impl Fn(&'static str) -> BlockId {
    let part = match face.rest {
        Rest::Coming => 0,
        Rest::There => 1,
        Rest::Missing => 2,
    };
    let revision = record.revision;
    move |name| BlockId::updated(name, revision, part)
}

/// Writes the message where all of the presentation surely fits into it, as most do. Says whether it
/// does; otherwise what was written is to be taken back.
fn in_one(
    json: &mut Json,
    record: &Record,
    presentation: &Presentation<'_>,
    face: Face<'_>,
) -> bool {
    let id = ids(record, face);
    header(json.ours("["), id("title"), title(&record.state));
    let mut facts = RichText::begin(json.ours(","), id("facts"));
    facts.calls(face.mentions);
    if !at_once(presentation, ROOM.first, |paragraph| {
        facts.paragraph(paragraph);
    }) {
        return false;
    }
    facts.end();
    below(json, record, &Coverage::Whole, face);
    true
}

/// Writes the message where others may follow it in its thread.
fn with_more(json: &mut Json, record: &Record, pages: &Pages<'_>, face: Face<'_>) {
    let id = ids(record, face);
    header(json.ours("["), id("title"), title(&record.state));
    let mut facts = RichText::begin(json.ours(","), id("facts"));
    facts.calls(face.mentions);
    pages
        .first()
        .for_each(|paragraph| facts.paragraph(paragraph));
    let further = pages.count();
    if further > 0 {
        facts.note(match face.rest {
            Rest::There => {
                format!("Not all of it fits here: {further} more in the thread. Read them too.")
            }
            Rest::Coming => {
                format!("Not all of it fits here: {further} more follow in the thread.")
            }
            Rest::Missing => {
                "Not all of it fits here, and the rest could not be posted.".to_owned()
            }
        });
    }
    facts.end();
    below(json, record, &pages.coverage, face);
}

/// What stands below what is asked: how far it has come, and how to answer, or why nobody can.
fn below(json: &mut Json, record: &Record, coverage: &Coverage, face: Face<'_>) {
    let id = ids(record, face);
    let mut below = progress(record);
    match coverage {
        Coverage::Partial { why } => {
            let where_to = match face.link {
                Some(_) => ", only where the link leads",
                None => "",
            };
            below.note(format!(
                "Not all of it can be shown here: {why}. Nobody can approve it here{where_to}."
            ));
        }
        Coverage::Whole => match face.rest {
            Rest::There => {}
            Rest::Coming => below.note("The buttons come with the rest."),
            Rest::Missing => below.note("Nobody can answer it here."),
        },
    }
    if !below.is_empty() {
        let mut block = RichText::begin(json.ours(","), id("progress"));
        below
            .paragraphs()
            .for_each(|paragraph| block.paragraph(paragraph));
        block.end();
    }
    match (coverage, face.rest) {
        (Coverage::Whole, Rest::There) => buttons(json, id("buttons"), record),
        (Coverage::Whole, Rest::Coming) => {}
        (Coverage::Partial { .. }, _) | (Coverage::Whole, Rest::Missing) => {
            if let Some(link) = face.link {
                let url = link.of(record.id());
                actions(json.ours(","), id("buttons"), [open(&url)]);
            }
        }
    }
    json.ours("]");
}

/// All messages as they are sent, the one that has the buttons first.
pub(crate) fn all(record: &Record, face: Face<'_>) -> Vec<String> {
    let presentation = Presentation::of(&record.asked);
    let (mut further, first) = (None, fallback(record));
    let mut all = vec![sent(&first, USUAL, |json| {
        let begun = json.len();
        if !in_one(json, record, &presentation, face) {
            json.back_to(begun);
            let pages = further.insert(pages(&presentation, ROOM));
            with_more(json, record, pages, face);
        }
    })];
    if let Some(pages) = &further {
        all.extend(following(record, pages).map(|Body { text, blocks }| {
            sent(&text, text.len() + blocks.as_str().len() + 32, |json| {
                json.value(&blocks);
            })
        }));
    }
    all
}

/// A text and blocks as one body.
fn sent(text: &str, room: usize, blocks: impl FnOnce(&mut Json)) -> String {
    let mut json = Json::with_room(room);
    json.ours(r#"{"text":""#).text(text).ours(r#"","blocks":"#);
    blocks(&mut json);
    json.ours("}");
    json.written().into_string()
}

/// The messages that follow in the thread.
pub(crate) fn further(record: &Record) -> Vec<Body> {
    let presentation = Presentation::of(&record.asked);
    following(record, &pages(&presentation, ROOM)).collect()
}

fn following<'p>(record: &'p Record, pages: &'p Pages<'_>) -> impl Iterator<Item = Body> + 'p {
    let of = pages.count();
    pages.further().zip(1_u32..).map(move |(page, number)| {
        let mut json = Json::with_room(12 * 1024);
        let count = format!("{number} of {of} further messages");
        let id = |name| BlockId::numbered(name, number.into());
        header(json.ours("["), id("title"), &count);
        let mut block = RichText::begin(json.ours(","), id("page"));
        page.for_each(|paragraph| block.paragraph(paragraph));
        block.end();
        json.ours("]");
        Body {
            text: format!("{}: {count}", fallback(record)),
            blocks: json.written(),
        }
    })
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
    let mut json = Json::with_room(1024);
    let id = BlockId::numbered("thread", record.revision);
    let mut block = RichText::begin(json.ours("["), id);
    block.note(words.to_owned());
    block.calls(mentions);
    block.end();
    json.ours("]");
    Body {
        text: format!("{}: {what}", fallback(record)),
        blocks: json.written(),
    }
}

/// A short answer to one person.
pub(crate) fn answer(what: &str, why: &str) -> Body {
    use approvals_core::text::{Lines, escape};
    let why = within(&escape(why, Lines::Escape), 2_000);
    let mut json = Json::with_room(1024);
    let mut block = RichText::begin(json.ours("["), BlockId::of("answer"));
    block.paragraph(Paragraph::line(&[label(what), Piece::plain(why)]));
    block.end();
    json.ours("]");
    Body {
        text: what.to_owned(),
        blocks: json.written(),
    }
}

/// For notifications, which show no blocks. Slack reads it as markup, so nothing stands here that
/// came from outside; an action's name is left out too, since Slack would make an address of many.
fn fallback(record: &Record) -> String {
    approvals_channel::progress::in_short(record)
}

fn open(url: &str) -> Button<'_> {
    Button {
        action_id: Press::Link.parts(),
        text: "Open the request",
        does: Does::Open { url },
    }
}

#[cfg(test)]
mod tests;
