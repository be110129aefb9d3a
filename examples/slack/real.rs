//! Against the real Slack, where its tokens are in the environment.

use approvals_slack::{
    AppId, Destination, Installation, Route, Routes, SigningSecrets, SlackBuilder, TeamId,
};
use tokio::net::TcpListener;

use crate::Error;
use crate::house::House;
use crate::serving::serve;

/// What the environment says.
pub(crate) struct Settings {
    token: String,
    secret: String,
    app: String,
    team: String,
    channel: String,
    reviewer: String,
    listen: String,
}

impl Settings {
    /// Nothing where there is no token.
    pub(crate) fn from_environment() -> Result<Option<Self>, Error> {
        let Ok(token) = std::env::var("SLACK_BOT_TOKEN") else {
            return Ok(None);
        };
        let read = |name: &str| {
            std::env::var(name).map_err(|_| format!("SLACK_BOT_TOKEN is set, and {name} is not"))
        };
        Ok(Some(Self {
            token,
            secret: read("SLACK_SIGNING_SECRET")?,
            app: read("SLACK_APP_ID")?,
            team: read("SLACK_TEAM_ID")?,
            channel: read("SLACK_CHANNEL_ID")?,
            reviewer: read("SLACK_REVIEWER_ID")?,
            listen: std::env::var("SLACK_LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned()),
        }))
    }
}

/// Asks once, and says what became of it.
pub(crate) async fn run(settings: Settings) -> Result<(), Error> {
    let secrets = SigningSecrets::new(&settings.secret.into())?;
    let team = TeamId::new(&settings.team)?;
    let builder = SlackBuilder::new(settings.token.into(), secrets, AppId::new(&settings.app)?)
        .installed_in(Installation::Workspace(team))
        .routes(Routes::new().to(Route::all(), [Destination::channel(&settings.channel)?]));
    let people = House::people((&settings.team, &settings.reviewer))?;
    let house = House::open(builder, people).await?;
    let listener = TcpListener::bind(&settings.listen).await?;
    println!(
        "Callbacks are taken at http://{}: Slack has to reach it by",
        settings.listen
    );
    println!("the app's Request URL, through whatever ends TLS in front of it.");
    let serving = tokio::spawn(serve(listener, house.slack.clone()));
    println!("The agent asks in Slack. Press a button there.");
    match house.export(1_000).await {
        Ok(done) => println!("{done}"),
        Err(refused) => println!("{refused}"),
    }
    // The message is updated in the background.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    serving.abort();
    Ok(())
}
