//! The server is crashed in the ways that it is meant for, and is there again.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::*;

/// `None` where there is no server. Says so on the real standard error.
fn server() -> Option<PrivateServer> {
    match PrivateServer::start() {
        Ok(server) => Some(server),
        Err(StartError::NotInstalled) => {
            assert!(
                std::env::var_os("APPROVALS_POSTGRES_REQUIRED").is_none(),
                "tests of PostgreSQL are required, but it is not installed"
            );
            let why = "SKIPPED: a test of PostgreSQL, since it is not installed";
            let _ = writeln!(std::io::stderr(), "{why}");
            None
        }
        Err(StartError::Failed(error)) => panic!("{error}"),
    }
}

/// A connection, and the process that serves it.
fn connected(server: &PrivateServer) -> (UnixStream, u32) {
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    let mut startup = vec![0, 3, 0, 0];
    startup.extend(b"user\0postgres\0database\0postgres\0\0");
    let length = u32::try_from(startup.len() + 4).unwrap();
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(&startup).unwrap();
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head).unwrap();
        let [kind, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap();
        let mut body = vec![0; length - 4];
        stream.read_exact(&mut body).unwrap();
        // BackendKeyData: the process and its secret.
        if kind == b'K' {
            let process = u32::from_be_bytes(body[..4].try_into().unwrap());
            return (stream, process);
        }
    }
}

fn signal(process: u32, signal: &str) {
    let process = process.to_string();
    let sent = Command::new("kill").args([signal, &process]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn nothing_of_a_server_is_left_behind_when_it_is_crashed() {
    let Some(server) = server() else { return };
    let connections: Vec<_> = (0..8).map(|_| connected(&server)).collect();
    let postmaster = server.running().as_ref().unwrap().server;
    server.crash().unwrap();
    assert!(!process::is_alive(postmaster));
    for (_, process) in connections {
        assert!(!process::is_alive(process));
    }
    server.restart().unwrap();
    drop(connected(&server));
}

#[test]
fn a_server_starts_as_soon_as_the_last_process_of_the_crashed_one_is_gone() {
    let Some(server) = server() else { return };
    let (_connection, orphan) = connected(&server);
    // It stands still, so that it does not notice that the others are gone.
    signal(orphan, "-STOP");
    let mut running = server.running().take().unwrap();
    signal(running.server, "-KILL");
    running.input.write_all(b"keep\n").unwrap();
    running.keeper.wait().unwrap();
    std::thread::scope(|scope| {
        let started = scope.spawn(|| server.restart());
        let refused = "is still in use";
        while !server.log().contains(refused) && !started.is_finished() {
            std::thread::yield_now();
        }
        signal(orphan, "-KILL");
        started.join().unwrap().unwrap();
    });
    drop(connected(&server));
}
