//! Which gate does which kind of background work, of all that share the file.

use std::time::Duration;

use approvals_core::OwnerId;
use approvals_core::store::Duty;

use crate::opening::bounded;
use crate::rows;
use crate::script::Script;
use crate::transaction::{Failure, Transaction};

pub(crate) const HOLDER: &str = "SELECT owner, until FROM duties WHERE duty = ?";

/// Takes a duty, keeps it or gives it up, and says whether this gate has it then. The lock on
/// writing is held, so that what was read stands until the commit.
pub(crate) fn lease(
    transaction: &mut Transaction<'_>,
    duty: &Duty,
    owner: OwnerId,
    lease: Duration,
) -> Result<bool, Failure> {
    let now = transaction.now()?;
    let mut read = Script::new(HOLDER);
    read.bind(duty.to_string());
    let holder = read.row(transaction.connection)?;
    let ours = match &holder {
        Some(row) => rows::value::<&[u8]>(row, "owner")? == owner.to_bytes(),
        None => false,
    };
    if let Some(row) = &holder
        && !ours
        && rows::time(row, "until")? > now
    {
        return Ok(false);
    }
    if lease.is_zero() && !ours {
        return Ok(false);
    }
    let mut script = Script::default();
    if lease.is_zero() {
        script
            .add("; DELETE FROM duties WHERE duty = ?")
            .bind(duty.to_string());
    } else {
        script
            .add("; INSERT INTO duties (duty, owner, until) VALUES (?, ?, ?) ON CONFLICT (duty) DO UPDATE SET owner = excluded.owner, until = excluded.until")
            .bind(duty.to_string())
            .bind(owner.to_bytes().to_vec())
            .bind(bounded(now.plus(lease)));
    }
    transaction.write(script)?;
    Ok(!lease.is_zero())
}
