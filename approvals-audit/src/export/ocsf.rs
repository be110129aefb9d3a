//! Events as OCSF 1.9 has them: class API Activity (6003), since OCSF has no class of approvals.

use approvals_core::{PrincipalId, PrincipalKind, Risk};
use serde_json::{Map, Value, json};

use super::account::{Account, Actor, Attention, Outcome};
use crate::log::{SCHEMA, hex};

/// The version of this mapping, told in `metadata.labels`: readers that build rules on it can see
/// when it changes.
pub(super) const MAPPING: u32 = 1;

const VERSION: &str = "1.9.0";
const CLASS: u32 = 6003;
/// Neither create, read, update nor delete: `activity_name` says what.
const ACTIVITY: u32 = 99;

pub(super) fn event(account: &Account<'_>, origin: &str) -> Value {
    let recorded = account.recorded;
    let (action_id, disposition_id, disposition) = outcome(account.outcome);
    let action = match action_id {
        1 => "Allowed",
        2 => "Denied",
        4 => "Modified",
        _ => "Observed",
    };
    let severity = severity(account);
    let (status_id, status) = status(account);
    let mut profiles = vec!["ai_operation", "security_control", "record_integrity"];
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
    put("category_uid", json!(6));
    put("category_name", json!("Application Activity"));
    put("class_uid", json!(CLASS));
    put("class_name", json!("API Activity"));
    put("activity_id", json!(ACTIVITY));
    put("activity_name", json!(account.event));
    put("type_uid", json!(CLASS * 100 + ACTIVITY));
    put("type_name", json!("API Activity: Other"));
    put("time", json!(recorded.at.as_millis()));
    put("severity_id", json!(severity));
    put("severity", json!(severity_name(severity)));
    put("status_id", json!(status_id));
    put("status", json!(status));
    put("action_id", json!(action_id));
    put("action", json!(action));
    put("disposition_id", json!(disposition_id));
    put("disposition", json!(disposition));
    put("message", json!(account.message));
    if let Some(comment) = account.comment {
        put("status_detail", json!(comment));
    }
    if account.attention == Attention::Alert {
        put("is_alert", json!(true));
    }
    put("actor", actor(account));
    put("api", api(account));
    put("src_endpoint", source(account, origin));
    if let Some(agent) = agent(account) {
        put("ai_agent", agent);
    }
    if let Some(resource) = &account.call.resource {
        let resource = json!({"uid": resource, "name": resource, "type": "approvals.resource", "role_id": 1, "role": "Target"});
        put("resources", json!([resource]));
    }
    let authorizations = authorizations(account);
    if !authorizations.is_empty() {
        put("authorizations", Value::Array(authorizations));
    }
    if let Some(risk) = account.call.risk {
        let id = match risk {
            Risk::Low => 1,
            Risk::Medium => 2,
            Risk::High => 3,
            Risk::Critical => 4,
        };
        put("risk_level_id", json!(id));
        put("risk_level", json!(risk.as_str()));
    }
    let leaf = json!({
        "algorithm_id": 3,
        "algorithm": "SHA-256",
        "encoding_id": 1,
        "value": hex(recorded.leaf.as_bytes()),
    });
    put(
        "attestation_list",
        json!([{"authority_uid": origin, "chain_uid": origin, "uid": recorded.index.to_string(), "fingerprint": leaf}]),
    );
    if let Some(trace) = trace(account) {
        put("trace", json!({ "uid": trace }));
        profiles.push("trace");
    }
    put("metadata", metadata(account, origin, &profiles));
    put("unmapped", unmapped(account));
    Value::Object(event)
}

/// Action, disposition, and the disposition's caption.
const fn outcome(outcome: Outcome) -> (u8, u8, &'static str) {
    match outcome {
        Outcome::Allowed => (1, 1, "Allowed"),
        Outcome::Approved => (1, 8, "Approved"),
        Outcome::Rejected => (2, 25, "Rejected"),
        // The call is neither allowed nor denied by one voice.
        Outcome::SaidYes => (3, 8, "Approved"),
        Outcome::SaidNo => (3, 25, "Rejected"),
        Outcome::Blocked => (2, 2, "Blocked"),
        Outcome::Revoked => (2, 24, "Access Revoked"),
        Outcome::Unauthorized => (2, 26, "Unauthorized"),
        Outcome::Error => (2, 27, "Error"),
        Outcome::Pending => (4, 14, "Delayed"),
        Outcome::Noted => (3, 17, "Logged"),
        Outcome::Restored => (3, 9, "Restored"),
    }
}

fn severity(account: &Account<'_>) -> u8 {
    let of_risk = match account.call.risk {
        Some(Risk::Low) | None => 2,
        Some(Risk::Medium) => 3,
        Some(Risk::High) => 4,
        Some(Risk::Critical) => 5,
    };
    match account.attention {
        Attention::Routine => of_risk,
        Attention::Informational => 1,
        Attention::Alert => of_risk.max(4),
    }
}

const fn severity_name(id: u8) -> &'static str {
    match id {
        1 => "Informational",
        2 => "Low",
        3 => "Medium",
        4 => "High",
        _ => "Critical",
    }
}

const fn status(account: &Account<'_>) -> (u8, &'static str) {
    match (account.succeeded, account.outcome) {
        (Some(false), _) => (2, "Failure"),
        (
            Some(true) | None,
            Outcome::Rejected
            | Outcome::Blocked
            | Outcome::Revoked
            | Outcome::Unauthorized
            | Outcome::Error,
        ) => (2, "Failure"),
        (Some(true) | None, Outcome::Pending) => (99, "Pending"),
        (
            Some(true) | None,
            Outcome::Allowed
            | Outcome::Approved
            | Outcome::SaidYes
            | Outcome::SaidNo
            | Outcome::Noted
            | Outcome::Restored,
        ) => (1, "Success"),
    }
}

fn user(principal: &PrincipalId) -> Value {
    let (type_id, kind) = match principal.kind() {
        PrincipalKind::Person => (1, "User"),
        PrincipalKind::Agent | PrincipalKind::Service => (4, "Service"),
    };
    json!({"uid": principal.to_string(), "name": principal.name(), "type_id": type_id, "type": kind})
}

fn actor(account: &Account<'_>) -> Value {
    let mut user = match account.actor {
        Actor::Gate => return json!({"app_name": "approvals"}),
        Actor::Person(person) => user(&PrincipalId::person(person.clone())),
        Actor::Requester => match account.call.requester {
            Some(requester) => user(requester.actor()),
            None => json!({"name": "unknown", "type_id": 0, "type": "Unknown"}),
        },
        Actor::Stranger => json!({"name": "unknown", "type_id": 0, "type": "Unknown"}),
    };
    if let (Some(identity), Some(user)) = (account.identity, user.as_object_mut()) {
        user.insert("uid_alt".to_owned(), json!(identity.to_string()));
        if !identity.tenant.is_empty() {
            let tenant = json!({ "uid": *identity.tenant });
            user.insert("org".to_owned(), tenant);
        }
    }
    if let (Some(groups), Some(user)) = (account.groups, user.as_object_mut()) {
        let groups: Vec<_> = groups
            .iter()
            .map(|group| json!({"uid": group.as_str(), "name": group.as_str()}))
            .collect();
        if !groups.is_empty() {
            user.insert("groups".to_owned(), Value::Array(groups));
        }
    }
    json!({ "user": user })
}

fn api(account: &Account<'_>) -> Value {
    // What is about the gate, and what nobody can say any more, is an operation of the gate.
    let operation = account.call.action.as_deref();
    let own = || format!("approvals.{}", account.event);
    let mut api = json!({"operation": operation.map_or_else(own, str::to_owned)});
    if let (Some(request), Some(api)) = (account.recorded.request, api.as_object_mut()) {
        api.insert("request".to_owned(), json!({"uid": request.to_string()}));
    }
    api
}

/// Where it came from: the channel of whoever acted, or the gate.
fn source(account: &Account<'_>, origin: &str) -> Value {
    match account.identity {
        Some(identity) => json!({"svc_name": identity.channel.as_str(), "type": "channel"}),
        None => json!({"svc_name": origin, "type": "gate"}),
    }
}

fn agent(account: &Account<'_>) -> Option<Value> {
    let requester = account.call.requester?;
    let actor = requester.actor();
    if actor.kind() != PrincipalKind::Agent {
        return None;
    }
    let mut agent =
        json!({"uid": actor.to_string(), "name": actor.name(), "type_id": 0, "type": "Unknown"});
    let fields = agent.as_object_mut()?;
    if let Some(run) = requester.run_id() {
        fields.insert("instance_uid".to_owned(), json!(run));
    }
    if let Some(model) = requester.model_name() {
        let mut named = json!({"name": model, "ai_provider": "unknown"});
        if let (Some(version), Some(named)) = (requester.model_version(), named.as_object_mut()) {
            named.insert("version".to_owned(), json!(version));
        }
        fields.insert("ai_model".to_owned(), named);
    }
    Some(agent)
}

fn authorizations(account: &Account<'_>) -> Vec<Value> {
    let policy = |uid: &str, why: &str| {
        let mut policy = json!({"uid": uid, "desc": why, "type": "approvals.rule"});
        if let Some(fields) = policy.as_object_mut() {
            if let Some(name) = &account.call.policy {
                fields.insert("name".to_owned(), json!(name));
            }
            if let Some(version) = account.call.policy_version {
                fields.insert("version".to_owned(), json!(version));
            }
        }
        policy
    };
    let rules = account
        .call
        .reasons
        .into_iter()
        .flat_map(|reasons| reasons.iter());
    rules
        .map(|rule| {
            let rule = policy(rule.id.as_str(), &rule.why);
            json!({"decision": account.outcome.as_str(), "policy": rule})
        })
        .collect()
}

/// The trace's id, out of a W3C `traceparent`: 32 hexadecimal digits that are not all zero.
fn trace<'a>(account: &Account<'a>) -> Option<&'a str> {
    let parent = account.call.requester?.traceparent()?;
    let id = parent.split('-').nth(1)?;
    let is_id = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    (is_id && id.bytes().any(|b| b != b'0')).then_some(id)
}

fn metadata(account: &Account<'_>, origin: &str, profiles: &[&str]) -> Value {
    let recorded = account.recorded;
    let mut metadata = json!({
        "version": VERSION,
        "product": {
            "name": "approvals",
            "vendor_name": "approvals",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "profiles": profiles,
        "uid": recorded.id.to_string(),
        "event_code": account.event,
        "log_name": origin,
        "log_version": SCHEMA.to_string(),
        "original_time": recorded.at.to_string(),
        "labels": [format!("approvals.mapping:{MAPPING}")],
    });
    if let Some(fields) = metadata.as_object_mut() {
        if let Some(request) = recorded.request {
            fields.insert("correlation_uid".to_owned(), json!(request.to_string()));
        }
        // An integer of OCSF has 32 bits; `unmapped` has the place of any entry.
        if let Ok(sequence) = i32::try_from(recorded.index) {
            fields.insert("sequence".to_owned(), json!(sequence));
        }
    }
    metadata
}

/// What OCSF has no place for.
fn unmapped(account: &Account<'_>) -> Value {
    let recorded = account.recorded;
    let mut rest = json!({
        "event": account.event,
        "outcome": account.outcome.as_str(),
        "log_index": recorded.index.to_string(),
        "number": recorded.number.to_string(),
    });
    let Some(fields) = rest.as_object_mut() else {
        return rest;
    };
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    let call = &account.call;
    put(
        "digest",
        call.digest.map(|digest| json!(digest.to_string())),
    );
    put("shown", call.shown.map(|shown| json!(shown.to_string())));
    put(
        "quorum",
        (!call.requirements.is_empty()).then(|| json!(call.requirements)),
    );
    put("environment", call.environment.as_deref().map(|e| json!(e)));
    put("choice", account.choice.map(|choice| json!(choice)));
    put("fence", account.fence.map(|fence| json!(fence.to_string())));
    if let Some((track, stage)) = account.place {
        put("track", Some(json!(track)));
        put("stage", Some(json!(stage)));
    }
    if let Some(requester) = call.requester {
        put("requester", Some(json!(requester.to_string())));
        // No `delegation`: the published schema that this mapping is held against has none yet, and
        // a chain of principals is no grant with an id and an issuer.
        let principals: Vec<_> = requester
            .principals()
            .iter()
            .map(ToString::to_string)
            .collect();
        put(
            "acting_for",
            (!principals.is_empty()).then(|| json!(principals)),
        );
        put(
            "session",
            requester.session_id().map(|session| json!(session)),
        );
    }
    rest
}
