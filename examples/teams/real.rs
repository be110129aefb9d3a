//! Against the real service, where the bot's settings are in the environment.

use std::sync::Arc;

use approvals_teams::{
    AppId, ConversationsFile, Destination, Route, Routes, TeamsBuilder, TenantId,
};
use tokio::net::TcpListener;

use crate::Error;
use crate::house::House;
use crate::serving::serve;

/// What the environment says.
pub(crate) struct Settings {
    app: String,
    secret: String,
    tenant: String,
    channel: Option<String>,
    reviewer: String,
    conversations: String,
    listen: String,
}

impl Settings {
    /// Nothing where there is no bot.
    pub(crate) fn from_environment() -> Result<Option<Self>, Error> {
        let Ok(app) = std::env::var("TEAMS_APP_ID") else {
            return Ok(None);
        };
        let read = |name: &str| {
            std::env::var(name).map_err(|_| format!("TEAMS_APP_ID is set, and {name} is not"))
        };
        let or = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
        Ok(Some(Self {
            app,
            secret: read("TEAMS_CLIENT_SECRET")?,
            tenant: read("TEAMS_TENANT_ID")?,
            channel: std::env::var("TEAMS_CHANNEL_ID").ok(),
            reviewer: read("TEAMS_REVIEWER_ID")?,
            conversations: or("TEAMS_CONVERSATIONS", "teams-conversations.json"),
            listen: or("TEAMS_LISTEN", "127.0.0.1:3978"),
        }))
    }
}

/// Asks once, and says what became of it.
pub(crate) async fn run(settings: Settings) -> Result<(), Error> {
    let conversations = Arc::new(ConversationsFile::open(&settings.conversations)?);
    let tenant = TenantId::new(&settings.tenant)?;
    let to = match &settings.channel {
        Some(channel) => Destination::channel(channel)?,
        None => Destination::user(&settings.reviewer)?,
    };
    let app = AppId::new(&settings.app)?;
    let builder = TeamsBuilder::new(app, settings.secret.into(), tenant, conversations)
        .routes(Routes::new().to(Route::all(), [to]));
    let people = House::people((&settings.tenant, &settings.reviewer))?;
    let house = House::open(builder, people).await?;
    let listener = TcpListener::bind(&settings.listen).await?;
    println!(
        "Callbacks are taken at http://{}: the bot's messaging endpoint has to lead here,",
        settings.listen
    );
    println!("through whatever ends TLS in front of it.");
    let serving = tokio::spawn(serve(listener, house.teams.clone()));
    println!("The agent asks in Teams. Press a button there.");
    match house.export(1_000).await {
        Ok(done) => println!("{done}"),
        Err(refused) => println!("{refused}"),
    }
    // The card is updated in the background.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    serving.abort();
    Ok(())
}
