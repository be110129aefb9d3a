//! Slack: a signed click to a committed vote, and rendering a request.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use approvals_benches::Failure;
use approvals_benches::arguments::{Arguments, Options};
use approvals_benches::effort::Effort;
use approvals_benches::floor::current_thread;
use approvals_benches::machine::describe;
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::Table;
use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{
    Approver, ApproverError, ChannelId, ChannelIdentity, Coverage, Desk, Gate, Notice,
    Presentation, Receipt, Record, Requester, Requirement, async_trait,
};
use approvals_slack::{
    AppId, Destination, Http, HttpError, Installation, Route, Routes, SigningSecrets, Slack,
    SlackBuilder, TeamId,
};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, Response};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// The other votes of a round: each is on the revision that the one before made.
const BATCH: usize = 200;

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    println!("{}", describe());
    let runtime = current_thread()?;
    let bench = runtime.block_on(Bench::open())?;
    clicks(&bench, &runtime, effort)?;
    rendering(&bench, &runtime, effort)
}

/// One request that two have to agree to, so that votes on it do not end.
struct Bench {
    slack: Slack,
    desk: Desk,
    record: Arc<Record>,
    gate: Gate,
}

impl Bench {
    async fn open() -> Result<Self, Failure> {
        let channel = ChannelId::new("slack")?;
        let directory = Arc::new(InMemoryDirectory::new());
        for name in ["alice", "carol"] {
            directory.person(name, ["reviewers"])?;
        }
        directory.person("bob", ["others"])?;
        directory.link(
            ChannelIdentity::new(channel.clone(), "T0TEAM", "U0ALICE"),
            "alice",
        )?;
        let desk = Desk::new(Arc::new(MemoryStore::new()), directory);
        let secrets = SigningSecrets::new(&SECRET.into())?;
        let slack = SlackBuilder::new("xoxb-bench".into(), secrets, AppId::new("A0APP")?)
            .installed_in(Installation::Workspace(TeamId::new("T0TEAM")?))
            .routes(Routes::new().to(Route::all(), [Destination::channel("C0OPS")?]))
            .http(Arc::new(Always))
            .build(desk.channel(channel.clone()))?;
        let posting = slack.clone();
        let gate = Gate::with_desk(desk.clone())
            .policy("bench", Requirement::some_of(2, "reviewers")?)
            .approver("slack", |_| Arc::new(PostsOnly(posting)))
            .build()
            .await?;
        let record = asked(&gate, Arguments::everyday()).await?;
        Ok(Self {
            slack,
            desk,
            record,
            gate,
        })
    }

    /// What Slack sends when alice presses a button on this revision.
    fn click(&self, revision: u64, choice: &str) -> Result<Request<Bytes>, Failure> {
        let asked = &self.record.asked;
        let value = format!(
            "v1 {} {revision} {} {}",
            asked.id, asked.digest, asked.shown
        );
        let shown: Vec<Value> = self
            .slack
            .preview(&self.record)
            .iter()
            .map(|body| serde_json::from_str(body))
            .collect::<Result<_, _>>()?;
        let blocks = shown.first().map(|body| body["blocks"].clone());
        let payload = json!({
            "type": "block_actions", "api_app_id": "A0APP", "token": "ignored",
            "team": {"id": "T0TEAM", "domain": "example"}, "enterprise": null,
            "is_enterprise_install": false,
            "user": {"id": "U0ALICE", "username": "alice", "name": "alice", "team_id": "T0TEAM"},
            "container": {"type": "message", "message_ts": "1700000000.000100",
                          "channel_id": "C0OPS", "is_ephemeral": false},
            "channel": {"id": "C0OPS", "name": "ops"},
            "message": {"ts": "1700000000.000100", "bot_id": "B0BOT", "blocks": blocks},
            "trigger_id": "12.34.abc", "response_url": "https://hooks.slack.com/actions/T0/1/x",
            "state": {"values": {}},
            "actions": [{"type": "button", "action_id": format!("approvals.vote.{choice}"),
                         "block_id": "b", "value": value,
                         "text": {"type": "plain_text", "text": "Approve", "emoji": false},
                         "action_ts": format!("{revision}.000001")}]
        });
        let mut form = form_urlencoded::Serializer::new(String::new());
        let body = form.append_pair("payload", &payload.to_string()).finish();
        let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
        mac.update(format!("v0:{at}:{body}").as_bytes());
        let tag: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        Ok(Request::post("/")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-slack-request-timestamp", at.to_string())
            .header("x-slack-signature", format!("v0={tag}"))
            .body(Bytes::from(body))?)
    }
}

async fn ask(arguments: Arguments) -> Result<(), approvals_core::ApprovalError> {
    let Arguments {
        database,
        rows,
        columns,
        options,
    } = arguments;
    guarded(&database, rows, &columns, &options).await
}

#[approvals_core::requires_approval(
    policy = "bench",
    action = "bench.export",
    resource = "db/{database}"
)]
async fn guarded(
    database: &str,
    rows: u64,
    columns: &[String],
    options: &Options,
) -> Result<(), approvals_core::ApprovalError> {
    Ok(())
}

/// Slack, as if it were always there and quick.
#[derive(Debug)]
struct Always;

#[async_trait]
impl Http for Always {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = br#"{"ok":true,"channel":"C0OPS","ts":"1700000000.000100","user":{"id":"U0ALICE","team_id":"T0TEAM","deleted":false,"is_bot":false,"is_restricted":false,"is_ultra_restricted":false}}"#;
        Ok(Response::new(Bytes::from_static(answer)))
    }
}

/// Asks, and returns what was asked.
async fn asked(gate: &Gate, arguments: Arguments) -> Result<Arc<Record>, Failure> {
    let before = gate.requests(&Default::default(), None, 10).await?;
    let requester = Requester::agent("exporter")?.acting_for("person:bob")?;
    let asking = gate.clone();
    tokio::spawn(async move {
        let call = async { ask(arguments).await.map(drop) };
        requester.scope(asking.scope(call)).await
    });
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let all = gate.requests(&Default::default(), None, 10).await?;
        let new = |record: &Arc<Record>| before.iter().all(|other| other.id() != record.id());
        if let Some(record) = all.into_iter().find(new) {
            // Until it is posted as well.
            tokio::time::sleep(Duration::from_millis(100)).await;
            return Ok(record);
        }
    }
}

/// Posts, and updates nothing: what is measured is the way in.
#[derive(Debug)]
struct PostsOnly(Slack);

#[async_trait]
impl Approver for PostsOnly {
    fn coverage(&self, presentation: &Presentation<'_>) -> Coverage {
        self.0.coverage(presentation)
    }

    async fn present(&self, notice: &Notice) -> Result<Receipt, ApproverError> {
        self.0.present(notice).await
    }

    async fn update(&self, _: &Notice, _: &Receipt) -> Result<(), ApproverError> {
        Ok(())
    }
}

fn clicks(bench: &Bench, runtime: &tokio::runtime::Runtime, effort: Effort) -> Result<(), Failure> {
    let sample = bench.click(1, "approve")?;
    let floor = Contestant::repeat(
        "floor: HMAC-SHA256, form and serde_json of the same body",
        BATCH,
        || {
            let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).ok()?;
            mac.update(b"v0:1700000000:");
            mac.update(sample.body());
            let signed = mac.verify_slice(black_box(&[0; 32])).is_ok();
            let (_, payload) = form_urlencoded::parse(sample.body()).next()?;
            let parsed: Value = serde_json::from_str(&payload).ok()?;
            Some((signed, parsed))
        },
    );
    let mut revision = bench.record.revision;
    let ours = Contestant::new("a click, to its vote in the memory store", BATCH, |times| {
        let mut clicks = Vec::with_capacity(times);
        for _ in 0..times {
            let choice = if revision % 2 == 1 {
                "approve"
            } else {
                "take_back"
            };
            clicks.push(bench.click(revision, choice)?);
            revision += 1;
        }
        runtime.block_on(async {
            let start = Instant::now();
            for click in &clicks {
                let work = bench
                    .slack
                    .receive(click)
                    .work
                    .ok_or("a click was refused")?;
                work.await;
            }
            let took = start.elapsed();
            let channel = bench.desk.channel(ChannelId::new("slack")?);
            let now = channel.look(bench.record.id()).await?.revision;
            if now == revision {
                Ok(took)
            } else {
                Err(format!("revision {now}, not {revision}").into())
            }
        })
    });
    println!("\nA body of {} bytes.\n", sample.body().len());
    println!(
        "{}",
        Table::of_medians(&interleave(effort.rounds(200), vec![floor, ours])?)
    );
    Ok(())
}

fn rendering(
    bench: &Bench,
    runtime: &tokio::runtime::Runtime,
    effort: Effort,
) -> Result<(), Failure> {
    for arguments in [
        Arguments::everyday(),
        Arguments::five_hundred_bytes(),
        Arguments::two_thousand_bytes(),
    ] {
        let record = runtime.block_on(asked(&bench.gate, arguments.clone()))?;
        let contestants = vec![
            Contestant::repeat(
                "floor: serde_json of the request's arguments",
                BATCH,
                || serde_json::to_string(black_box(&arguments)),
            ),
            Contestant::repeat(
                "of the rest, the presentation of the request",
                BATCH,
                || {
                    drop(black_box(Presentation::of(&record.asked)));
                },
            ),
            Contestant::repeat("the messages of the request, as JSON", BATCH, || {
                bench.slack.preview(&record)
            }),
        ];
        println!(
            "Arguments of {} bytes, shown in {}.\n",
            serde_json::to_string(&arguments)?.len(),
            bench.slack.preview(&record).concat().len()
        );
        println!(
            "{}",
            Table::of_medians(&interleave(effort.rounds(200), contestants)?)
        );
    }
    Ok(())
}
