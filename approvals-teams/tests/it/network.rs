//! The same over a real network connection.

use std::sync::Arc;

use approvals_core::Desk;
use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_teams::{
    AppId, Cloud, Conversations, Https, InMemoryConversations, TeamsBuilder, TenantId,
};
use tokio::net::TcpListener;

use crate::room::{settings, teams};
use crate::serve::serve;
use crate::stand_in::{APP, Microsoft, TENANT};

fn desk() -> Desk {
    Desk::new(
        Arc::new(MemoryStore::new()),
        Arc::new(InMemoryDirectory::new()),
    )
}

#[tokio::test]
async fn the_client_speaks_over_the_network_and_a_wrong_secret_is_found_at_the_start() {
    let microsoft = Microsoft::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let answering = microsoft.clone();
    let serving = tokio::spawn(serve(listener, move |request| {
        answering.answer(request).ok()
    }));
    let conversations: Arc<dyn Conversations> = Arc::new(InMemoryConversations::default());
    let over = |settings: TeamsBuilder| {
        let settings = settings
            .http(Arc::new(Https::new().unwrap()))
            .cloud(Cloud::stand_in(&origin).unwrap());
        settings.build(desk().channel(teams())).unwrap()
    };
    let good = over(settings(&microsoft, &conversations));
    assert_eq!(good.check().await, Ok(()));
    let (app, tenant) = (AppId::new(APP).unwrap(), TenantId::new(TENANT).unwrap());
    let ops = approvals_teams::Destination::channel("19:ops@thread.tacv2").unwrap();
    let wrong = TeamsBuilder::new(app, "another".into(), tenant, conversations)
        .routes(approvals_teams::Routes::new().to(approvals_teams::Route::all(), [ops]));
    let error = over(wrong).check().await.unwrap_err().to_string();
    assert!(
        error.contains("401") && !error.contains("another"),
        "{error}"
    );
    microsoft.down(true);
    let away = over(settings(
        &microsoft,
        &(Arc::new(InMemoryConversations::default()) as Arc<dyn Conversations>),
    ));
    let error = away.check().await.unwrap_err().to_string();
    assert!(error.contains("no answer"), "{error}");
    serving.abort();
}
