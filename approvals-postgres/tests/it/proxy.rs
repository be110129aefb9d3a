//! A network between a store and its server that can be cut.

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
    /// It breaks when the next `COMMIT` comes, before it reaches the server.
    BreaksBeforeCommit,
    /// It breaks when the next `COMMIT` was carried out, before the answer.
    BreaksAfterCommit,
}

/// A proxy before the server of a URL.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    network: watch::Sender<Network>,
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
        let task = tokio::spawn({
            let network = network.clone();
            async move {
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    tokio::spawn(carry_to(client, options.clone(), network.clone()));
                }
            }
        });
        Self {
            port,
            network,
            task,
        }
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

async fn carry_to(client: TcpStream, options: PgConnectOptions, network: watch::Sender<Network>) {
    let host = options.get_host();
    if let Some(socket) = options.get_socket() {
        let socket = socket.join(format!(".s.PGSQL.{}", options.get_port()));
        if let Ok(server) = UnixStream::connect(socket).await {
            carry(client, server, network).await;
        }
    } else if let Ok(server) = TcpStream::connect((host, options.get_port())).await {
        carry(client, server, network).await;
    }
}

async fn carry<S>(mut client: TcpStream, mut server: S, network: watch::Sender<Network>)
where
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
                if sent.windows(7).any(|word| word == b"COMMIT\0") {
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
                if client.write_all(&from_server[..length]).await.is_err() { return }
            }
        }
    }
}
