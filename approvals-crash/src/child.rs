//! Processes that are started to be killed.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Failure;
use crate::roles::Role;

const SIGABRT: i32 = 6;

/// A process in a role. Killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) role: Role,
    child: Child,
    ready: Arc<AtomicBool>,
    /// Its end ends the process, should the harness be killed itself.
    _input: Option<ChildStdin>,
}

impl Process {
    /// Starts `program` in a role.
    pub(crate) fn start(program: &Path, role: Role) -> Result<Self, Failure> {
        let mut child = Command::new(program)
            .args(role.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ready = Arc::new(AtomicBool::new(false));
        let output = child.stdout.take().ok_or("a process has no output")?;
        let says = Arc::clone(&ready);
        std::thread::spawn(move || {
            let mut line = String::new();
            let said = BufReader::new(output).read_line(&mut line);
            says.store(said.is_ok() && line.trim() == "ready", Ordering::Release);
        });
        Ok(Self {
            role,
            _input: child.stdin.take(),
            child,
            ready,
        })
    }

    /// Whether it has begun to work.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Whether it has ended at its point.
    ///
    /// # Errors
    /// When it has ended in another way.
    pub(crate) fn has_ended(&mut self) -> Result<bool, Failure> {
        match self.child.try_wait()? {
            None => Ok(false),
            Some(status) => self.at_point(status),
        }
    }

    /// Kills it, and waits until it is gone.
    ///
    /// # Errors
    /// When it had ended before, and not at its point.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        if self.has_ended()? {
            return Ok(());
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn at_point(&self, status: ExitStatus) -> Result<bool, Failure> {
        if self.role.point.is_some() && status.signal() == Some(SIGABRT) {
            return Ok(true);
        }
        let Role { role, name, .. } = &self.role;
        Err(format!("the {role} {name} ended by itself: {status}").into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
