//! Against the stand-in, over the network of this machine, with a reviewer who is scripted.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use approvals_slack::{
    AppId, Destination, Endpoints, EnterpriseId, Http, Https, Installation, Route, Routes,
    SigningSecrets, SlackBuilder, TeamId,
};
use bytes::Bytes;
use http::{Request, uri};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::Error;
use crate::house::House;
use crate::serving;
use crate::stand_in::serve::serve;
use crate::stand_in::{APP, Fault, Message, SECRET, TEAM, TOKEN, Workspace};

const ALICE: &str = "U0ALICE";

/// Slack and this program, both on this machine.
struct Rehearsal {
    workspace: Workspace,
    house: Arc<House>,
    /// Where Slack sends callbacks to.
    callbacks: String,
    http: Https,
}

impl Rehearsal {
    async fn open() -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let workspace = Workspace::at(&origin);
        workspace.user(ALICE);
        workspace.user("U0MALLORY");
        let answering = workspace.clone();
        tokio::spawn(serve(listener, move |request| {
            answering.answer(request).ok()
        }));

        let secrets = SigningSecrets::new(&SECRET.into())?;
        let settings = SlackBuilder::new(TOKEN.into(), secrets, AppId::new(APP)?)
            .installed_in(Installation::Workspace(TeamId::new(TEAM)?))
            .installed_in(Installation::Organisation(EnterpriseId::new("E01")?))
            .routes(Routes::new().to(Route::all(), [Destination::channel("C0OPS")?]))
            .endpoints(Endpoints::stand_in(&origin)?);
        let house = House::open(settings, (TEAM, ALICE)).await?;

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let callbacks = format!("http://{}/slack/interactions", listener.local_addr()?);
        tokio::spawn(serving::serve(listener, house.slack.clone()));
        Ok(Self {
            workspace,
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
        let before = self.workspace.messages().len();
        let house = Arc::clone(&self.house);
        let asking = tokio::spawn(async move { house.export(rows).await });
        for _ in 0..400 {
            if let Some(message) = self.workspace.messages().into_iter().nth(before) {
                return Ok((asking, message));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("nothing was posted".into())
    }

    /// Sends what somebody did, as Slack does: signed, over the network.
    async fn send(&self, payload: &Value) -> Result<(), Error> {
        let mut request: Request<Bytes> = self.workspace.callback(payload);
        *request.uri_mut() = self.callbacks.parse::<uri::Uri>()?;
        let answer = self.http.send(request).await?;
        println!("    this program answers Slack with {}", answer.status());
        Ok(())
    }

    async fn press(&self, message: &Message, user: &str, button: &str) -> Result<(), Error> {
        let button = Workspace::button(message, button).ok_or("there is no such button")?;
        let label = button.pointer("/text/text").unwrap_or(&Value::Null);
        println!("    {user} presses {label}");
        self.send(&self.workspace.press(message, user, &button))
            .await
    }

    /// What the message shows, when what is under way is done.
    async fn shown(&self, message: &Message) -> String {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let all = self.workspace.messages();
        let now = all.iter().find(|m| m.ts == message.ts).unwrap_or(message);
        self.workspace.reads(now)
    }
}

/// A yes, a no, and somebody who may say neither.
pub(crate) async fn run() -> Result<(), Error> {
    let rehearsal = Rehearsal::open().await?;
    println!("There is no SLACK_BOT_TOKEN, so this is a stand-in for Slack on this machine.\n");

    println!("The agent asks to export 10 rows. Slack is busy at first, and asks for a second.");
    rehearsal
        .workspace
        .fail("chat.postMessage", &[Fault::Limited(1)]);
    let (asking, message) = rehearsal.ask(10).await?;
    println!("{}\n", indented(&rehearsal.shown(&message).await));
    rehearsal
        .press(&message, "U0MALLORY", "vote.approve")
        .await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for (user, whisper) in rehearsal.workspace.whispers() {
        println!("    only {user} reads: {}", whisper.trim());
    }
    rehearsal.press(&message, ALICE, "vote.approve").await?;
    println!("The agent: {}\n", asking.await??);
    println!("{}\n", indented(&rehearsal.shown(&message).await));

    println!("The agent asks to export 1000000 rows.");
    let (asking, message) = rehearsal.ask(1_000_000).await?;
    rehearsal.press(&message, ALICE, "form.deny").await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let form = rehearsal
        .workspace
        .views()
        .pop()
        .ok_or("no form was opened")?;
    println!("    {ALICE} types: a thousand is enough");
    let typed = [("comment", "a thousand is enough")];
    rehearsal
        .send(&rehearsal.workspace.submit(&form, ALICE, &typed))
        .await?;
    match asking.await? {
        Ok(done) => return Err(format!("it ran after a no: {done}").into()),
        Err(refused) => println!("The agent: {refused}\n"),
    }
    println!("{}", indented(&rehearsal.shown(&message).await));
    Ok(())
}

/// Serves callbacks for a judge, with one request that waits for a click.
pub(crate) async fn judged(directory: &Path) -> Result<(), Error> {
    let rehearsal = Rehearsal::open().await?;
    let (asking, message) = rehearsal.ask(10).await?;
    let button = Workspace::button(&message, "vote.approve").ok_or("there is no button")?;
    let mut click = rehearsal.workspace.press(&message, ALICE, &button);
    let organisation = serde_json::json!({"id": "E01", "name": "Org"});
    if let Some(payload) = click.as_object_mut() {
        payload.insert("enterprise".to_owned(), organisation);
    }
    std::fs::write(directory.join("click.json"), click.to_string())?;
    // For a script: the address, the secret and the click.
    println!(
        "{} {SECRET} {}",
        rehearsal.callbacks,
        directory.join("click.json").display()
    );
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    asking.abort();
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
