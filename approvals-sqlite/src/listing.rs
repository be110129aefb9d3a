//! Pages of the list: each is found by an index, however many requests there are.

use std::collections::BTreeMap;

use approvals_core::store::Filter;
use approvals_core::{Phase, RequestId};

use crate::entries;
use crate::script::Script;

/// The statement for one page.
///
/// It goes through the most selective entries in the order of ids. Where they are ordered by phase or
/// by being finished first, each part of them is asked for a page, and the first of all are taken.
pub(crate) fn page(filter: &Filter, after: Option<RequestId>, limit: usize) -> Script {
    let phases: &[Phase] = if filter.phases.is_empty() {
        &entries::PHASES
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
    } else if filter.action.is_none() && filter.phases.is_empty() {
        page.of_all();
    } else {
        let runs: Vec<Phase> = phases
            .iter()
            .copied()
            .filter(|p| entries::runs(*p))
            .collect();
        if !runs.is_empty() {
            page.of_what_runs(filter, &runs);
        }
        for (part, phases) in parts(phases) {
            page.of_part(filter, part, &phases);
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

    /// Ends a part of entries, which is not longer than the page.
    fn end(&mut self) {
        self.if_changed();
        let limit = self.limit;
        self.script.add(" ORDER BY e.request LIMIT ?)").bind(limit);
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
        let limit = self.limit;
        self.part("SELECT r.id, r.record FROM requests r INDEXED BY requests_by_id WHERE r.id > ?")
            .bind(after);
        self.if_changed();
        self.script.add(" ORDER BY r.id LIMIT ?)").bind(limit);
    }

    /// What runs or is about to, which is never much.
    fn of_what_runs(&mut self, filter: &Filter, phases: &[Phase]) {
        let after = self.after.clone();
        let script = self.part("SELECT r.id, r.record FROM entries e CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = e.request WHERE e.kind = 3 AND e.value = '' AND e.request > ?");
        script.bind(after);
        phase_in(script, phases);
        action_is(script, filter);
        self.end();
    }

    /// What is in some of the phases that are one part of the list, of all or of an action.
    fn of_part(&mut self, filter: &Filter, part: i64, phases: &[Phase]) {
        let after = self.after.clone();
        let finished = phases.iter().any(|phase| phase.is_final());
        let (kind, value) = match &filter.action {
            None => (8, String::new()),
            Some(action) => (9, action.as_str().to_owned()),
        };
        let script = self.part("SELECT r.id, r.record FROM entries e CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = e.request WHERE e.kind = ? AND e.value = ? AND e.part = ? AND e.request > ?");
        script
            .bind(if finished { kind + 4 } else { kind })
            .bind(value)
            .bind(part)
            .bind(after);
        phase_in(script, phases);
        self.end();
    }

    fn of_principal(&mut self, filter: &Filter, principal: &str, finished: bool, phases: &[Phase]) {
        let after = self.after.clone();
        let script = self.part("SELECT r.id, r.record FROM entries e CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = e.request WHERE e.kind = ? AND e.value = ? AND e.part = 0 AND e.request > ?");
        script
            .bind(if finished { 14 } else { 10 })
            .bind(principal.to_owned())
            .bind(after);
        phase_in(script, phases);
        action_is(script, filter);
        self.end();
    }

    fn that_owe(&mut self, filter: &Filter) {
        let after = self.after.clone();
        let script = self.part("SELECT r.id, r.record FROM entries e CROSS JOIN requests r INDEXED BY requests_by_id ON r.id = e.request WHERE e.kind = 7 AND e.value = '' AND e.part = 0 AND e.request > ?");
        script.bind(after);
        if !filter.phases.is_empty() {
            phase_in(script, &filter.phases);
        }
        action_is(script, filter);
        if let Some(principal) = &filter.requester {
            script
                .add(" AND EXISTS (SELECT 1 FROM entries p WHERE p.kind IN (10, 14) AND p.value = ? AND p.part = 0 AND p.request = r.id)")
                .bind(principal.to_string());
        }
        self.end();
    }
}

/// The parts of the list that these phases are in, and which of them are in each. What runs is found
/// apart.
fn parts(phases: &[Phase]) -> BTreeMap<i64, Vec<Phase>> {
    let mut parts = BTreeMap::<i64, Vec<Phase>>::new();
    for phase in phases.iter().filter(|phase| !entries::runs(**phase)) {
        let part = parts.entry(entries::part(*phase)).or_default();
        if !part.contains(phase) {
            part.push(*phase);
        }
    }
    parts
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
