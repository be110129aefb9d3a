//! Against the stand-in, over the network of this machine, with a reviewer who is scripted.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use approvals_core::{ChannelId, PersonId};
use approvals_directory::{FileDirectory, LinkCode};
use approvals_slack::{
    AppId, Destination, Endpoints, EnterpriseId, Http, Https, Installation, Route, Routes,
    SigningSecrets, SlackBuilder, TeamId,
};
use bytes::Bytes;
use http::{Request, uri};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::Error;
use crate::failing;
use crate::house::House;
use crate::serving;
use crate::stand_in::serve::serve;
use crate::stand_in::{APP, Fault, Message, SECRET, TEAM, TOKEN, Workspace};

pub(crate) const ALICE: &str = "U0ALICE";

/// Nobody's account is known yet.
const PEOPLE: &str = "
people.alice.name = 'Alice Example'
people.bob.name = 'Bob Example'
groups.senior-engineers.people = ['alice']
";

/// Slack and this program, both on this machine.
pub(crate) struct Rehearsal {
    pub(crate) workspace: Workspace,
    directory: FileDirectory,
    folder: PathBuf,
    pub(crate) house: Arc<House>,
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
        let name = format!("approvals-slack-example-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("people.toml"), PEOPLE)?;
        let directory = FileDirectory::open(folder.join("people.toml"))?;
        let house = House::open(settings, Arc::new(directory.clone())).await?;

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let callbacks = format!("http://{}/slack/interactions", listener.local_addr()?);
        tokio::spawn(serving::serve(listener, house.slack.clone()));
        Ok(Self {
            workspace,
            directory,
            folder,
            house: Arc::new(house),
            callbacks,
            http: Https::new()?,
        })
    }

    /// Has the agent ask, in a task of its own, and returns the message when it is there.
    pub(crate) async fn ask(
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

    /// A one-time code, as an operator makes it for Alice and shows it to her alone.
    async fn code(&self) -> Result<LinkCode, Error> {
        let directory = self.directory.clone();
        let (alice, slack) = (PersonId::new("alice")?, ChannelId::new("slack")?);
        let begun = move || directory.begin_link(&alice, &slack);
        Ok(tokio::task::spawn_blocking(begun).await??)
    }

    /// Sends the app's command with this text.
    async fn command(&self, user: &str, text: &str) -> Result<(), Error> {
        let payload = self.workspace.command(user, text);
        self.hand_over(self.workspace.commanded(&payload)).await
    }

    /// Sends what somebody did, as Slack does: signed, over the network.
    pub(crate) async fn send(&self, payload: &Value) -> Result<(), Error> {
        self.hand_over(self.workspace.callback(payload)).await
    }

    async fn hand_over(&self, mut request: Request<Bytes>) -> Result<(), Error> {
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

impl Drop for Rehearsal {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An account that is linked, a yes, a no, and somebody who may say neither.
pub(crate) async fn run() -> Result<(), Error> {
    let rehearsal = Rehearsal::open().await?;
    println!("There is no SLACK_BOT_TOKEN, so this is a stand-in for Slack on this machine.\n");

    println!("An operator shows Alice a one-time code, and she sends it from her account.");
    let code = rehearsal.code().await?;
    println!("    {ALICE} types: /approvals link …");
    let link = format!("link {}", code.reveal());
    rehearsal.command(ALICE, &link).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for (user, whisper) in rehearsal.workspace.whispers() {
        println!("    only {user} reads: {}\n", whisper.trim());
    }

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
    for (user, whisper) in rehearsal.workspace.whispers().into_iter().skip(1) {
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
    failing::rehearse(&rehearsal).await
}

/// Serves callbacks for a judge, with one request that waits for a click.
pub(crate) async fn judged(directory: &Path) -> Result<(), Error> {
    let rehearsal = Rehearsal::open().await?;
    let link = format!("link {}", rehearsal.code().await?.reveal());
    let payload = rehearsal.workspace.command(ALICE, &link);
    let request = rehearsal.workspace.commanded(&payload);
    if let Some(work) = rehearsal.house.slack.receive(&request).work {
        work.await;
    }
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
