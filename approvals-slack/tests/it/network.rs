//! The same over a real network connection.

use std::sync::Arc;

use approvals_core::Desk;
use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_slack::{CheckError, Endpoints, Installation, TeamId};
use tokio::net::TcpListener;

use crate::room::{settings, slack};
use crate::stand_in::serve::serve;
use crate::stand_in::{TEAM, Workspace};

fn desk() -> Desk {
    Desk::new(
        Arc::new(MemoryStore::new()),
        Arc::new(InMemoryDirectory::new()),
    )
}

#[tokio::test]
async fn the_client_speaks_to_slack_over_the_network_and_a_wrong_token_is_found_at_the_start() {
    let workspace = Workspace::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let answering = workspace.clone();
    let serving = tokio::spawn(serve(listener, move |request| {
        answering.answer(request).ok()
    }));
    let over = |settings: approvals_slack::SlackBuilder| {
        let https = Arc::new(approvals_slack::Https::new().unwrap());
        settings
            .http(https)
            .endpoints(Endpoints::stand_in(&origin).unwrap())
    };
    let good = over(settings(&workspace))
        .build(desk().channel(slack()))
        .unwrap();
    assert_eq!(good.check().await, Ok(()));
    assert_eq!(workspace.calls("auth.test").len(), 1);
    let secrets = || approvals_slack::SigningSecrets::new(&crate::stand_in::SECRET.into()).unwrap();
    let app = || approvals_slack::AppId::new("A0APP").unwrap();
    let routes = || {
        let ops = approvals_slack::Destination::channel("C0OPS").unwrap();
        approvals_slack::Routes::new().to(approvals_slack::Route::all(), [ops])
    };
    let make = |token: &str, team: &str| {
        let new = approvals_slack::SlackBuilder::new(token.into(), secrets(), app());
        let new = new.installed_in(Installation::Workspace(TeamId::new(team).unwrap()));
        over(new.routes(routes()))
            .build(desk().channel(slack()))
            .unwrap()
    };
    let wrong = make("xoxb-wrong", TEAM).check().await.unwrap_err();
    assert!(wrong.to_string().contains("not_authed"), "{wrong}");
    let elsewhere = make(crate::stand_in::TOKEN, "T0OTHER")
        .check()
        .await
        .unwrap_err();
    assert!(
        matches!(elsewhere, CheckError::Elsewhere { ref found } if found == TEAM),
        "{elsewhere}"
    );
    workspace.down(true);
    let away = good.check().await.unwrap_err();
    assert!(away.to_string().contains("no answer"), "{away}");
    serving.abort();
}
