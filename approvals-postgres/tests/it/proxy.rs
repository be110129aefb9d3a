//! A network between a store and its server that can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// It carries.
    Open,
    /// It carries nothing, and says nothing of it.
    Stalled,
    /// It breaks when the next commit is asked for, before that reaches the server.
    BreaksBeforeCommit,
    /// It breaks when the next commit was carried out, before the answer.
    BreaksAfterCommit,
}

/// A proxy before the server of a URL.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    network: watch::Sender<Network>,
    answers: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(crate) async fn before(url: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let network = watch::Sender::new(Network::Open);
        let answers = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn({
            let (network, answers) = (network.clone(), Arc::clone(&answers));
            async move {
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    let (network, answers) = (network.clone(), Arc::clone(&answers));
                    tokio::spawn(carry_to(client, options.clone(), network, answers));
                }
            }
        });
        Self {
            port,
            network,
            answers,
            task,
        }
    }

    /// How many answers of the server it has carried since it was last asked.
    pub(crate) fn answers(&self) -> usize {
        self.answers.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// Whether what was set to break has broken.
    pub(crate) fn has_broken(&self) -> bool {
        *self.network.borrow() == Network::Open
    }
}

async fn carry_to(
    client: TcpStream,
    options: PgConnectOptions,
    network: watch::Sender<Network>,
    answers: Arc<AtomicUsize>,
) {
    let host = options.get_host();
    if let Some(socket) = options.get_socket() {
        let socket = socket.join(format!(".s.PGSQL.{}", options.get_port()));
        if let Ok(server) = UnixStream::connect(socket).await {
            carry(client, server, network, &answers).await;
        }
    } else if let Ok(server) = TcpStream::connect((host, options.get_port())).await {
        carry(client, server, network, &answers).await;
    }
}

/// Whether this is committed when it was carried out: it ends with `COMMIT`, or it is given the
/// channel of the notifications that a swap in one statement sends.
fn commits(sent: &[u8]) -> bool {
    let is_bound = sent.starts_with(b"B");
    sent.windows(7).any(|word| word == b"COMMIT\0")
        || is_bound && sent.windows(10).any(|word| word == b"approvals_")
}

/// What an answer of the server ends with, but for a byte: `ReadyForQuery`.
const END: &[u8] = b"Z\0\0\0\x05";

async fn carry<S>(
    mut client: TcpStream,
    mut server: S,
    network: watch::Sender<Network>,
    answers: &AtomicUsize,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut changes = network.subscribe();
    let (mut from_client, mut from_server) = ([0; 16_384], [0; 16_384]);
    let mut committing = false;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                changes.wait_for(|now| *now != Network::Stalled).await.unwrap();
                let sent = &from_client[..length];
                if commits(sent) {
                    committing = *network.borrow() == Network::BreaksAfterCommit;
                    if *network.borrow() == Network::BreaksBeforeCommit {
                        network.send_replace(Network::Open);
                        return;
                    }
                }
                if server.write_all(sent).await.is_err() { return }
            }
            read = server.read(&mut from_server) => {
                let Ok(length @ 1..) = read else { return };
                if committing {
                    network.send_replace(Network::Open);
                    return;
                }
                changes.wait_for(|now| *now != Network::Stalled).await.unwrap();
                if from_server[..length - 1].ends_with(END) {
                    answers.fetch_add(1, Ordering::SeqCst);
                }
                if client.write_all(&from_server[..length]).await.is_err() { return }
            }
        }
    }
}
