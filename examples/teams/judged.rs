//! Tokens that somebody else made, handed in over the network.

use std::path::Path;
use std::sync::Arc;

use approvals_teams::{
    AppId, Cloud, Destination, Http, Https, InMemoryConversations, Route, Routes, TeamsBuilder,
    TenantId,
};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::Error;
use crate::serving;
use crate::stand_in::TENANT;

#[derive(Deserialize)]
struct Judged {
    openid: String,
    app_id: String,
    service_url: String,
    channel_id: String,
    tokens: Vec<Token>,
}

#[derive(Deserialize)]
struct Token {
    name: String,
    token: String,
    expect: String,
}

/// Hands each token in with an activity that is otherwise good, and compares.
pub(crate) async fn run(directory: &Path) -> Result<(), Error> {
    let judged = std::fs::read(directory.join("tokens.json"))?;
    let judged: Judged = serde_json::from_slice(&judged)?;
    let conversations = Arc::new(InMemoryConversations::default());
    let app = AppId::new(&judged.app_id)?;
    let to = Destination::channel("19:ops@thread.tacv2")?;
    let settings = TeamsBuilder::new(app, "none".into(), TenantId::new(TENANT)?, conversations)
        .routes(Routes::new().to(Route::all(), [to]))
        .cloud(Cloud::public().metadata(&judged.openid)?);
    let desk = approvals_core::Desk::new(
        Arc::new(approvals_core::memory::MemoryStore::new()),
        Arc::new(approvals_core::memory::InMemoryDirectory::new()),
    );
    let teams = settings.build(desk.channel(approvals_core::ChannelId::new("teams")?))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/api/messages", listener.local_addr()?);
    tokio::spawn(serving::serve(listener, teams));

    let http = Https::new()?;
    let activity = json!({
        "type": "typing", "channelId": judged.channel_id, "serviceUrl": judged.service_url,
        "recipient": {"id": format!("28:{}", judged.app_id)},
        "conversation": {"id": "19:ops@thread.tacv2", "tenantId": TENANT},
        "channelData": {"tenant": {"id": TENANT}}
    });
    let mut wrong = 0;
    for Token {
        name,
        token,
        expect,
    } in &judged.tokens
    {
        let request = Request::post(&address)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Bytes::from(activity.to_string()))?;
        let status = http.send(request).await?.status();
        let found = match status {
            StatusCode::OK => "accept",
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "reject",
            _ => "neither",
        };
        let right = found == expect;
        wrong += usize::from(!right);
        println!("{} {name}: {status}", if right { "ok   " } else { "WRONG" });
    }
    match (wrong, judged.tokens.len()) {
        (0, 1..) => {
            println!("OK teams-tokens");
            Ok(())
        }
        (wrong, all) => Err(format!("{wrong} of {all} tokens are judged otherwise").into()),
    }
}
