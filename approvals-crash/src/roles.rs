//! The roles in which the harness starts itself again.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use approvals_core::RequestStore;
use approvals_testing::wrapping::Wrapping;

use crate::files::Directory;
use crate::flaw::Flaw;
use crate::place::{Backend, Place};
use crate::point::{Point, Points};
use crate::points::PointedStore;
use crate::{Failure, agent, operator, races, reviewer};

/// How long a process tries to open its store while the server is down.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the harness tells a process that it starts.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    /// `agent`, `reviewer`, `operator` or `racer`.
    pub(crate) role: &'static str,
    /// Tells processes of one role apart.
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) files: Directory,
    pub(crate) seed: u64,
    pub(crate) point: Option<Point>,
    pub(crate) flaw: Option<Flaw>,
    /// Whether its gate has the required sink.
    pub(crate) sink: bool,
}

const ROLES: [&str; 4] = ["agent", "reviewer", "operator", "racer"];

impl Role {
    /// As the arguments of a process.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            self.role.into(),
            self.name.clone().into(),
            self.place.backend.to_string().into(),
            self.place.at.clone().into(),
            self.files.0.clone().into(),
            self.seed.to_string().into(),
        ];
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        arguments.push(or_none(self.point.as_ref().map(ToString::to_string)).into());
        arguments.push(or_none(self.flaw.map(|flaw| flaw.to_string())).into());
        arguments.push(self.sink.to_string().into());
        arguments
    }

    fn read(arguments: &[String]) -> Result<Option<Self>, Failure> {
        let Some(role) = arguments.first() else {
            return Ok(None);
        };
        let Some(role) = ROLES.into_iter().find(|known| known == role) else {
            return Ok(None);
        };
        let [_, name, backend, at, files, seed, point, flaw, sink] = arguments else {
            return Err(format!("the role `{role}` takes eight arguments").into());
        };
        let given = |text: &String| (text != "-").then(|| text.clone());
        Ok(Some(Self {
            role,
            name: name.clone(),
            place: Place {
                backend: backend.parse::<Backend>()?,
                at: at.clone(),
            },
            files: Directory(PathBuf::from(files)),
            seed: seed.parse()?,
            point: given(point).map(|point| point.parse()).transpose()?,
            flaw: given(flaw).map(|flaw| flaw.parse()).transpose()?,
            sink: sink.parse()?,
        }))
    }

    /// The store of this process, with its point and its flaw.
    pub(crate) async fn store(&self) -> Result<(Arc<dyn RequestStore>, Arc<Points>), Failure> {
        let inner = self.place.open_within(PATIENCE).await?;
        let points = Arc::new(Points::new(self.point.clone()));
        let store = Wrapping(PointedStore {
            inner,
            points: Arc::clone(&points),
            flaw: self.flaw,
        });
        Ok((Arc::new(store), points))
    }
}

/// Plays the role that the arguments name; `None` when they name none.
///
/// # Errors
/// When the process cannot go on.
pub fn play(arguments: &[String]) -> Option<Result<(), Failure>> {
    let role = match Role::read(arguments) {
        Ok(role) => role?,
        Err(error) => return Some(Err(error)),
    };
    if role.role != "racer" {
        end_with_harness();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    Some(match runtime {
        Ok(runtime) => runtime.block_on(async {
            match role.role {
                "agent" => agent::run(role).await,
                "reviewer" => reviewer::run(role).await,
                "operator" => operator::run(role).await,
                _ => races::racer::run(role).await,
            }
        }),
        Err(error) => Err(error.into()),
    })
}

/// A process whose harness was killed ends as well: nobody writes to its input, so that it only
/// ever ends.
fn end_with_harness() {
    std::thread::spawn(|| {
        let mut nothing = [0];
        // However reading ended, nobody is there any more.
        let _ = std::io::stdin().read(&mut nothing);
        std::process::exit(0);
    });
}

/// Tells the harness that the process has begun to work.
pub(crate) fn ready() {
    println!("ready");
}
