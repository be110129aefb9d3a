//! What is thrown at the Teams channel's callbacks: run here with a seeded loop, and by `fuzz/` with
//! whatever a fuzzer finds.

use std::sync::Arc;

use approvals_core::memory::{InMemoryDirectory, MemoryStore};
use approvals_core::{ChannelId, Desk};
use approvals_teams::{
    AppId, Cloud, Destination, InMemoryConversations, Route, Routes, Teams, TeamsBuilder, TenantId,
};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use serde_json::json;

use crate::stand_in::issuer::{Signer, claims, encoded};
use crate::stand_in::{APP, Microsoft, OPS, ORIGIN, SECRET, TENANT};

/// A channel, whoever signs for it, and somebody who does not.
pub(crate) struct Target {
    teams: Teams,
    microsoft: Microsoft,
    other: Signer,
    runtime: tokio::runtime::Runtime,
}

impl Target {
    /// A channel over an empty store.
    pub(crate) fn new() -> Self {
        let desk = Desk::new(
            Arc::new(MemoryStore::new()),
            Arc::new(InMemoryDirectory::new()),
        );
        let microsoft = Microsoft::new();
        let (app, tenant) = (AppId::new(APP).unwrap(), TenantId::new(TENANT).unwrap());
        let kept = Arc::new(InMemoryConversations::default());
        let teams = TeamsBuilder::new(app, SECRET.into(), tenant, kept)
            .routes(Routes::new().to(Route::all(), [Destination::channel(OPS).unwrap()]))
            .cloud(Cloud::stand_in(ORIGIN).unwrap())
            .http(Arc::new(microsoft.clone()))
            .build(desk.channel(ChannelId::new("teams").unwrap()))
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        Self {
            teams,
            microsoft,
            other: Signer::other("k1", &["msteams"]),
            runtime: runtime.unwrap(),
        }
    }

    /// A line is the authorization, the rest is the body: nothing under it is accepted.
    pub(crate) fn unsigned(&self, data: &[u8]) {
        let mut lines = data.splitn(2, |byte| *byte == b'\n');
        let authorization = lines.next().unwrap_or_default();
        let body = lines.next().unwrap_or_default();
        let refused = self.status(authorization, body);
        assert!(refused.is_client_error(), "{refused} without a good token");
    }

    /// A line is the header of a token, another its claims: nothing is accepted that another key
    /// signed.
    pub(crate) fn signed_by_another(&self, data: &[u8]) {
        let mut lines = data.splitn(3, |byte| *byte == b'\n');
        let mut next = || lines.next().unwrap_or_default();
        let [header, claims, body] = [next(), next(), next()];
        let token = self.other.signed_bytes(header, claims);
        let refused = self.status(format!("Bearer {token}").as_bytes(), body);
        assert!(refused.is_client_error(), "{refused} under another key");
    }

    /// The same bytes as a body under a good token: whatever they say, it is answered.
    pub(crate) fn signed(&self, body: &[u8]) {
        let token = self.microsoft.token();
        self.status(format!("Bearer {token}").as_bytes(), body);
    }

    fn status(&self, authorization: &[u8], body: &[u8]) -> StatusCode {
        let mut request = Request::post("/")
            .body(Bytes::copy_from_slice(body))
            .unwrap();
        if let Ok(value) = HeaderValue::from_bytes(authorization) {
            request.headers_mut().insert("authorization", value);
        }
        self.runtime.block_on(self.teams.respond(&request)).status()
    }

    /// Callbacks that are in order, to begin with.
    pub(crate) fn bodies(&self) -> [String; 3] {
        let zeros = "0".repeat(64);
        let seen = format!("v1 req_{} 1 {zeros} {zeros}", "0".repeat(32));
        let common = json!({
            "channelId": "msteams", "serviceUrl": self.microsoft.service(),
            "from": {"id": "29:1", "aadObjectId": "a11ce000-0000-0000-0000-000000000000"},
            "conversation": {"id": OPS, "tenantId": TENANT, "conversationType": "channel"},
            "recipient": {"id": format!("28:{APP}")}, "replyToId": "1",
            "channelData": {"tenant": {"id": TENANT}}
        });
        let with = |other: serde_json::Value| {
            let mut activity = common.clone();
            for (name, value) in other.as_object().unwrap() {
                activity[name] = value.clone();
            }
            activity.to_string()
        };
        let data = json!({"approvals.seen": seen, "approvals.choice": "approve"});
        let action = json!({"verb": "approvals.approve", "data": data});
        [
            with(json!({
                "type": "invoke", "name": "adaptiveCard/action",
                "value": {"trigger": "manual", "action": action}
            })),
            with(json!({"type": "message", "value": data})),
            with(json!({"type": "installationUpdate", "action": "add"})),
        ]
    }

    /// The header and the claims of a token that is in order, a line each.
    pub(crate) fn token_parts(&self) -> String {
        let header = json!({"alg": "RS256", "kid": "k1", "typ": "JWT"});
        let claims = claims(&self.microsoft.service(), &json!({}));
        format!("{header}\n{claims}\n")
    }

    /// An authorization that somebody made up.
    pub(crate) fn authorization(&self) -> String {
        let header = encoded(br#"{"alg":"RS256","kid":"k1"}"#);
        let claims = claims(&self.microsoft.service(), &json!({})).to_string();
        format!(
            "Bearer {header}.{}.{}\n",
            encoded(claims.as_bytes()),
            encoded(&[7; 256])
        )
    }
}
