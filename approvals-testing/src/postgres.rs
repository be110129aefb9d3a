//! A PostgreSQL server of a test's own, which can be crashed and started again.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long the server may take to start, after a crash too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the server until its input ends, which it also does when the test's process is killed.
const KEEPER: &str = r#"
directory=$1; shift
"$@" </dev/null >>"$directory/log" 2>&1 &
server=$!
echo $server
read -r ending
kill -9 $server 2>/dev/null
wait
[ "$ending" = keep ] || rm -rf "$directory"
"#;

/// Why there is no server.
#[derive(Debug)]
pub enum StartError {
    /// `initdb` and `postgres` are neither in the path nor where distributions put them.
    NotInstalled,
    /// They are, but do not do what they should.
    Failed(io::Error),
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// A server in a directory of its own, reached by a socket in it. Ends with this value, or with
/// the process.
#[derive(Debug)]
pub struct PrivateServer {
    directory: PathBuf,
    binaries: PathBuf,
    /// Who runs it: PostgreSQL refuses to be run by root.
    user: Option<(u32, u32)>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    keeper: Child,
    input: ChildStdin,
    server: u32,
}

impl PrivateServer {
    /// Makes a new, empty server and starts it.
    ///
    /// # Errors
    /// [`StartError::NotInstalled`] when its programs are not there.
    pub fn start() -> Result<Self, StartError> {
        let binaries = binaries().ok_or(StartError::NotInstalled)?;
        let user = other_user()?;
        let directory = new_directory()?;
        if let Some((uid, gid)) = user {
            chown(&directory, Some(uid), Some(gid))?;
        }
        let server = Self {
            directory,
            binaries,
            user,
            running: Mutex::new(None),
        };
        let made = server
            .command("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--no-locale", "--no-sync", "--pgdata"])
            .arg(server.data())
            .output()?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(io::Error::other(format!("initdb: {said}")).into());
        }
        server.restart()?;
        Ok(server)
    }

    /// The URL of a database of it: `postgres` is always there.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@localhost:5432/{database}?host={}",
            self.directory.display()
        )
    }

    /// The socket that it listens on.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join(".s.PGSQL.5432")
    }

    /// Ends all its processes as a loss of power does: nothing is flushed, nobody is told.
    ///
    /// # Errors
    /// When they cannot be ended.
    pub fn crash(&self) -> io::Result<()> {
        let Some(mut running) = self.running().take() else {
            return Ok(());
        };
        // Stopped, it starts no further ones: what is left behind would hold its memory.
        stop(running.server)?;
        // Its children first noticed that it is gone a moment later.
        let children = format!("/proc/{0}/task/{0}/children", running.server);
        let children = fs::read_to_string(children).unwrap_or_default();
        Command::new("kill")
            .arg("-9")
            .arg(running.server.to_string())
            .args(children.split_whitespace())
            .stderr(Stdio::null())
            .status()?;
        running.input.write_all(b"keep\n")?;
        running.keeper.wait()?;
        Ok(())
    }

    /// Starts it on what it has, and returns when it takes connections.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.try_start(deadline) {
                Ok(running) => {
                    *self.running() = Some(running);
                    return Ok(());
                }
                // Processes of the server that crashed may still hold its memory.
                Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(20)),
                Err(error) => return Err(error),
            }
        }
    }

    fn try_start(&self, deadline: Instant) -> io::Result<Running> {
        let mut keeper = self
            .as_user(Command::new("sh"))
            .args(["-c", KEEPER, "sh"])
            .arg(&self.directory)
            .arg(self.binaries.join("postgres"))
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.directory)
            .args(["-c", "listen_addresses=", "-c", "max_connections=200"])
            .args(["-c", "port=5432", "-c", "shared_buffers=64MB"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("the server's keeper has no pipes");
        let mut input = keeper.stdin.take().ok_or_else(missing)?;
        let output = keeper.stdout.take().ok_or_else(missing)?;
        let mut server = String::new();
        BufReader::new(output).read_line(&mut server)?;
        let server: u32 = server.trim().parse().map_err(io::Error::other)?;
        while !self.is_ready(server) {
            // Its keeper has not looked after it yet where it ended by itself.
            let gone = matches!(state(server), None | Some('Z' | 'X'));
            if gone || Instant::now() >= deadline {
                input.write_all(b"keep\n")?;
                keeper.wait()?;
                let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let last = lines.len().saturating_sub(20);
                let said = lines.get(last..).unwrap_or_default().join("\n");
                return Err(io::Error::other(format!("postgres did not start: {said}")));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(Running {
            keeper,
            input,
            server,
        })
    }

    /// Whether its lock file says so: process, …, state.
    fn is_ready(&self, server: u32) -> bool {
        let lock = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = lock.lines();
        let ours = lines.next() == Some(&server.to_string());
        ours && lines.last().is_some_and(|state| state.trim() == "ready")
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn command(&self, program: &str) -> Command {
        self.as_user(Command::new(self.binaries.join(program)))
    }

    fn as_user(&self, mut command: Command) -> Command {
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command.current_dir(&self.directory);
        command
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        if let Some(running) = self.running().take() {
            let Running {
                mut keeper, input, ..
            } = running;
            // The end of its input ends it.
            drop(input);
            let _ = keeper.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Stops a process, and returns when it stands still.
fn stop(process: u32) -> io::Result<()> {
    Command::new("kill")
        .args(["-STOP", &process.to_string()])
        .stderr(Stdio::null())
        .status()?;
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let runs = state(process).is_some_and(|state| !matches!(state, 'T' | 'Z'));
        if !runs || Instant::now() > deadline {
            return Ok(());
        }
        sleep(Duration::from_millis(1));
    }
}

/// What a process does, as the system abbreviates it; nothing when it is gone.
fn state(process: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // What it is called stands in brackets before that.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.chars().next()
}

/// Where the server's programs are: the newest of those that distributions install, or the path.
fn binaries() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_unstable();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let both = |directory: &PathBuf| {
        directory.join("initdb").is_file() && directory.join("postgres").is_file()
    };
    let installed = found.into_iter().rev().map(|(_, directory)| directory);
    installed.chain(in_path).find(both)
}

/// Somebody who is not root, when we are.
fn other_user() -> io::Result<Option<(u32, u32)>> {
    let own = fs::metadata("/proc/self")?;
    if std::os::unix::fs::MetadataExt::uid(&own) != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| -> Option<(u32, u32)> {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres")
        .or_else(|| ids("nobody"))
        .map(Some)
        .ok_or_else(|| io::Error::other("neither `postgres` nor `nobody` is a user here"))
}

/// A directory that its user can be given. The path of a socket is short.
fn new_directory() -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let place = std::env::temp_dir();
    let place = if place.as_os_str().len() > 60 {
        PathBuf::from("/tmp")
    } else {
        place
    };
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = place.join(format!("approvals-pg-{}-{count}", std::process::id()));
        match fs::create_dir(&directory) {
            Ok(()) => {
                fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
                return Ok(directory);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it does while processes of the server that crashed still hold its memory.
    #[test]
    fn a_server_that_ends_by_itself_when_it_is_started_is_started_again() {
        let server = match PrivateServer::start() {
            Ok(server) => server,
            Err(StartError::NotInstalled) => return,
            Err(StartError::Failed(error)) => panic!("{error}"),
        };
        server.crash().unwrap();
        let needed = server.data().join("PG_VERSION");
        let away = server.data().join("away");
        fs::rename(&needed, &away).unwrap();
        std::thread::scope(|scope| {
            let restarting = scope.spawn(|| server.restart());
            let ended = || {
                let log = fs::read_to_string(server.directory.join("log")).unwrap();
                log.matches("not a valid data directory").count()
            };
            while ended() < 2 {
                assert!(!restarting.is_finished(), "it was started once");
                std::thread::yield_now();
            }
            fs::rename(&away, &needed).unwrap();
            restarting.join().unwrap().unwrap();
        });
    }
}
