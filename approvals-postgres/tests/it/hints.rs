//! Hints that do not come as they were sent: a yes is found all the same.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use approvals_core::memory::{InMemoryApprover, InMemoryDirectory};
use approvals_core::review::Choice;
use approvals_core::{Gate, Kind, Phase, RedactionKey, RequestStore, Requirement};
use approvals_testing::sample::REVIEWERS;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::timeout;

use crate::support::{PATIENCE, Place, done, sample, vote};

/// What becomes of hints on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hinting {
    Dropped,
    Doubled,
    /// Each two in the other order; one that stays alone never comes.
    Swapped,
    /// Each comes when two more have been sent.
    Late,
}

/// What the server says of a notification.
const NOTIFICATION: u8 = b'A';

/// A way to the server of a URL that mangles hints, and nothing else.
async fn mangling(url: &str, hinting: Hinting) -> String {
    let options: PgConnectOptions = url.parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            if let Some(socket) = options.get_socket() {
                let socket = socket.join(format!(".s.PGSQL.{}", options.get_port()));
                let server = UnixStream::connect(socket).await.unwrap();
                let (from, to) = server.into_split();
                carry(client, from, to, hinting);
            } else {
                let server = TcpStream::connect((options.get_host(), options.get_port()));
                let (from, to) = server.await.unwrap().into_split();
                carry(client, from, to, hinting);
            }
        }
    });
    format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
}

fn carry<F, T>(client: TcpStream, mut from_server: F, mut to_server: T, hinting: Hinting)
where
    F: AsyncRead + Send + Unpin + 'static,
    T: tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut from_client, mut to_client) = client.into_split();
    tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
    tokio::spawn(async move {
        let mut held = VecDeque::new();
        while let Ok(message) = next_message(&mut from_server).await {
            for message in mangled(message, hinting, &mut held) {
                if to_client.write_all(&message).await.is_err() {
                    return;
                }
            }
        }
    });
}

/// A message of the server: its kind, the length of the rest, the rest.
async fn next_message(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message).await?;
    let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]);
    message.resize(usize::try_from(length).unwrap() + 1, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}

fn mangled(message: Vec<u8>, hinting: Hinting, held: &mut VecDeque<Vec<u8>>) -> Vec<Vec<u8>> {
    if message[0] != NOTIFICATION {
        return vec![message];
    }
    match hinting {
        Hinting::Dropped => Vec::new(),
        Hinting::Doubled => vec![message.clone(), message],
        Hinting::Swapped => match held.pop_front() {
            Some(before) => vec![message, before],
            None => {
                held.push_back(message);
                Vec::new()
            }
        },
        Hinting::Late => {
            held.push_back(message);
            let late = held.len().saturating_sub(2);
            held.drain(..late).collect()
        }
    }
}

/// Three calls wait in one process; people say yes to two of them in another, and no to one.
async fn every_decision_is_found(hinting: Hinting) {
    let Some(place) = Place::new() else { return };
    let direct = place.store().await;
    let through = Place {
        url: mangling(&place.url, hinting).await,
        ..place
    };
    let directory = InMemoryDirectory::new();
    directory.person("alice", [REVIEWERS]).unwrap();
    directory.person("bob", ["agents-owners"]).unwrap();
    let approver = InMemoryApprover::new();
    let gate = Gate::builder(through.store().await, Arc::new(directory))
        .policy("sample", Requirement::one_of(REVIEWERS).unwrap())
        .approver("memory", approver.connect())
        .redaction_key(RedactionKey::random().unwrap())
        .build()
        .await
        .unwrap();
    let mut calls = Vec::new();
    for choice in [Choice::Approve, Choice::Deny, Choice::Approve] {
        let key = format!("step-{}", calls.len());
        let sample = sample(&direct).await.table(&key).key(&key);
        let ran = Arc::new(AtomicUsize::new(0));
        let call = tokio::spawn({
            let (gate, ran) = (gate.clone(), Arc::clone(&ran));
            async move {
                let permit = gate.authorize(sample.call()).await?;
                let permit = permit.start(&sample.call()).await?;
                ran.fetch_add(1, Ordering::SeqCst);
                permit.finish(true).await;
                Ok::<_, approvals_core::ApprovalError>(())
            }
        });
        let asked = timeout(PATIENCE, approver.next()).await.unwrap();
        calls.push((asked.id(), choice, ran, call));
    }
    for (id, choice, ..) in &calls {
        let pending = direct.read(*id).await.unwrap().unwrap().record;
        done(&direct, *id, &vote(&pending, "alice", *choice)).await;
    }
    for (id, choice, ran, call) in calls {
        let came = timeout(PATIENCE, call).await.unwrap().unwrap();
        let stands = direct.read(id).await.unwrap().unwrap().record;
        let runs = ran.load(Ordering::SeqCst);
        if choice == Choice::Approve {
            came.unwrap();
            assert_eq!((runs, stands.state.phase()), (1, Phase::Succeeded));
        } else {
            assert_eq!(came.unwrap_err().kind(), Kind::Denied);
            assert_eq!((runs, stands.state.phase()), (0, Phase::Denied));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_of_another_process_is_found_without_its_hint() {
    every_decision_is_found(Hinting::Dropped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_of_another_process_that_come_twice_start_nothing_twice() {
    every_decision_is_found(Hinting::Doubled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_of_another_process_in_another_order_are_as_good() {
    every_decision_is_found(Hinting::Swapped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_of_another_process_that_come_late_keep_nobody_waiting() {
    every_decision_is_found(Hinting::Late).await;
}
