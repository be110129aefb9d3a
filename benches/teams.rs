//! Teams: a verified click to a committed vote, and rendering a request.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use approvals_benches::Failure;
use approvals_benches::arguments::{Arguments, Options};
use approvals_benches::effort::Effort;
use approvals_benches::floor::current_thread;
use approvals_benches::machine::describe;
use approvals_benches::sampling::{Contestant, interleave};
use approvals_benches::table::Table;
use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::store::{Swap, Swapped};
use approvals_core::{
    Approver, ApproverError, ChannelId, ChannelIdentity, Coverage, Desk, Gate, Notice,
    Presentation, Receipt, Record, RequestStore, Requester, Requirement, StoreError, async_trait,
};
use approvals_teams::{
    AppId, Cloud, Destination, InMemoryConversations, Route, Routes, Teams, TeamsBuilder, TenantId,
};
use approvals_testing::wrapping::{Wrapping, WrapsStore};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Request;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::json;

#[path = "../approvals-teams/tests/stand_in/mod.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a stand-in is for tests, which stop at what they did not expect"
)]
mod stand_in;

use stand_in::clicks::with_token;
use stand_in::issuer::Signer;
use stand_in::{APP, Message, Microsoft, OPS, ORIGIN, SECRET, TENANT};

const ALICE: &str = "a11ce000-0000-0000-0000-000000000000";
/// The other votes of a round: each is on the revision that the one before made.
const BATCH: usize = 100;

fn main() -> Result<(), Failure> {
    let effort = Effort::from_command_line();
    println!("{}", describe());
    let runtime = current_thread()?;
    let bench = runtime.block_on(Bench::open(Arc::new(MemoryStore::new())))?;
    let commits = Arc::new(Wrapping(Commits::default()));
    let store = Arc::clone(&commits);
    let noted = runtime.block_on(Bench::open(store))?;
    clicks(&bench, (&noted, &commits), &runtime, effort)?;
    rendering(&bench, &runtime, effort)
}

/// A memory store that notes when it committed last.
#[derive(Debug, Default)]
struct Commits {
    store: MemoryStore,
    last: Mutex<Option<Instant>>,
}

impl Commits {
    /// When something was committed since this was asked last.
    fn last(&self) -> Option<Instant> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.take()
    }
}

impl WrapsStore for Commits {
    fn inner(&self) -> &dyn RequestStore {
        &self.store
    }

    async fn compare_and_swap(&self, swap: Swap) -> Result<Swapped, StoreError> {
        let swapped = self.store.compare_and_swap(swap).await;
        let now = Instant::now();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        swapped
    }
}

/// One request that two have to agree to, so that votes on it do not end.
struct Bench {
    microsoft: Microsoft,
    teams: Teams,
    desk: Desk,
    record: Arc<Record>,
    message: Message,
    gate: Gate,
}

impl Bench {
    async fn open(store: Arc<dyn RequestStore>) -> Result<Self, Failure> {
        let channel = ChannelId::new("teams")?;
        let directory = Arc::new(InMemoryDirectory::new());
        for name in ["alice", "carol"] {
            directory.person(name, ["reviewers"])?;
        }
        directory.person("bob", ["others"])?;
        let alice = ChannelIdentity::new(channel.clone(), TENANT, ALICE);
        directory.link(alice, "alice")?;
        let desk = Desk::new(store, directory);
        let microsoft = Microsoft::new();
        microsoft.member(ALICE);
        let (app, tenant) = (AppId::new(APP)?, TenantId::new(TENANT)?);
        let kept = Arc::new(InMemoryConversations::default());
        let teams = TeamsBuilder::new(app, SECRET.into(), tenant, kept)
            .routes(Routes::new().to(Route::all(), [Destination::channel(OPS)?]))
            .cloud(Cloud::stand_in(ORIGIN)?)
            .http(Arc::new(microsoft.clone()))
            .build(desk.channel(channel))?;
        let posting = teams.clone();
        let gate = Gate::with_desk(desk.clone())
            .policy("bench", Requirement::some_of(2, "reviewers")?)
            .approver("teams", |_| Arc::new(PostsOnly(posting)))
            .build()
            .await?;
        let record = asked(&gate, Arguments::everyday()).await?;
        let message = loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if let Some(message) = microsoft.messages().into_iter().next() {
                break message;
            }
        };
        Ok(Self {
            microsoft,
            teams,
            desk,
            record,
            message,
            gate,
        })
    }

    /// So many clicks, each on the revision that the one before made. A token is another one where it
    /// is to be fresh.
    fn clicks(&self, times: usize, revision: &Cell<u64>, fresh: bool) -> Vec<Request<Bytes>> {
        let next = || {
            let now = revision.replace(revision.get() + 1);
            let choice = if now % 2 == 1 { "approve" } else { "take_back" };
            self.click(now, choice, if fresh { now } else { 0 })
        };
        std::iter::repeat_with(next).take(times).collect()
    }

    /// Whether every click became a vote.
    async fn counted(&self, revision: &Cell<u64>) -> Result<(), Failure> {
        let channel = self.desk.channel(ChannelId::new("teams")?);
        let now = channel.look(self.record.id()).await?.revision;
        match now == revision.get() {
            true => Ok(()),
            false => Err(format!("revision {now}, not {}", revision.get()).into()),
        }
    }

    /// What comes when alice presses a button on this revision; `nonce` makes its token another.
    fn click(&self, revision: u64, choice: &str, nonce: u64) -> Request<Bytes> {
        let asked = &self.record.asked;
        let seen = format!(
            "v1 {} {revision} {} {}",
            asked.id, asked.digest, asked.shown
        );
        let verb = format!("approvals.{choice}");
        let data = json!({"approvals.seen": seen, "approvals.choice": choice});
        let button = json!({"verb": verb, "data": data});
        let activity = self.microsoft.press(&self.message, ALICE, &button, &[]);
        let service = self.microsoft.service();
        let token = Signer::good().token(&service, &json!({"nonce": nonce}));
        with_token(&activity, &token)
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
struct PostsOnly(Teams);

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

fn decoded(text: &str) -> Result<Vec<u8>, Failure> {
    let bytes = URL_SAFE_NO_PAD.decode(text);
    bytes.map_err(|error| error.to_string().into())
}

/// The token of a click as `ring` wants it: what is signed, and the signature.
fn token_of(click: &Request<Bytes>) -> Result<(String, Vec<u8>), Failure> {
    let header = click.headers().get("authorization").ok_or("no token")?;
    let token = header.to_str()?.trim_start_matches("Bearer ");
    let (signed, signature) = token.rsplit_once('.').ok_or("no signature")?;
    Ok((signed.to_owned(), decoded(signature)?))
}

fn clicks(
    bench: &Bench,
    (noted, commits): (&Bench, &Commits),
    runtime: &tokio::runtime::Runtime,
    effort: Effort,
) -> Result<(), Failure> {
    let sample = bench.click(1, "approve", 0);
    let (signed, signature) = token_of(&sample)?;
    let jwk = Signer::good().jwk();
    let number = |name: &str| {
        decoded(
            jwk.get(name)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default(),
        )
    };
    let key = RsaPublicKeyComponents {
        n: number("n")?,
        e: number("e")?,
    };
    let floor = Contestant::repeat("floor: RS256 of one token", BATCH, || {
        key.verify(
            &RSA_PKCS1_2048_8192_SHA256,
            black_box(signed.as_bytes()),
            &signature,
        )
    });
    let revision = Cell::new(bench.record.revision);
    let ours = |name: &'static str, fresh: bool| {
        let revision = &revision;
        Contestant::new(name, BATCH, move |times| {
            let clicks = bench.clicks(times, revision, fresh);
            runtime.block_on(async {
                let start = Instant::now();
                for click in &clicks {
                    black_box(bench.teams.respond(click).await);
                }
                let took = start.elapsed();
                bench.counted(revision).await?;
                Ok(took)
            })
        })
    };
    let noted_revision = Cell::new(noted.record.revision);
    let to_commit = Contestant::new(
        "a click with a token of its own, to its vote in the memory store",
        BATCH,
        |times| {
            let clicks = noted.clicks(times, &noted_revision, true);
            runtime.block_on(async {
                let mut took = Duration::ZERO;
                for click in &clicks {
                    commits.last();
                    let start = Instant::now();
                    black_box(noted.teams.respond(click).await);
                    let committed = commits.last().ok_or("nothing was committed")?;
                    took += committed.duration_since(start);
                }
                noted.counted(&noted_revision).await?;
                Ok(took)
            })
        },
    );
    let contestants = vec![
        floor,
        to_commit,
        ours(
            "a click with a token of its own, to the card in the answer",
            true,
        ),
        ours(
            "a click with a token that came before, to the card in the answer",
            false,
        ),
    ];
    println!("\nA body of {} bytes.\n", sample.body().len());
    println!(
        "{}",
        Table::of_medians(&interleave(effort.rounds(100), contestants)?)
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
            Contestant::repeat("the card of the request, as JSON", BATCH, || {
                bench.teams.preview(&record)
            }),
        ];
        println!(
            "Arguments of {} bytes, shown in {}.\n",
            serde_json::to_string(&arguments)?.len(),
            bench.teams.preview(&record).len()
        );
        println!(
            "{}",
            Table::of_medians(&interleave(effort.rounds(200), contestants)?)
        );
    }
    Ok(())
}
