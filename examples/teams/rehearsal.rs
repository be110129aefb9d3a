//! Against the stand-in, over the network of this machine, with a reviewer who is scripted.

use std::sync::Arc;
use std::time::Duration;

use approvals_teams::{
    AppId, Cloud, ConversationsFile, Destination, Http, Https, Route, Routes, TeamsBuilder,
    TenantId,
};
use bytes::Bytes;
use http::{Request, uri};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::Error;
use crate::house::House;
use crate::serve::serve;
use crate::serving;
use crate::stand_in::{APP, Fault, Message, Microsoft, OPS, SECRET, TENANT};

const ALICE: &str = "a11ce000-0000-0000-0000-000000000000";
const MALLORY: &str = "3a110123-0000-0000-0000-000000000000";

/// Microsoft and this program, both on this machine.
struct Rehearsal {
    microsoft: Microsoft,
    house: Arc<House>,
    /// Where callbacks are sent to.
    callbacks: String,
    http: Https,
}

impl Rehearsal {
    async fn open(conversations: Arc<ConversationsFile>) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let microsoft = Microsoft::at(&origin);
        microsoft.member(ALICE);
        microsoft.member(MALLORY);
        let answering = microsoft.clone();
        tokio::spawn(serve(listener, move |request| {
            answering.answer(request).ok()
        }));

        let (app, tenant) = (AppId::new(APP)?, TenantId::new(TENANT)?);
        let settings = TeamsBuilder::new(app, SECRET.into(), tenant, conversations)
            .routes(Routes::new().to(Route::all(), [Destination::channel(OPS)?]))
            .cloud(Cloud::stand_in(&origin)?);
        let house = House::open(settings, (TENANT, ALICE)).await?;

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let callbacks = format!("http://{}/api/messages", listener.local_addr()?);
        tokio::spawn(serving::serve(listener, house.teams.clone()));
        Ok(Self {
            microsoft,
            house: Arc::new(house),
            callbacks,
            http: Https::new()?,
        })
    }

    /// Has the agent ask, in a task of its own, and returns the message when it is there.
    async fn ask(
        &self,
        rows: u64,
    ) -> Result<(tokio::task::JoinHandle<Result<String, Error>>, Message), Error> {
        let before = self.microsoft.messages().len();
        let house = Arc::clone(&self.house);
        let asking = tokio::spawn(async move { house.export(rows).await });
        for _ in 0..400 {
            if let Some(message) = self.microsoft.messages().into_iter().nth(before) {
                return Ok((asking, message));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("nothing was posted".into())
    }

    /// Sends what somebody did, as the Bot Framework does: with a token, over the network.
    async fn send(&self, activity: &Value) -> Result<Value, Error> {
        let mut request: Request<Bytes> = self.microsoft.callback(activity);
        *request.uri_mut() = self.callbacks.parse::<uri::Uri>()?;
        let answer = self.http.send(request).await?;
        println!("    this program answers with {}", answer.status());
        match answer.body().is_empty() {
            true => Ok(Value::Null),
            false => Ok(serde_json::from_slice(answer.body())?),
        }
    }

    async fn press(
        &self,
        message: &Message,
        user: &str,
        title: &str,
        why: &str,
    ) -> Result<Value, Error> {
        let button = Microsoft::button(message, title).ok_or("there is no such button")?;
        println!("    {user} presses {title}");
        let typed = [("approvals.comment", why)];
        let activity = self.microsoft.press(message, user, &button, &typed);
        self.send(&activity).await
    }

    /// What the message shows, when what is under way is done.
    async fn shown(&self, message: &Message) -> String {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let all = self.microsoft.messages();
        let now = all.iter().find(|m| m.id == message.id).unwrap_or(message);
        Microsoft::reads(now)
    }
}

/// An installation, a yes, a no, and somebody who may say neither.
pub(crate) async fn run() -> Result<(), Error> {
    let name = format!("approvals-teams-example-{}.json", std::process::id());
    let path = std::env::temp_dir().join(name);
    let outcome = rehearse(&path).await;
    let _ = std::fs::remove_file(&path);
    outcome
}

async fn rehearse(path: &std::path::Path) -> Result<(), Error> {
    let rehearsal = Rehearsal::open(Arc::new(ConversationsFile::open(path)?)).await?;
    println!("There is no TEAMS_APP_ID, so this is a stand-in for Microsoft on this machine.\n");

    println!("The app is installed in a channel, which this program keeps.");
    let installed = rehearsal.microsoft.installation(OPS, ALICE, "add");
    rehearsal.send(&installed).await?;

    println!("\nThe agent asks to export 10 rows. Teams is busy at first, and asks for a second.");
    rehearsal.microsoft.fail("make", &[Fault::Limited(1)]);
    let (asking, message) = rehearsal.ask(10).await?;
    println!("{}\n", indented(&rehearsal.shown(&message).await));
    let answer = rehearsal.press(&message, MALLORY, "Approve", "").await?;
    println!(
        "    only they read: {}",
        answer.get("value").unwrap_or(&Value::Null)
    );
    rehearsal.press(&message, ALICE, "Approve", "").await?;
    println!("The agent: {}\n", asking.await??);
    println!("{}\n", indented(&rehearsal.shown(&message).await));

    println!("The agent asks to export 1000000 rows.");
    let (asking, message) = rehearsal.ask(1_000_000).await?;
    let why = "a thousand is enough";
    rehearsal.press(&message, ALICE, "Deny", why).await?;
    match asking.await? {
        Ok(done) => return Err(format!("it ran after a no: {done}").into()),
        Err(refused) => println!("The agent: {refused}\n"),
    }
    println!("{}", indented(&rehearsal.shown(&message).await));
    Ok(())
}

fn indented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| format!("    │ {line}\n"))
        .collect::<String>()
        .trim_end()
        .to_owned()
}
