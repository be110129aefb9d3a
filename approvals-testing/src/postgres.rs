//! A PostgreSQL server of a test's own, which can be crashed and started again.

mod place;
mod process;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
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
[ "$ending" = keep ] || kill -9 $server $(cat /proc/$server/task/$server/children) 2>/dev/null
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
    settings: Mutex<Vec<(String, String)>>,
    running: Mutex<Option<Running>>,
}

/// What a server begins with.
const SETTINGS: [(&str, &str); 4] = [
    ("listen_addresses", ""),
    ("port", "5432"),
    ("max_connections", "200"),
    ("shared_buffers", "64MB"),
];

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
        Self::make(&place::usual_place(), 16)
    }

    /// Makes a new, empty server in a new directory below this one, and starts it. Its log of what
    /// is to be written is in pieces of 1 MB, so that it needs little room.
    ///
    /// # Errors
    /// [`StartError::NotInstalled`] when its programs are not there.
    pub fn start_in(place: &Path) -> Result<Self, StartError> {
        Self::make(place, 1)
    }

    fn make(place: &Path, megabytes_of_log: u32) -> Result<Self, StartError> {
        let binaries = place::binaries().ok_or(StartError::NotInstalled)?;
        let user = place::other_user()?;
        let directory = place::new_directory(place)?;
        if let Some((uid, gid)) = user {
            chown(&directory, Some(uid), Some(gid))?;
        }
        let server = Self {
            directory,
            binaries,
            user,
            settings: Mutex::new(
                SETTINGS
                    .map(|(name, value)| (name.into(), value.into()))
                    .into(),
            ),
            running: Mutex::new(None),
        };
        let made = server
            .command("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--no-locale", "--no-sync"])
            .arg(format!("--wal-segsize={megabytes_of_log}"))
            .arg("--pgdata")
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
            "postgres://postgres@localhost:{}/{database}?host={}",
            self.port(),
            self.directory.display()
        )
    }

    /// The socket that it listens on.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join(format!(".s.PGSQL.{}", self.port()))
    }

    /// Gives it another setting, from its next start on.
    pub fn set(&self, name: &str, value: &str) {
        let mut settings = self.settings();
        settings.retain(|(known, _)| known != name);
        settings.push((name.to_owned(), value.to_owned()));
    }

    /// Has it listen on a free port of this machine as well, from its next start on, and returns
    /// the port.
    ///
    /// # Errors
    /// When there is none.
    pub fn listen(&self) -> io::Result<u16> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        self.set("listen_addresses", "127.0.0.1");
        self.set("port", &port.to_string());
        Ok(port)
    }

    /// Writes a file that only its user can read, and returns where it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, name: &str, contents: &str) -> io::Result<PathBuf> {
        let path = self.directory.join(name);
        fs::write(&path, contents)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        if let Some((uid, gid)) = self.user {
            chown(&path, Some(uid), Some(gid))?;
        }
        Ok(path)
    }

    /// Ends all its processes as a loss of power does: nothing is flushed, nobody is told.
    ///
    /// # Errors
    /// When they cannot be ended.
    pub fn crash(&self) -> io::Result<()> {
        let Some(mut running) = self.running().take() else {
            return Ok(());
        };
        // Left to themselves its processes would notice that it is gone a moment later.
        let killed = process::kill_family(running.server);
        running.input.write_all(b"keep\n")?;
        running.keeper.wait()?;
        killed
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
                // Whatever is in its way may be going: it refuses to start while a process of the
                // server that crashed is still attached to its memory.
                Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(20)),
                Err(error) => return Err(error),
            }
        }
    }

    fn try_start(&self, deadline: Instant) -> io::Result<Running> {
        let settings = self.settings().clone();
        let settings = settings
            .iter()
            .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]);
        let mut keeper = self
            .as_user(Command::new("sh"))
            .args(["-c", KEEPER, "sh"])
            .arg(&self.directory)
            .arg(self.binaries.join("postgres"))
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.directory)
            .args(settings)
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
            // The keeper asks how it ended when it is told to go on, and not before.
            let ended = !process::is_alive(server);
            if ended || Instant::now() >= deadline {
                input.write_all(b"keep\n")?;
                keeper.wait()?;
                return Err(self.not_started(ended));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(Running {
            keeper,
            input,
            server,
        })
    }

    /// With the end of its log, which says why.
    fn not_started(&self, ended: bool) -> io::Error {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.len().saturating_sub(30);
        let said = lines.get(last..).unwrap_or_default().join("\n");
        let how = if ended {
            "postgres ended while it started".to_owned()
        } else {
            format!("postgres does not take connections after {PATIENCE:?}")
        };
        io::Error::other(format!("{how}; the end of its log:\n{said}"))
    }

    /// Whether its lock file says so: process, …, state.
    fn is_ready(&self, server: u32) -> bool {
        let lock = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = lock.lines();
        let ours = lines.next() == Some(&server.to_string());
        ours && lines.last().is_some_and(|state| state.trim() == "ready")
    }

    /// What it has written of itself.
    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn settings(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.settings.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn port(&self) -> String {
        let settings = self.settings();
        let port = settings.iter().find(|(name, _)| name == "port");
        port.map_or_else(String::new, |(_, port)| port.clone())
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
