//! The report for people: one page that prints, without scripts and without anything from elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use approvals_core::RequestId;
use approvals_core::text::{Lines, escape};

use super::Evidence;
use super::contents::COMMAND;
use crate::checkpoint::Checkpoint;
use crate::export::account::{Account, Actor};

/// What the events of a bundle say.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The requests, in the order of their first events.
    requests: Vec<RequestId>,
    stories: HashMap<RequestId, Story>,
    /// Events about no request.
    others: String,
    kinds: BTreeMap<String, u64>,
    own_requests: u64,
}

/// One request.
#[derive(Debug, Default)]
struct Story {
    asked: String,
    rows: String,
}

const STYLE: &str = "body{font:11pt/1.4 serif;max-width:60em;margin:2em auto;padding:0 1em}\
h1,h2,h3{font-family:sans-serif;line-height:1.2}h2{margin-top:2em}\
table{border-collapse:collapse;width:100%;margin:.5em 0 1.5em}\
th,td{border:1px solid #999;padding:.2em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
th{background:#eee}code,pre{font:9pt/1.3 monospace;overflow-wrap:anywhere;white-space:pre-wrap}\
.context td{color:#666}section{break-inside:avoid-page}\
@media print{body{margin:0;max-width:none}}";

const HEADINGS: &str =
    "<tr><th>entry</th><th>time (UTC)</th><th>event</th><th>who</th><th>what</th></tr>\n";

/// Text as text: nothing of it is markup, and what would not show is shown.
fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in escape(text, Lines::Escape).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// The same with its lines.
fn lines(text_of: &str) -> String {
    let lines: Vec<_> = text_of.split('\n').map(text).collect();
    lines.join("\n")
}

impl Report {
    /// Events come in the order of their places.
    pub(super) fn add(&mut self, account: &Account<'_>, context: bool) {
        let row = row(account, context);
        if !context {
            *self
                .kinds
                .entry(account.event.clone().into_owned())
                .or_default() += 1;
            self.own_requests += u64::from(account.is_of_ones_own_request());
        }
        let Some(request) = account.recorded.request else {
            self.others.push_str(&row);
            return;
        };
        let story = self.stories.entry(request).or_insert_with(|| {
            self.requests.push(request);
            Story::default()
        });
        if story.asked.is_empty() {
            story.asked = asked(account);
        }
        story.rows.push_str(&row);
    }

    pub(super) fn page(
        &self,
        evidence: &Evidence,
        checkpoint: &Checkpoint,
        keys: &str,
        policies: &BTreeMap<String, Option<String>>,
    ) -> String {
        let control = &evidence.control;
        let title = format!("{} {}", control.id, control.title);
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{}: {}</h1>\n<p>{}</p>\n",
            text(&title),
            text(evidence.framework.title()),
            text(&title),
            text(control.shows),
        );
        if let Some(parameter) = control.parameter {
            push(&mut page, "p", &text(parameter));
        }
        let period = format!(
            "{} until {}, which is not in it",
            evidence.from, evidence.until
        );
        let facts = [
            ("period (UTC)", text(&period)),
            ("log", format!("<code>{}</code>", text(&checkpoint.origin))),
            ("entries that are signed", checkpoint.size.to_string()),
            (
                "root over them",
                format!("<code>{}</code>", checkpoint.root),
            ),
            (
                "signed by",
                format!("<code>{}</code>", lines(keys.trim_end())),
            ),
        ];
        page.push_str("<table>\n");
        for (name, value) in facts {
            let _ = writeln!(page, "<tr><th>{name}</th><td>{value}</td></tr>");
        }
        page.push_str("</table>\n");
        self.numbers(&mut page);
        page.push_str("<h2>Requests</h2>\n");
        if self.requests.is_empty() {
            push(&mut page, "p", "None.");
        }
        for request in &self.requests {
            let Some(story) = self.stories.get(request) else {
                continue;
            };
            let _ = writeln!(
                page,
                "<section>\n<h3>{request}</h3>\n{}<table>\n{HEADINGS}{}</table>\n</section>",
                story.asked, story.rows
            );
        }
        if !self.others.is_empty() {
            let rows = &self.others;
            let _ = writeln!(
                page,
                "<h2>Calls that policy decided, and the gate</h2>\n<table>\n{HEADINGS}{rows}</table>"
            );
        }
        policy_texts(&mut page, evidence, policies);
        verification(&mut page);
        page.push_str("</body>\n</html>\n");
        page
    }

    fn numbers(&self, page: &mut String) {
        page.push_str("<h2>In numbers</h2>\n<table>\n<tr><th>event</th><th>how often</th></tr>\n");
        for (kind, count) in &self.kinds {
            let _ = writeln!(page, "<tr><td>{}</td><td>{count}</td></tr>", text(kind));
        }
        let _ = writeln!(
            page,
            "<tr><td>requests that these are about</td><td>{}</td></tr>\n\
             <tr><td>votes on one's own request, which did not count</td><td>{}</td></tr>\n</table>",
            self.requests.len(),
            self.own_requests
        );
    }
}

/// A string takes whatever is written.
fn push(page: &mut String, tag: &str, content: &str) {
    let _ = writeln!(page, "<{tag}>{content}</{tag}>");
}

/// What a request asked.
fn asked(account: &Account<'_>) -> String {
    let call = &account.call;
    let mut facts: Vec<(&str, String)> = Vec::new();
    let mut fact = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    fact("action", call.action.as_deref().map(text));
    fact(
        "asked by",
        call.requester.map(|requester| text(&requester.to_string())),
    );
    fact("resource", call.resource.as_deref().map(text));
    fact("environment", call.environment.as_deref().map(text));
    fact("risk", call.risk.map(|risk| risk.to_string()));
    fact(
        "who has to agree",
        (!call.requirements.is_empty()).then(|| text(&call.requirements.join("; and "))),
    );
    fact(
        "because",
        call.reasons.map(|reasons| text(&reasons.to_string())),
    );
    fact("policy", call.policy.as_deref().map(text));
    fact("version of the policy", call.policy_version.map(text));
    fact(
        "digest",
        call.digest.map(|digest| format!("<code>{digest}</code>")),
    );
    fact(
        "shown to reviewers",
        call.shown.map(|shown| format!("<code>{shown}</code>")),
    );
    let mut table = "<table>\n".to_owned();
    for (name, value) in facts {
        let _ = writeln!(table, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    table.push_str("</table>\n");
    table
}

fn row(account: &Account<'_>, context: bool) -> String {
    let recorded = account.recorded;
    let mut who = match account.actor {
        Actor::Gate => "the gate".to_owned(),
        Actor::Person(person) => text(person.as_str()),
        Actor::Stranger => "nobody whom the directory knew".to_owned(),
        Actor::Requester => account.call.requester.map_or_else(
            || "unknown".to_owned(),
            |requester| text(&requester.to_string()),
        ),
    };
    if let Some(identity) = account.identity {
        let _ = write!(who, "<br>as <code>{}</code>", text(&identity.to_string()));
    }
    if let Some(groups) = account.groups {
        let groups: Vec<_> = groups.iter().map(|group| text(group.as_str())).collect();
        if !groups.is_empty() {
            let _ = write!(who, "<br>in {}", groups.join(", "));
        }
    }
    let mut what = text(&account.message);
    if recorded.request.is_none()
        && let Some(action) = &account.call.action
    {
        let on = account
            .call
            .resource
            .as_deref()
            .map(|on| format!(" on {}", text(on)));
        let _ = write!(
            what,
            "<br>action {}{}",
            text(action),
            on.unwrap_or_default()
        );
    }
    if let Some(comment) = account
        .comment
        .filter(|comment| !account.message.contains(comment))
    {
        let _ = write!(what, "<br>“{}”", text(comment));
    }
    if context {
        what.push_str("<br>(not asked for; it tells what was)");
    }
    let class = if context { " class=\"context\"" } else { "" };
    format!(
        "<tr{class}><td>{}</td><td>{}</td><td>{}</td><td>{who}</td><td>{what}</td></tr>\n",
        recorded.index,
        recorded.at,
        text(&account.event)
    )
}

fn policy_texts(
    page: &mut String,
    evidence: &Evidence,
    policies: &BTreeMap<String, Option<String>>,
) {
    if policies.is_empty() {
        return;
    }
    page.push_str("<h2>Policies</h2>\n");
    for (version, file) in policies {
        push(page, "h3", &text(version));
        let (Some(file), Some(policy)) = (file, evidence.policies.get(version)) else {
            push(page, "p", "Its text was not given.");
            continue;
        };
        let hash = file.strip_prefix("policies/").unwrap_or(file);
        let hash = hash.strip_suffix(".txt").unwrap_or(hash);
        let said = if version.contains(hash) {
            "The version that the events name is the hash of this text."
        } else {
            "The text is as whoever made this bundle gave it: the events name its version, not its hash."
        };
        let _ = writeln!(
            page,
            "<p>{said} SHA-256 <code>{hash}</code></p>\n<pre>{}</pre>",
            lines(policy)
        );
    }
}

fn verification(page: &mut String) {
    let _ = writeln!(
        page,
        "<h2>How to verify this</h2>\n\
         <p>Each event lies beside a proof that the log has it, which leads to the signed checkpoint. \
         Every file, this page among them, follows from the events; the command below makes all of \
         them again and compares.</p>\n<pre>{}</pre>\n\
         <p>Take the key from where you know it to be the log's own. That no event of the period was \
         left out shows only against the log: <code>{}</code>. That the log itself is whole is for \
         its own verifier, with a checkpoint that somebody else keeps.</p>",
        text(COMMAND),
        text("approvals-evidence compare DIRECTORY LOG KEY"),
    );
}
