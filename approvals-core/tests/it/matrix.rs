//! Function shapes against everything that can happen to a call: the body runs in one column only.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests stop at what they did not expect"
)]

mod people;
pub(crate) mod probe;
mod shapes;
mod world;

use approvals_core::{ApprovalError, Kind, Phase, What};

use self::people::{People, Running};
use self::probe::{Probe, RESULT};
use self::shapes::Shape;
use self::world::{Harm, Way, World};

/// Everything that can happen to a call, and what its caller is told.
fn columns() -> Vec<Column> {
    use Harm as H;
    use People as P;
    use Told::{Nothing, Ran, Refused};
    vec![
        column("approved", H::None, P::Approve, Ran),
        column("denied", H::None, P::Deny, Refused(Kind::Denied)),
        column("timed out", H::None, P::SayNothing, Refused(Kind::TimedOut)),
        column("withdrawn", H::None, P::Withdraw, Refused(Kind::Withdrawn)),
        column("caller cancelled", H::None, P::Cancel, Nothing),
        column(
            "caller cancelled between claim and start",
            H::Holds(claimed),
            P::ApproveAndCancel,
            Nothing,
        ),
        column(
            "caller cancelled while it is started",
            H::HoldsAfterwards(Phase::Executing),
            P::ApproveAndCancel,
            Nothing,
        ),
        column("no gate", H::None, P::NoGate, Refused(Kind::Invalid)),
        column(
            "no requester",
            H::None,
            P::NoRequester,
            Refused(Kind::Invalid),
        ),
        column(
            "policy unknown",
            H::PolicyUnknown,
            P::Approve,
            Refused(Kind::Invalid),
        ),
        column(
            "policy panics",
            H::PolicyPanics,
            P::Approve,
            Refused(Kind::Unavailable),
        ),
        column(
            "policy denies",
            H::PolicyDenies,
            P::Approve,
            Refused(Kind::DeniedByPolicy),
        ),
        column(
            "channel fails",
            H::ChannelFails,
            P::Approve,
            Refused(Kind::Unavailable),
        ),
        column(
            "store fails to open",
            H::OpeningFails,
            P::Approve,
            Refused(Kind::Unavailable),
        ),
        column(
            "store fails to claim",
            H::SwapFails(Phase::Claimed),
            P::Approve,
            Refused(Kind::Unavailable),
        ),
        column(
            "store fails to start",
            H::SwapFails(Phase::Executing),
            P::Approve,
            Refused(Kind::Unavailable),
        ),
        column(
            "store claims and fails",
            H::SwapFailsAfterwards(Phase::Claimed),
            P::Approve,
            Refused(Kind::Unavailable),
        ),
        column(
            "store starts and fails",
            H::SwapFailsAfterwards(Phase::Executing),
            P::Approve,
            Refused(Kind::Unavailable),
        ),
        column(
            "sink fails at the request",
            H::SinkFails(requested),
            P::Approve,
            Refused(Kind::Unavailable),
        ),
        column(
            "sink fails at the decision",
            H::SinkFails(approved),
            P::Approve,
            Refused(Kind::Unavailable),
        ),
        column(
            "sink fails at the claim",
            H::SinkFails(claimed),
            P::Approve,
            Refused(Kind::Unavailable),
        ),
        column(
            "arguments changed while people were asked",
            H::None,
            P::ChangeAndApprove,
            Refused(Kind::Changed),
        ),
        column(
            "arguments changed after the yes",
            H::Change(approved),
            P::Approve,
            Refused(Kind::Changed),
        ),
        column(
            "arguments changed after the claim",
            H::Change(claimed),
            P::Approve,
            Refused(Kind::Changed),
        ),
        column(
            "frozen before the call",
            H::None,
            P::FreezeFirst,
            Refused(Kind::Frozen),
        ),
        column(
            "frozen while people were asked",
            H::None,
            P::FreezeAndApprove,
            Refused(Kind::Frozen),
        ),
        column(
            "frozen before the claim",
            H::Freeze(approved),
            P::Approve,
            Refused(Kind::Frozen),
        ),
        column(
            "frozen between claim and start",
            H::Freeze(claimed),
            P::Approve,
            Refused(Kind::Frozen),
        ),
        column(
            "revoked before the claim",
            H::Revoke(approved),
            P::Approve,
            Refused(Kind::Revoked),
        ),
        column(
            "revoked between claim and start",
            H::Revoke(claimed),
            P::Approve,
            Refused(Kind::Revoked),
        ),
        column(
            "reviewer gone at the claim",
            H::ReviewerLeaves(approved),
            P::Approve,
            Refused(Kind::NoLongerApproved),
        ),
    ]
}

fn requested(what: &What) -> bool {
    matches!(what, What::Requested { .. })
}

fn approved(what: &What) -> bool {
    matches!(what, What::Approved)
}

fn claimed(what: &What) -> bool {
    matches!(what, What::Claimed { .. })
}

struct Column {
    name: &'static str,
    harm: Harm,
    people: People,
    told: Told,
}

const fn column(name: &'static str, harm: Harm, people: People, told: Told) -> Column {
    Column {
        name,
        harm,
        people,
        told,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Ran,
    Refused(Kind),
    Nothing,
}

impl From<Result<u64, ApprovalError>> for Told {
    fn from(result: Result<u64, ApprovalError>) -> Self {
        match result {
            Ok(result) => {
                assert_eq!(result, RESULT);
                Self::Ran
            }
            Err(error) => Self::Refused(error.kind()),
        }
    }
}

/// What a cell came to.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    cell: (&'static str, &'static str),
    told: Told,
    /// How many starts the trail tells of, where the caller left with a yes.
    starts: Option<usize>,
    bodies: usize,
}

async fn play(column: &Column, shape: &Shape, way: Way) -> Seen {
    let probe = Probe::new();
    let world = World::new(column.harm, &probe, way).await;
    if column.people == People::FreezeFirst {
        world.freeze().await;
    }
    let call = shape.call(probe.naming(&world.gate, &world.requester));
    let mut call: Running<'_> = match column.people {
        People::NoGate => world.in_requester(call),
        People::NoRequester => world.in_gate(shape, call),
        _ => world.in_gate(shape, world.in_requester(call)),
    };
    let told = tokio::select! {
        biased;
        told = &mut call => told.into(),
        () = world.answer(column.people, &probe) => Told::Nothing,
    };
    drop(call);
    world.approve_what_was_left().await;
    world.end().await;
    let bodies = probe.bodies();
    // Invariant 11: no body without a record that says so first.
    assert!(bodies == 0 || world.started() > 0, "{}", shape.name);
    let left = column.people == People::ApproveAndCancel;
    let starts = left.then(|| world.started());
    Seen {
        cell: (column.name, shape.name),
        told,
        starts,
        bodies,
    }
}

/// How many starts the trail tells of, where the caller leaves with a yes.
const fn starts(column: &Column) -> Option<usize> {
    match column.harm {
        Harm::Holds(_) => Some(0),
        // Nobody heard of it: it was started, and no body runs.
        Harm::HoldsAfterwards(_) => Some(1),
        _ => None,
    }
}

/// Whether there is such a call: one that names its gate cannot be without.
fn exists(column: &Column, shape: &Shape) -> bool {
    match column.people {
        People::NoGate => !shape.has_own_gate,
        People::NoRequester => !shape.has_own_requester,
        _ => true,
    }
}

/// Whether this can happen where one commit claims and starts: a request is never claimed without
/// being started, and no sink is waited for.
const fn exists_in_one_commit(column: &Column) -> bool {
    !matches!(
        column.harm,
        Harm::SwapFails(Phase::Claimed)
            | Harm::SwapFailsAfterwards(Phase::Claimed)
            | Harm::SinkFails(_)
    )
}

async fn play_all(columns: &[Column], way: Way) {
    let shapes = shapes::all();
    assert!(columns.len() >= 10 && shapes.len() >= 24);
    let mut otherwise = Vec::new();
    for column in columns {
        for shape in shapes.iter().filter(|shape| exists(column, shape)) {
            let seen = play(column, shape, way).await;
            let wanted = Seen {
                cell: (column.name, shape.name),
                told: column.told,
                starts: starts(column),
                bodies: usize::from(column.name == "approved"),
            };
            if seen != wanted {
                otherwise.push(seen);
            }
        }
    }
    assert_eq!(otherwise, []);
}

#[tokio::test(start_paused = true)]
async fn the_body_runs_in_the_approved_column_and_in_no_other() {
    play_all(&columns(), Way::TwoCommits).await;
}

#[tokio::test(start_paused = true)]
async fn where_one_commit_claims_and_starts_the_body_runs_in_no_other_column_either() {
    let mut columns = columns();
    columns.retain(exists_in_one_commit);
    play_all(&columns, Way::OneCommit).await;
}
