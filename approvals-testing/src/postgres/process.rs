//! Processes that are not our children, by what the kernel says of them.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a process may take to stand still or to end once it was told to. One that waits for a
/// busy disk ends when the disk has answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether there is such a process, and it has not ended. One whose parent has not asked how it
/// ended yet holds nothing any more.
pub(super) fn is_alive(process: u32) -> bool {
    !matches!(state(process), None | Some('Z' | 'X'))
}

/// Kills a process and those that it has started, and returns when all of them are gone.
pub(super) fn kill_family(parent: u32) -> io::Result<()> {
    // Stopped, it starts no further ones, and those that end stay listed.
    signal("-STOP", &[parent])?;
    until(
        "stop",
        || !matches!(state(parent), Some(state) if !"TZX".contains(state)),
    )?;
    let children = children(parent);
    let family: Vec<u32> = std::iter::once(parent).chain(children).collect();
    signal("-KILL", &family)?;
    // What is left behind, if only for a moment, holds the memory that they shared.
    until("end", || !family.iter().copied().any(is_alive))
}

fn children(parent: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let listed = listed.unwrap_or_default();
    listed
        .split_whitespace()
        .filter_map(|id| id.parse().ok())
        .collect()
}

fn signal(which: &str, processes: &[u32]) -> io::Result<()> {
    // That some of them are gone already is no failure.
    Command::new("kill")
        .arg(which)
        .args(processes.iter().map(ToString::to_string))
        .stderr(Stdio::null())
        .status()
        .map(drop)
}

/// A letter, or nothing where there is no such process.
fn state(process: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // What it is called stands in brackets before its state.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.chars().next()
}

fn until(what: &str, reached: impl Fn() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        if Instant::now() > deadline {
            let why = format!("a process of the server did not {what} within {PATIENCE:?}");
            return Err(io::Error::other(why));
        }
        sleep(Duration::from_millis(1));
    }
    Ok(())
}
