//! Against the stand-in, over the network of this machine, with a reviewer who is scripted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::{ChannelId, PersonId};
use approvals_directory::{FileDirectory, LinkCode};
use approvals_teams::{
    AppId, Cloud, ConversationsFile, Destination, Http, Https, Route, Routes, TeamsBuilder,
    TenantId,
};
use bytes::Bytes;
use http::{Request, uri};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::Error;
use crate::failing;
use crate::house::House;
use crate::serve::serve;
use crate::serving;
use crate::stand_in::{APP, Fault, Message, Microsoft, OPS, SECRET, TENANT};

pub(crate) const ALICE: &str = "a11ce000-0000-0000-0000-000000000000";
const MALLORY: &str = "3a110123-0000-0000-0000-000000000000";

/// Nobody's account is known yet.
const PEOPLE: &str = "
people.alice.name = 'Alice Example'
people.bob.name = 'Bob Example'
groups.senior-engineers.people = ['alice']
";

/// Microsoft and this program, both on this machine.
pub(crate) struct Rehearsal {
    pub(crate) microsoft: Microsoft,
    directory: FileDirectory,
    pub(crate) house: Arc<House>,
    /// Where callbacks are sent to.
    callbacks: String,
    http: Https,
}

impl Rehearsal {
    async fn open(folder: &Path) -> Result<Self, Error> {
        std::fs::write(folder.join("people.toml"), PEOPLE)?;
        let directory = FileDirectory::open(folder.join("people.toml"))?;
        let conversations = folder.join("conversations.json");
        let conversations = Arc::new(ConversationsFile::open(conversations)?);
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
        let house = House::open(settings, Arc::new(directory.clone())).await?;

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let callbacks = format!("http://{}/api/messages", listener.local_addr()?);
        tokio::spawn(serving::serve(listener, house.teams.clone()));
        Ok(Self {
            microsoft,
            directory,
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

    /// A one-time code, as an operator makes it for Alice and shows it to her alone.
    async fn code(&self) -> Result<LinkCode, Error> {
        let directory = self.directory.clone();
        let (alice, teams) = (PersonId::new("alice")?, ChannelId::new("teams")?);
        let begun = move || directory.begin_link(&alice, &teams);
        Ok(tokio::task::spawn_blocking(begun).await??)
    }

    /// Sends what somebody did, as the Bot Framework does: with a token, over the network.
    pub(crate) async fn send(&self, activity: &Value) -> Result<Value, Error> {
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

/// An installation, an account that is linked, a yes, a no, and somebody who may say neither.
pub(crate) async fn run() -> Result<(), Error> {
    let name = format!("approvals-teams-example-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder)?;
    let outcome = rehearse(&folder).await;
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

async fn rehearse(folder: &Path) -> Result<(), Error> {
    let rehearsal = Rehearsal::open(folder).await?;
    println!("There is no TEAMS_APP_ID, so this is a stand-in for Microsoft on this machine.\n");

    println!("The app is installed in a channel, which this program keeps.");
    let installed = rehearsal.microsoft.installation(OPS, ALICE, "add");
    rehearsal.send(&installed).await?;

    println!(
        "\nAn operator shows Alice a one-time code, and she sends it to the bot, which she writes"
    );
    println!("to in a chat of their own.");
    let code = rehearsal.code().await?;
    println!("    {ALICE} writes: link …");
    let chat = format!("a:{ALICE}");
    rehearsal.microsoft.conversation(&chat);
    let text = format!("link {}", code.reveal());
    let written = rehearsal.microsoft.written(&chat, ALICE, &text);
    rehearsal.send(&written).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for words in rehearsal.microsoft.words() {
        let text = words.activity.get("text").unwrap_or(&Value::Null);
        println!("    the bot writes: {text}");
    }

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
    failing::rehearse(&rehearsal).await
}

fn indented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| format!("    │ {line}\n"))
        .collect::<String>()
        .trim_end()
        .to_owned()
}
