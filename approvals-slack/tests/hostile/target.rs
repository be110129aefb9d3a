//! What is thrown at the Slack channel's callbacks: run here with a seeded loop, and by `fuzz/` with
//! whatever a fuzzer finds.
//!
//! A request is pending that two reviewers have to agree to, so that there is something to get hold
//! of: a vote is counted or not, and the body runs or does not.

use std::cell::RefCell;
use std::sync::Arc;

use approvals_core::{Choice, Digest, Phase, Record, Requirement};
use approvals_slack::{MOST_CALLBACK_BYTES, Received};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use serde_json::json;
use stats_alloc::Region;

use crate::ALLOCATOR;
use crate::room::{Asking, Room, id, slack};
use crate::stand_in::clicks::{body, now, signed};
use crate::stand_in::{Message, SECRET, Workspace};

/// Stands in an input for what the buttons of the pending request carry.
pub(crate) const SEEN: &str = "@SEEN@";
/// Who clicks: two reviewers, two who are none, and four who are nobody here.
const PEOPLE: [&str; 8] = [
    "alice", "carol", "bob", "mallory", "guest", "robot", "gone", "stranger",
];
const BUTTONS: [&str; 5] = ["approve", "deny", "take_back", "confirm", "break_glass"];
/// All that is allocated for a callback, even for the largest, is within so many times what one may
/// have, whatever it says.
const TIMES: usize = 6;
/// So many inputs a pending request is thrown at before there is another.
const MOST_INPUTS: usize = 256;

/// A channel with a pending request, and what runs its work.
pub(crate) struct Target(RefCell<World>);

struct World {
    room: Room,
    asking: Asking,
    message: Message,
    inputs: usize,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        let (room, asking, message) = runtime.block_on(async {
            let two = Requirement::some_of(2, "reviewers").unwrap();
            let room = Room::with(two, |settings| settings).await;
            for (name, what) in [
                ("guest", json!({"is_restricted": true})),
                ("robot", json!({"is_bot": true})),
                ("gone", json!({"deleted": true})),
                ("stranger", json!({"team_id": "T0OTHER"})),
            ] {
                room.workspace.user_who(&id(name), what);
            }
            let (asking, message) = room.ask("7").await;
            (room, asking, message)
        });
        Self {
            room,
            asking,
            message,
            inputs: 0,
            runtime,
        }
    }

    fn record(&self) -> Arc<Record> {
        let desk = self.room.desk.channel(slack());
        let button = Workspace::button(&self.message, "approve").unwrap();
        let seen = button["value"].as_str().unwrap().split(' ').nth(1);
        let request = seen.unwrap().parse().unwrap();
        self.runtime.block_on(desk.look(request)).unwrap()
    }

    fn seen(&self) -> String {
        let button = Workspace::button(&self.message, "approve").unwrap();
        button["value"].as_str().unwrap().to_owned()
    }

    /// Nobody votes but reviewers, on what was shown, and nothing runs before both of them agreed.
    fn assert_sound(&self) {
        let record = self.record();
        for vote in &record.votes {
            let person = vote.person.to_string();
            let reviewer = ["alice", "carol"].iter().any(|name| person.ends_with(name));
            assert!(reviewer, "a vote of {person}");
        }
        let agreed = record.votes.iter().filter(|v| v.choice == Choice::Approve);
        let agreed = agreed.count() == 2;
        let over = record.state.phase() != Phase::Pending;
        let denied = record.votes.iter().any(|v| v.choice == Choice::Deny);
        assert!(agreed || denied || !over, "over by {:?}", record.votes);
        let runs = !matches!(record.state.phase(), Phase::Pending | Phase::Denied);
        assert!(agreed || !runs, "runs by {:?}", record.votes);
    }
}

impl Target {
    /// A channel with a pending request.
    pub(crate) fn new() -> Self {
        Self(RefCell::new(World::new()))
    }

    /// Whatever a fuzzer finds: the first byte says how the rest is thrown.
    pub(crate) fn any(&self, data: &[u8]) {
        match data.split_first() {
            Some((b'u', rest)) => self.unsigned(rest),
            Some((b'o', rest)) => self.signed_otherwise(rest),
            Some((b'f', rest)) => self.signed(rest, true),
            Some((b'j', rest)) => self.signed(rest, false),
            Some((_, rest)) => self.clicked(rest),
            None => {}
        }
    }

    /// Lines of `name: value` are headers, as many as there are and each as often as it is there;
    /// after an empty one is the body. Nothing that the secret did not sign is acted on.
    pub(crate) fn unsigned(&self, data: &[u8]) {
        let (mut headers, mut rest) = (Vec::new(), data);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = &after[1..];
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                break;
            };
            let (name, value) = line.split_at(colon);
            let name = HeaderName::from_bytes(name);
            let value = HeaderValue::from_bytes(value[1..].trim_ascii());
            headers.extend(name.ok().zip(value.ok()));
        }
        let mut request = Request::post("/")
            .body(Bytes::copy_from_slice(rest))
            .unwrap();
        // Past this many, the type itself refuses.
        for (name, value) in headers.into_iter().take(1_000) {
            request.headers_mut().append(name, value);
        }
        self.refused(&request);
    }

    /// A callback that was signed, and is not what was signed: of another secret, of another time,
    /// with a byte of the body changed, or with something behind it.
    pub(crate) fn signed_otherwise(&self, data: &[u8]) {
        let Some((how, rest)) = data.split_first() else {
            return;
        };
        let text = self.filled(rest, true);
        let request = match how % 5 {
            0 => signed(&text, "another secret of another app", now()),
            1 => signed(&text, SECRET, now() - 301 - u64::from(*how)),
            2 => signed(&text, SECRET, now() + 302 + u64::from(*how)),
            how => {
                let (parts, body) = signed(&text, SECRET, now()).into_parts();
                let mut body = body.to_vec();
                let place = usize::from(*data.get(1).unwrap_or(&0)) % body.len().max(1);
                match body.get_mut(place) {
                    Some(byte) if how == 3 => *byte ^= 1,
                    _ => body.push(b'&'),
                }
                Request::from_parts(parts, Bytes::from(body))
            }
        };
        self.refused(&request);
    }

    /// The same bytes as a body that is signed: whatever they say, it is answered.
    pub(crate) fn signed(&self, body: &[u8], form: bool) {
        let text = self.filled(body, form);
        let mut request = signed(&text, SECRET, now());
        if !form {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert("content-type", json);
        }
        self.answered(&request);
    }

    /// Somebody clicks: bytes say who, on which button, what is wrong with what it carries, and what
    /// they type into the form if one opens.
    pub(crate) fn clicked(&self, data: &[u8]) {
        let [who, which, wrong, from, other @ ..] = data else {
            return;
        };
        let who = PEOPLE[usize::from(*who) % PEOPLE.len()];
        let which_one = BUTTONS[usize::from(*which) % BUTTONS.len()];
        let form = which & 0x80 != 0 || which_one == "deny";
        let typed = String::from_utf8_lossy(other).into_owned();
        let mut seen = self.0.borrow().seen().into_bytes();
        if wrong & 1 != 0 {
            let place = usize::from(*from) % seen.len();
            seen[place] = wrong.wrapping_add(seen[place]);
        }
        let seen = String::from_utf8_lossy(&seen).into_owned();
        let payload = {
            let world = self.0.borrow();
            let kind = if form { "form" } else { "vote" };
            let button = json!({
                "action_id": format!("approvals.{kind}.{which_one}"), "value": seen
            });
            let workspace = &world.room.workspace;
            workspace.press(&world.message, &id(who), &button)
        };
        let before = self.0.borrow().room.workspace.views().len();
        self.answered(&signed(&body(&payload), SECRET, now()));
        let submitted = {
            let world = self.0.borrow();
            let views = world.room.workspace.views();
            let opened = views.get(before..).and_then(|views| views.last()).cloned();
            opened.map(|view| {
                let typed = [("comment", typed.as_str()), ("code", typed.as_str())];
                world.room.workspace.submit(&view, &id(who), &typed)
            })
        };
        if let Some(submitted) = submitted {
            self.answered(&signed(&body(&submitted), SECRET, now()));
        }
    }

    /// How many votes the pending request has.
    pub(crate) fn votes(&self) -> usize {
        self.0.borrow().record().votes.len()
    }

    fn refused(&self, request: &Request<Bytes>) {
        let before = fingerprint(&self.0.borrow().record());
        let region = Region::new(ALLOCATOR);
        let Received { response, work } = self.0.borrow().room.slack.receive(request);
        let allocated = region.change().bytes_allocated;
        assert!(allocated <= MOST_CALLBACK_BYTES, "{allocated} bytes");
        assert!(work.is_none(), "acted on what nobody signed");
        assert!(response.status().is_client_error());
        assert_eq!(before, fingerprint(&self.0.borrow().record()));
        self.goes_on();
    }

    fn answered(&self, request: &Request<Bytes>) {
        {
            let world = self.0.borrow();
            let region = Region::new(ALLOCATOR);
            let received = world.room.slack.receive(request);
            let allocated = region.change().bytes_allocated;
            let most = TIMES * MOST_CALLBACK_BYTES;
            assert!(allocated <= most, "{allocated} bytes");
            if let Some(work) = received.work {
                world.runtime.block_on(work);
            }
            world.assert_sound();
        }
        self.goes_on();
    }

    /// Another request, where this one is over or was thrown at for long.
    fn goes_on(&self) {
        let mut world = self.0.borrow_mut();
        world.inputs += 1;
        let over = world.asking.is_finished() || world.record().state.phase() != Phase::Pending;
        if over || world.inputs >= MOST_INPUTS {
            *world = World::new();
        }
    }

    /// The text of an input, about the request that is pending now.
    fn filled(&self, input: &[u8], form: bool) -> String {
        let seen = self.0.borrow().seen();
        let seen = if form { seen.replace(' ', "+") } else { seen };
        String::from_utf8_lossy(input).replace(SEEN, &seen)
    }
}

/// What a vote would change.
fn fingerprint(record: &Record) -> (u64, usize, Digest) {
    (record.revision, record.votes.len(), record.asked.digest)
}

/// Callbacks that are nearly as large as one may be: a click with this, many times, in the message
/// that comes along.
pub(crate) fn near_the_cap(filling: &str) -> String {
    let [click, ..] = bodies();
    let place = click.find("%22actions%22").unwrap();
    let room = MOST_CALLBACK_BYTES - click.len() - 1_024;
    let message = filling.repeat(room / filling.len());
    let (before, after) = click.split_at(place);
    format!("{before}%22message%22%3A%5B{message}1%5D%2C{after}")
}

/// Callbacks that are in order, to begin with.
pub(crate) fn bodies() -> [String; 4] {
    let click = format!(
        r#"{{"type":"block_actions","api_app_id":"A0APP","team":{{"id":"T0TEAM"}},"enterprise":null,"user":{{"id":"U0ALICE","team_id":"T0TEAM"}},"container":{{"message_ts":"1.2","channel_id":"C0OPS"}},"trigger_id":"1.2.x","response_url":"https://hooks.slack.com/actions/x","actions":[{{"action_id":"approvals.vote.approve","value":"{SEEN}"}}]}}"#
    );
    let view = format!(
        r#"{{"type":"view_submission","api_app_id":"A0APP","team":{{"id":"T0TEAM"}},"user":{{"id":"U0CAROL","team_id":"T0TEAM"}},"view":{{"callback_id":"approvals.form","private_metadata":"{{\"seen\":\"{SEEN}\",\"choice\":\"deny\",\"code\":false,\"conversation\":null,\"ts\":null}}","state":{{"values":{{"comment":{{"comment":{{"value":"no"}}}}}}}}}}}}"#
    );
    let form = |payload: &str| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let form = form.append_pair("payload", payload).finish();
        // Stays readable, so that it is found and filled in.
        form.replace("%40SEEN%40", SEEN)
    };
    [
        form(&click),
        form(&view),
        "command=%2Fapprovals&text=link+00000&api_app_id=A0APP&team_id=T0TEAM&user_id=U0ALICE&\
         channel_id=C0OPS&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2Fx"
            .to_owned(),
        r#"{"type":"url_verification","challenge":"x"}"#.to_owned(),
    ]
}
