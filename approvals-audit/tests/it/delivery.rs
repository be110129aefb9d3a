//! Delivery to an HTTP endpoint that answers as endpoints do.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use approvals_audit::export::{
    Answer, DeliveryError, Export, ExportError, Format, HttpDestination, Transport, TransportError,
};
use approvals_core::async_trait;
use tokio::time::Instant;

use crate::support::*;

/// An endpoint that answers with these first, and then takes everything but the poisoned.
#[derive(Debug, Default)]
struct Endpoint {
    answers: Mutex<VecDeque<Result<Answer, TransportError>>>,
    poison: Option<String>,
    received: Mutex<Vec<String>>,
    times: Mutex<Vec<Instant>>,
}

fn answer(status: u16) -> Answer {
    Answer {
        status,
        retry_after: None,
        text: "as it says".to_owned(),
    }
}

#[async_trait]
impl Transport for Endpoint {
    async fn post(&self, content_type: &str, body: &str) -> Result<Answer, TransportError> {
        assert_eq!(content_type, "application/x-ndjson");
        self.times.lock().unwrap().push(Instant::now());
        if let Some(answer) = self.answers.lock().unwrap().pop_front() {
            return answer;
        }
        if self.poison.as_ref().is_some_and(|word| body.contains(word)) {
            return Ok(answer(422));
        }
        let lines = body.lines().map(str::to_owned);
        self.received.lock().unwrap().extend(lines);
        Ok(answer(202))
    }
}

fn answering(answers: impl IntoIterator<Item = Result<Answer, TransportError>>) -> Arc<Endpoint> {
    Arc::new(Endpoint {
        answers: Mutex::new(answers.into_iter().collect()),
        ..Endpoint::default()
    })
}

fn export(place: &Path, key: &approvals_audit::VerifierKey) -> Export {
    Export::of(place.join("log"), [key.clone()], Format::JsonLines)
        .cursor(place.join("cursor"))
        .batches_of(16, 1 << 20)
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_sent_again_after_a_growing_wait_or_as_long_as_is_asked() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(&place.path().join("log"), 10).await;
    let asked = Answer {
        retry_after: Some(Duration::from_secs(77)),
        ..answer(429)
    };
    let lost = TransportError("the connection was closed".to_owned());
    let endpoint = answering([Ok(answer(503)), Err(lost), Ok(asked)]);
    let mut to = HttpDestination::through(Arc::clone(&endpoint));
    let exported = export(place.path(), &key).run(&mut to).await.unwrap();
    assert_eq!(exported.delivered, 10);
    assert_eq!(endpoint.received.lock().unwrap().len(), 10);
    let times = endpoint.times.lock().unwrap();
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let within = |wait: Duration, from, to| wait.as_millis() >= from && wait.as_millis() <= to;
    assert!(within(waits[0], 500, 1001), "{waits:?}");
    assert!(within(waits[1], 1000, 2001), "{waits:?}");
    assert!(within(waits[2], 77_000, 77_001), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_stays_away_ends_the_run_and_nothing_is_passed_over() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(&place.path().join("log"), 40).await;
    let endpoint = answering(
        [Ok(answer(200))]
            .into_iter()
            .chain((0..8).map(|_| Ok(answer(500)))),
    );
    let mut to = HttpDestination::through(Arc::clone(&endpoint));
    let ended = export(place.path(), &key).run(&mut to).await;
    let Err(ExportError::Delivery(DeliveryError::Unreachable { attempts: 8, why })) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(why, "status 500: as it says");
    // The first batch was taken; the next run goes on with the second.
    let exported = export(place.path(), &key).run(&mut to).await.unwrap();
    assert_eq!((exported.delivered, exported.next), (24, 40));
    assert_eq!(endpoint.received.lock().unwrap().len(), 24);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_for_good_is_set_aside_and_the_others_arrive_in_order() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(&place.path().join("log"), 40).await;
    let endpoint = Arc::new(Endpoint {
        poison: Some("\"number\":21,".to_owned()),
        ..Endpoint::default()
    });
    let mut to = HttpDestination::through(Arc::clone(&endpoint));
    let without = export(place.path(), &key).run(&mut to).await;
    assert!(
        matches!(without, Err(ExportError::Refused { index: 20, .. })),
        "{without:?}"
    );
    let letters = place.path().join("dead.jsonl");
    let exported = export(place.path(), &key)
        .dead_letters(&letters)
        .run(&mut to)
        .await
        .unwrap();
    assert_eq!((exported.refused, exported.next), (1, 40));
    let text = std::fs::read_to_string(&letters).unwrap();
    let letter: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(letter["index"], 20);
    assert_eq!(letter["why"], "status 422: as it says");
    let event: serde_json::Value = serde_json::from_str(letter["event"].as_str().unwrap()).unwrap();
    assert_eq!(event["number"], 21);
    let received = endpoint.received.lock().unwrap();
    let mut numbers: Vec<u64> = Vec::new();
    for line in received.iter() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        numbers.push(event["number"].as_u64().unwrap());
    }
    // The second batch was begun twice: delivered at least once.
    let last = numbers.iter().rposition(|number| *number == 17).unwrap();
    let expected: Vec<u64> = (17..=40).filter(|number| *number != 21).collect();
    assert_eq!(numbers[last..], expected);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_set_up_wrongly_does_not_have_the_log_set_aside() {
    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(&place.path().join("log"), 40).await;
    let letters = place.path().join("dead.jsonl");
    let export = export(place.path(), &key).dead_letters(&letters);
    for status in [301, 401, 403, 404, 405, 415] {
        let mut to = HttpDestination::through(answering([Ok(answer(status))]));
        let ended = export.run(&mut to).await;
        let misconfigured = ExportError::Delivery(DeliveryError::Misconfigured(String::new()));
        let ended = ended.unwrap_err();
        assert_eq!(
            std::mem::discriminant(&ended),
            std::mem::discriminant(&misconfigured),
            "{status}: {ended}"
        );
    }
    let refuses_all = Endpoint {
        poison: Some("number".to_owned()),
        ..Endpoint::default()
    };
    let mut to = HttpDestination::through(Arc::new(refuses_all));
    let ended = export.clone().refused_at_most(10).run(&mut to).await;
    assert!(
        matches!(ended, Err(ExportError::TooManyRefused { most: 10, .. })),
        "{ended:?}"
    );
    assert!(!letters.exists() && !place.path().join("cursor").exists());
}

#[cfg(feature = "https")]
#[tokio::test]
async fn events_reach_an_endpoint_on_a_network_with_their_credentials() {
    use approvals_audit::export::HttpsTransport;
    use std::io::{Read, Write};

    let place = tempfile::tempdir().unwrap();
    let (_, key) = log_of(&place.path().join("log"), 10).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/collect", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        let mut piece = [0; 4096];
        // Ten lines are the body.
        while heard.iter().filter(|byte| **byte == b'\n').count() < 10 || !heard.ends_with(b"}\n") {
            let read = stream.read(&mut piece).unwrap();
            heard.extend_from_slice(&piece[..read]);
        }
        stream
            .write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .unwrap();
        String::from_utf8(heard).unwrap()
    });
    let transport = HttpsTransport::to(&address).unwrap();
    let transport = transport.header("authorization", "Bearer s3cret").unwrap();
    assert!(!format!("{transport:?}").contains("s3cret"));
    let mut to = HttpDestination::through(transport);
    let exported = export(place.path(), &key).run(&mut to).await.unwrap();
    assert_eq!(exported.delivered, 10);
    let heard = server.join().unwrap();
    assert!(heard.starts_with("POST /collect HTTP/1.1\r\n"));
    assert!(heard.contains("authorization: Bearer s3cret\r\n"));
    assert!(heard.contains("content-type: application/x-ndjson\r\n"));
}

#[cfg(feature = "https")]
#[test]
fn an_endpoint_on_another_machine_is_not_spoken_to_in_clear() {
    use approvals_audit::export::{EndpointError, HttpsTransport};

    let to = |address| HttpsTransport::to(address).map(|_| ());
    assert_eq!(to("https://siem.example.com/x"), Ok(()));
    assert_eq!(to("http://localhost:8080/x"), Ok(()));
    let in_clear = Err(EndpointError::InClear("siem.example.com".to_owned()));
    assert_eq!(to("http://siem.example.com/x"), in_clear);
    let in_clear = Err(EndpointError::InClear("127.0.0.1.example.com".to_owned()));
    assert_eq!(to("http://127.0.0.1.example.com/x"), in_clear);
    for wrong in ["ftp://siem.example.com", "siem.example.com", "/collect", ""] {
        assert!(
            matches!(to(wrong), Err(EndpointError::Address(_))),
            "{wrong}"
        );
    }
}
