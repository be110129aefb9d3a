//! Which tokens are taken, each with an activity that is otherwise good.

use http::StatusCode;
use serde_json::{Value, json};

use crate::room::{Room, id};
use crate::stand_in::APP;
use crate::stand_in::clicks::with_token;
use crate::stand_in::issuer::{Signer, claims, encoded, now};

/// A room whose keys are a good one and one for another channel, and an activity that is harmless.
async fn room() -> (Room, Value, Signer, Signer) {
    let room = Room::new().await;
    let other = Signer::other("k2", &["webchat"]);
    room.microsoft
        .keys(vec![Signer::good(), Signer::other("k2", &["webchat"])]);
    let (_asking, message) = room.ask("ten").await;
    let activity = room
        .microsoft
        .activity(&message, &id("alice"), json!({"type": "typing"}));
    (room, activity, Signer::good(), other)
}

#[tokio::test(start_paused = true)]
async fn a_token_is_taken_only_with_everything_that_is_required_of_it() {
    let (room, activity, good, other) = room().await;
    let service = room.microsoft.service();
    let bare = service.trim_end_matches('/');
    let token = |claims: Value| good.token(&service, &claims);
    let unauthorised = [
        ("wrong aud", token(json!({"aud": "other"}))),
        (
            "aud with api://",
            token(json!({"aud": format!("api://{APP}")})),
        ),
        ("several aud", token(json!({"aud": [APP]}))),
        ("wrong iss", token(json!({"iss": "https://issuer.invalid"}))),
        ("expired 6 min ago", token(json!({"exp": now() - 360}))),
        ("nbf in 6 min", token(json!({"nbf": now() + 360}))),
        ("no exp", token(json!({"exp": null}))),
        ("exp as text", token(json!({"exp": "4102444800"}))),
        ("no aud", token(json!({"aud": null}))),
        ("no iss", token(json!({"iss": null}))),
        (
            "other service",
            token(json!({"serviceurl": "https://evil.invalid/"})),
        ),
        ("no service", token(json!({"serviceurl": null}))),
        (
            "camel case",
            token(json!({"serviceurl": null, "serviceUrl": service})),
        ),
        (
            "unknown kid",
            Signer::other("zz", &["msteams"]).token(&service, &json!({})),
        ),
        (
            "another key",
            Signer::other("k1", &["msteams"]).token(&service, &json!({})),
        ),
        (
            "crit",
            good.signed(
                &json!({"alg": "RS256", "kid": "k1", "crit": ["b64"]}),
                &claims(&service, &json!({})),
            ),
        ),
        (
            "no kid",
            good.signed(&json!({"alg": "RS256"}), &claims(&service, &json!({}))),
        ),
        (
            "alg RS512",
            good.signed(
                &json!({"alg": "RS512", "kid": "k1"}),
                &claims(&service, &json!({})),
            ),
        ),
        (
            "alg HS256",
            good.signed(
                &json!({"alg": "HS256", "kid": "k1"}),
                &claims(&service, &json!({})),
            ),
        ),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        ("too long", "a".repeat(20_000)),
    ];
    for (name, token) in unauthorised {
        let answer = room.teams.respond(&with_token(&activity, &token)).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name}");
    }
    let webchat = other.token(&service, &json!({}));
    let answer = room.teams.respond(&with_token(&activity, &webchat)).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    for (name, token) in [
        ("good", token(json!({}))),
        ("expired 4 min ago", token(json!({"exp": now() - 240}))),
        ("nbf in 4 min", token(json!({"nbf": now() + 240}))),
        ("no nbf", token(json!({"nbf": null}))),
        ("without slash", token(json!({"serviceurl": bare}))),
    ] {
        let answer = room.teams.respond(&with_token(&activity, &token)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_without_a_signature_or_with_another_byte_is_refused() {
    let (room, activity, good, _) = room().await;
    let service = room.microsoft.service();
    let token = good.token(&service, &json!({}));
    let parts: Vec<&str> = token.split('.').collect();
    let none = encoded(json!({"alg": "none", "kid": "k1"}).to_string().as_bytes());
    let upper = encoded(json!({"alg": "rs256", "kid": "k1"}).to_string().as_bytes());
    let later = encoded(
        claims(&service, &json!({"exp": now() + 9_000}))
            .to_string()
            .as_bytes(),
    );
    let mut flipped = parts[2].to_owned();
    let first = if flipped.remove(0) == 'A' { 'B' } else { 'A' };
    flipped.insert(0, first);
    for (name, token) in [
        ("alg none", format!("{none}.{}.", parts[1])),
        (
            "alg none, signed",
            format!("{none}.{}.{}", parts[1], parts[2]),
        ),
        (
            "alg in lower case",
            format!("{upper}.{}.{}", parts[1], parts[2]),
        ),
        ("other claims", format!("{}.{later}.{}", parts[0], parts[2])),
        (
            "another byte",
            format!("{}.{}.{flipped}", parts[0], parts[1]),
        ),
        ("a part more", format!("{token}.{}", parts[2])),
        ("padding", format!("{token}==")),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
    ] {
        let answer = room.teams.respond(&with_token(&activity, &token)).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name}");
    }
    let answer = room.teams.respond(&with_token(&activity, &token)).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_symmetric_token_under_the_public_key_is_refused() {
    let (room, activity, good, _) = room().await;
    let service = room.microsoft.service();
    let head = encoded(json!({"alg": "HS256", "kid": "k1"}).to_string().as_bytes());
    let body = encoded(claims(&service, &json!({})).to_string().as_bytes());
    let text = format!("{head}.{body}");
    let jwk = good.jwk();
    for secret in [jwk["n"].as_str().unwrap(), "", &jwk.to_string()] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let tag = ring::hmac::sign(&key, text.as_bytes());
        let token = format!("{text}.{}", encoded(tag.as_ref()));
        let answer = room.teams.respond(&with_token(&activity, &token)).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}
