//! Pages of the list: each is found by an index, however many requests there are.

use approvals_core::store::Filter;
use approvals_core::{Phase, RequestId};

use crate::script::Script;

/// Every phase, for a list that is ordered within each.
const PHASES: [Phase; 12] = [
    Phase::Pending,
    Phase::Approved,
    Phase::Claimed,
    Phase::Executing,
    Phase::Succeeded,
    Phase::Failed,
    Phase::InDoubt,
    Phase::Denied,
    Phase::Withdrawn,
    Phase::Expired,
    Phase::Revoked,
    Phase::Lapsed,
];

/// The statement for one page.
///
/// It goes through the most selective index in the order of ids. Where an index is ordered by phase
/// or by being finished first, each part of it is asked for a page, and the first of all are taken.
pub(crate) fn page(filter: &Filter, after: Option<RequestId>, limit: usize) -> Script {
    let phases: &[Phase] = if filter.phases.is_empty() {
        &PHASES
    } else {
        &filter.phases
    };
    let mut page = Page {
        script: Script::new("SELECT id, record FROM ("),
        between: "",
        changed: filter.changed,
        after: after.map_or(Vec::new(), |id| id.to_bytes().to_vec()),
        limit: i64::try_from(limit).unwrap_or(i64::MAX),
    };
    if filter.review_owed {
        page.that_owe(filter);
    } else if let Some(principal) = &filter.requester {
        for finished in [false, true] {
            let phases = phases.iter().filter(|phase| phase.is_final() == finished);
            let phases: Vec<Phase> = phases.copied().collect();
            if !phases.is_empty() {
                page.of_principal(filter, &principal.to_string(), finished, &phases);
            }
        }
    } else if let Some(action) = &filter.action {
        for phase in phases {
            page.of_action(action.as_str(), *phase);
        }
    } else if filter.phases.is_empty() {
        page.of_all();
    } else {
        for phase in phases {
            page.of_phase(*phase);
        }
    }
    page.finish()
}

/// A page in the making: the union of its parts.
struct Page {
    script: Script,
    between: &'static str,
    changed: bool,
    after: Vec<u8>,
    limit: i64,
}

impl Page {
    /// Begins a part.
    fn part(&mut self, sql: &'static str) -> &mut Script {
        self.script
            .add(self.between)
            .add("SELECT id, record FROM (");
        self.between = " UNION ALL ";
        self.script.add(sql)
    }

    /// Ends a part, which is not longer than the page.
    fn end(&mut self) {
        self.if_changed();
        self.script.add(" ORDER BY r.id LIMIT ?)").bind(self.limit);
    }

    fn if_changed(&mut self) {
        if self.changed {
            self.script.add(" AND r.revision > 1");
        }
    }

    fn finish(mut self) -> Script {
        self.script.add(") ORDER BY id LIMIT ?").bind(self.limit);
        self.script
    }

    fn of_all(&mut self) {
        let after = self.after.clone();
        self.part("SELECT r.id, r.record FROM requests r INDEXED BY requests_by_id WHERE r.id > ?")
            .bind(after);
        self.end();
    }

    fn of_phase(&mut self, phase: Phase) {
        let after = self.after.clone();
        self.part("SELECT r.id, r.record FROM requests r INDEXED BY requests_by_phase WHERE r.phase = ? AND r.id > ?")
            .bind_text(phase.as_str())
            .bind(after);
        self.end();
    }

    fn of_action(&mut self, action: &str, phase: Phase) {
        let after = self.after.clone();
        self.part("SELECT r.id, r.record FROM requests r INDEXED BY requests_by_action WHERE r.action = ? AND r.phase = ? AND r.id > ?")
            .bind(action.to_owned())
            .bind_text(phase.as_str())
            .bind(after);
        self.end();
    }

    fn of_principal(&mut self, filter: &Filter, principal: &str, finished: bool, phases: &[Phase]) {
        let (after, limit) = (self.after.clone(), self.limit);
        let script = self.part("SELECT r.id, r.record FROM principals p CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = p.request WHERE p.principal = ? AND p.finished = ? AND p.request > ?");
        script.bind(principal.to_owned()).bind(finished).bind(after);
        phase_in(script, phases);
        action_is(script, filter);
        self.if_changed();
        self.script.add(" ORDER BY p.request LIMIT ?)").bind(limit);
    }

    fn that_owe(&mut self, filter: &Filter) {
        let after = self.after.clone();
        let script = self.part("SELECT r.id, r.record FROM requests r INDEXED BY requests_that_owe WHERE r.review_owed = 1 AND r.id > ?");
        script.bind(after);
        if !filter.phases.is_empty() {
            phase_in(script, &filter.phases);
        }
        action_is(script, filter);
        if let Some(principal) = &filter.requester {
            script
                .add(" AND EXISTS (SELECT 1 FROM principals p WHERE p.principal = ? AND p.finished = r.finished AND p.request = r.id)")
                .bind(principal.to_string());
        }
        self.end();
    }
}

fn phase_in(script: &mut Script, phases: &[Phase]) {
    script.add(" AND r.phase IN (");
    let mut between = "";
    for phase in phases {
        script.add(between).add("?").bind_text(phase.as_str());
        between = ", ";
    }
    script.add(")");
}

fn action_is(script: &mut Script, filter: &Filter) {
    if let Some(action) = &filter.action {
        script
            .add(" AND r.action = ?")
            .bind(action.as_str().to_owned());
    }
}
