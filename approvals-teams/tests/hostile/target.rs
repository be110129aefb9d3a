//! What is thrown at the Teams channel's callbacks: run here with a seeded loop, and by `fuzz/` with
//! whatever a fuzzer finds.
//!
//! A request is pending that two reviewers have to agree to, so that there is something to get hold
//! of: a vote is counted or not, and the body runs or does not.

use std::cell::RefCell;
use std::sync::Arc;

use approvals_core::{Choice, Digest, Phase, Record, RequestId, Requirement};
use approvals_teams::MOST_CALLBACK_BYTES;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use serde_json::{Value, json};
use stats_alloc::Region;

use crate::ALLOCATOR;
use crate::room::{Asking, Room, id, teams};
use crate::stand_in::issuer::{Signer, claims, encoded, now};
use crate::stand_in::{APP, Message, Microsoft, OPS, TENANT};

/// Stands in an input for what the buttons of the pending request carry.
pub(crate) const SEEN: &str = "@SEEN@";
/// Who clicks: two reviewers, two who are none, and four who are nobody here.
const PEOPLE: [&str; 8] = [
    "alice", "carol", "bob", "mallory", "guest", "robot", "external", "stranger",
];
const CHOICES: [&str; 5] = ["approve", "deny", "take_back", "confirm", "break_glass"];
/// All that is allocated for a callback, even for the largest, is within so many times what one may
/// have, whatever it says.
const TIMES: usize = 4;
/// So many inputs a pending request is thrown at before there is another.
const MOST_INPUTS: usize = 256;

/// A channel with a pending request, whoever signs for it, and somebody who does not.
pub(crate) struct Target {
    world: RefCell<World>,
    good: Signer,
    other: Signer,
}

struct World {
    room: Room,
    asking: Asking,
    message: Message,
    token: String,
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
                ("guest", json!({"userRole": "guest"})),
                ("robot", json!({"userRole": "bot"})),
                (
                    "external",
                    json!({"userPrincipalName": "e#EXT#@example.com"}),
                ),
                (
                    "stranger",
                    json!({"tenantId": "33333333-0000-0000-0000-000000000000"}),
                ),
            ] {
                room.microsoft.member_who(&id(name), &what);
            }
            // Keys are fetched once, and that is not what is measured.
            room.hand_in(&json!({})).await;
            let (asking, message) = room.ask("7").await;
            (room, asking, message)
        });
        Self {
            token: room.microsoft.token(),
            room,
            asking,
            message,
            inputs: 0,
            runtime,
        }
    }

    fn seen(&self) -> String {
        let button = Microsoft::button(&self.message, "Approve").unwrap();
        button["data"]["approvals.seen"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn record(&self) -> Arc<Record> {
        let desk = self.room.desk.channel(teams());
        let request: RequestId = self.seen().split(' ').nth(1).unwrap().parse().unwrap();
        self.runtime.block_on(desk.look(request)).unwrap()
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
        Self {
            world: RefCell::new(World::new()),
            good: Signer::good(),
            other: Signer::other("k1", &["msteams"]),
        }
    }

    /// Whatever a fuzzer finds: the first byte says how the rest is thrown.
    pub(crate) fn any(&self, data: &[u8]) {
        match data.split_first() {
            Some((b'u', rest)) => self.unsigned(rest),
            Some((b'a', rest)) => self.signed_by_another(rest),
            Some((b't', rest)) => self.claimed(rest),
            Some((b's', rest)) => self.signed(rest),
            Some((_, rest)) => self.clicked(rest),
            None => {}
        }
    }

    /// Lines of `name: value` are headers, as many as there are and each as often as it is there;
    /// after an empty one is the body. Nothing is accepted.
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
        let mut request = Request::post("/").body(self.filled(rest)).unwrap();
        // Past this many, the type itself refuses.
        for (name, value) in headers.into_iter().take(1_000) {
            request.headers_mut().append(name, value);
        }
        self.refused(&request);
    }

    /// A line is the header of a token, another its claims: nothing is accepted that another key
    /// signed.
    pub(crate) fn signed_by_another(&self, data: &[u8]) {
        let [header, claims, body] = three(data);
        let token = self.other.signed_bytes(header, claims);
        self.refused(&with_token(&token, self.filled(body)));
    }

    /// The same, signed by the right key: nothing is accepted unless the claims are in order.
    pub(crate) fn claimed(&self, data: &[u8]) {
        let [header, claims, body] = three(data);
        let token = self.good.signed_bytes(header, claims);
        let status = self.answered(&with_token(&token, self.filled(body)));
        if status == StatusCode::UNAUTHORIZED {
            return;
        }
        let header: Value = serde_json::from_slice(header).unwrap();
        let claims: Value = serde_json::from_slice(claims).unwrap();
        let number = |name: &str| claims[name].as_u64();
        assert_eq!(header["alg"], "RS256");
        assert_eq!(header["kid"], "k1");
        assert!(header["crit"].is_null());
        assert_eq!(claims["iss"], "https://api.botframework.com");
        assert_eq!(claims["aud"], APP);
        assert!(claims["serviceurl"].is_string());
        assert!(number("exp").unwrap() + 300 >= now());
        assert!(claims["nbf"].is_null() || number("nbf").unwrap() <= now() + 300);
    }

    /// The same bytes as a body under a good token: whatever they say, it is answered.
    pub(crate) fn signed(&self, body: &[u8]) {
        let token = self.world.borrow().token.clone();
        self.answered(&with_token(&token, self.filled(body)));
    }

    /// Somebody clicks: bytes say who, on which button, what is wrong with what it carries, and what
    /// they type.
    pub(crate) fn clicked(&self, data: &[u8]) {
        let [who, which, wrong, from, other @ ..] = data else {
            return;
        };
        let who = PEOPLE[usize::from(*who) % PEOPLE.len()];
        let choice = CHOICES[usize::from(*which) % CHOICES.len()];
        let typed = String::from_utf8_lossy(other).into_owned();
        let activity = {
            let world = self.world.borrow();
            let mut seen = world.seen().into_bytes();
            if wrong & 1 != 0 {
                let place = usize::from(*from) % seen.len();
                seen[place] = wrong.wrapping_add(seen[place]);
            }
            let data = json!({
                "approvals.seen": String::from_utf8_lossy(&seen), "approvals.choice": choice
            });
            let button = json!({
                "verb": format!("approvals.{choice}"), "data": data, "fallback": {"data": data}
            });
            let typed = [("approvals.comment", &*typed), ("approvals.code", &*typed)];
            let (microsoft, mut message) = (&world.room.microsoft, world.message.clone());
            if wrong & 2 != 0 {
                message.id.clone_from(&typed[0].1.to_owned());
            }
            match which & 0x80 {
                0 => microsoft.press(&message, &id(who), &button, &typed),
                _ => microsoft.submit(&message, &id(who), &button, &typed),
            }
        };
        self.signed(activity.to_string().as_bytes());
    }

    /// How many votes the pending request has.
    pub(crate) fn votes(&self) -> usize {
        self.world.borrow().record().votes.len()
    }

    fn refused(&self, request: &Request<Bytes>) {
        let before = fingerprint(&self.world.borrow().record());
        let region = Region::new(ALLOCATOR);
        let status = self.status(request);
        let allocated = region.change().bytes_allocated;
        assert!(allocated <= MOST_CALLBACK_BYTES, "{allocated} bytes");
        assert!(status.is_client_error(), "{status} without a good token");
        assert_eq!(before, fingerprint(&self.world.borrow().record()));
        self.goes_on();
    }

    fn answered(&self, request: &Request<Bytes>) -> StatusCode {
        let region = Region::new(ALLOCATOR);
        let status = self.status(request);
        let allocated = region.change().bytes_allocated;
        // The vote, what the service is asked, and the card are in it as well.
        let most = TIMES * MOST_CALLBACK_BYTES;
        assert!(allocated <= most, "{allocated} bytes");
        self.world.borrow().assert_sound();
        self.goes_on();
        status
    }

    fn status(&self, request: &Request<Bytes>) -> StatusCode {
        let world = self.world.borrow();
        let answer = world.runtime.block_on(world.room.teams.respond(request));
        answer.status()
    }

    /// Another request, where this one is over or was thrown at for long.
    fn goes_on(&self) {
        let mut world = self.world.borrow_mut();
        world.inputs += 1;
        let over = world.asking.is_finished() || world.record().state.phase() != Phase::Pending;
        if over || world.inputs >= MOST_INPUTS {
            *world = World::new();
        }
    }

    /// The bytes of an input, about the request that is pending now.
    fn filled(&self, input: &[u8]) -> Bytes {
        let world = self.world.borrow();
        let text = String::from_utf8_lossy(input).replace(SEEN, &world.seen());
        Bytes::from(text)
    }

    /// A click that is nearly as large as a callback may be, with this, many times, beside what it
    /// carries.
    pub(crate) fn near_the_cap(&self, filling: &str) -> String {
        let [click, ..] = self.bodies();
        let place = click.find("\"trigger\"").unwrap();
        let room = MOST_CALLBACK_BYTES - click.len() - 1_024;
        let more = filling.repeat(room / filling.len());
        let (before, after) = click.split_at(place);
        format!("{before}\"more\":[{more}1],{after}")
    }

    /// Callbacks that are in order, to begin with.
    pub(crate) fn bodies(&self) -> [String; 3] {
        let world = self.world.borrow();
        let common = json!({
            "channelId": "msteams", "serviceUrl": world.room.microsoft.service(),
            "from": {"id": "29:1", "aadObjectId": id("alice")},
            "conversation": {"id": OPS, "tenantId": TENANT, "conversationType": "channel"},
            "recipient": {"id": format!("28:{APP}")}, "replyToId": world.message.id,
            "channelData": {"tenant": {"id": TENANT}}
        });
        let with = |other: Value| {
            let mut activity = common.clone();
            for (name, value) in other.as_object().unwrap() {
                activity[name] = value.clone();
            }
            activity.to_string()
        };
        let data = json!({"approvals.seen": SEEN, "approvals.choice": "approve"});
        let action = json!({"verb": "approvals.approve", "data": data});
        [
            with(json!({
                "type": "invoke", "name": "adaptiveCard/action",
                "value": {"trigger": "manual", "action": action}
            })),
            with(json!({"type": "message", "value": data})),
            with(json!({"type": "installationUpdate", "action": "add"})),
        ]
    }

    /// The header and the claims of a token that is in order, a line each.
    pub(crate) fn token_parts(&self) -> String {
        let header = json!({"alg": "RS256", "kid": "k1", "typ": "JWT"});
        let service = self.world.borrow().room.microsoft.service();
        format!("{header}\n{}\n", claims(&service, &json!({})))
    }

    /// The header line of a token that somebody made up.
    pub(crate) fn authorization(&self) -> String {
        let header = encoded(br#"{"alg":"RS256","kid":"k1"}"#);
        let service = self.world.borrow().room.microsoft.service();
        let claims = encoded(claims(&service, &json!({})).to_string().as_bytes());
        let signature = encoded(&[7; 256]);
        format!("authorization: Bearer {header}.{claims}.{signature}\n\n")
    }
}

fn three(data: &[u8]) -> [&[u8]; 3] {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    std::array::from_fn(|_| lines.next().unwrap_or_default())
}

fn with_token(token: &str, body: Bytes) -> Request<Bytes> {
    Request::post("/api/messages")
        .header("authorization", format!("Bearer {token}"))
        .body(body)
        .unwrap()
}

/// What a vote would change.
fn fingerprint(record: &Record) -> (u64, usize, Digest) {
    (record.revision, record.votes.len(), record.asked.digest)
}
