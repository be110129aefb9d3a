//! What a reviewer is shown: made once here, rendered by every channel.

mod form;

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::call::{Argument, Arguments, Bound, Call, Risk};
use crate::canonical;
use crate::digest::{Digest, Domain, Hashing};
use crate::policy::{Agreement, OnTimeout, Requirement};
use crate::review::Asked;
use crate::text::{Lines, escape};
use crate::time::Timestamp;

/// One argument or extra field as a reviewer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownArgument<'a> {
    /// Its name; in quotes when it has more than letters, digits and `_-.:/`.
    pub name: Cow<'a, str>,
    /// What a yes binds: `""` for the value itself, else a remark such as `not bound`.
    pub remark: Cow<'a, str>,
    /// Canonical JSON of the value, the text it prints as, a fingerprint, or nothing.
    pub text: Cow<'a, str>,
}

/// Everything that a reviewer sees about a call, with control, bidi and invisible characters
/// escaped. What the library knows stands apart from what the agent claims.
///
/// Two channels that show the same presentation show the same call: its hash is what a vote
/// carries as `shown`. Fields stand in canonical order, so that hashing has nothing to sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Presentation<'a> {
    /// The action.
    pub action: Cow<'a, str>,
    /// The arguments, in declared order.
    pub arguments: Vec<ShownArgument<'a>>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// What the agent claims: never more than a claim.
    pub claim: Option<Cow<'a, str>>,
    /// The digest of the call.
    pub digest: Digest,
    /// Where it is done.
    pub environment: Option<Cow<'a, str>>,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Extra fields.
    pub fields: Vec<ShownArgument<'a>>,
    /// Labels: name, in quotes like an argument's, and value.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Places where what looks like a secret was masked: then it is not shown whole.
    pub masked: Vec<Cow<'a, str>>,
    /// The agent's model and version, as the host reports them.
    pub model: Option<String>,
    /// The function and where it stands.
    pub origin: Cow<'a, str>,
    /// Why policy asks: rule and reason.
    pub reasons: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The request.
    pub request: String,
    /// Who asks, and for whom: `agent:exporter for person:alice`.
    pub requester: String,
    /// Who must agree, one line a requirement.
    pub requirements: Vec<String>,
    /// What it is done to.
    pub resource: Option<Cow<'a, str>>,
    /// How much harm it can do.
    pub risk: Risk,
    /// The author's one line about it.
    pub summary: Option<Cow<'a, str>>,
    /// The version of this form.
    pub version: u32,
    /// What a reviewer has to know besides: it may have run, the yes covers several runs.
    pub warnings: Vec<String>,
}

/// The remark on what the author marked.
const SENSITIVE: &str = "marked as sensitive";

/// The version of [`Presentation`]'s form.
const VERSION: u32 = 1;

impl<'a> Presentation<'a> {
    /// What reviewers of a request see.
    #[must_use]
    pub fn of(asked: &'a Asked) -> Self {
        let call = &asked.call;
        let requester = call.requester();
        Self {
            version: VERSION,
            request: printed(&asked.id),
            action: Cow::Borrowed(call.action().as_str()),
            summary: call.summary().map(line),
            requester: printed(requester),
            model: requester.model_name().map(|model| {
                let version = requester.model_version().unwrap_or_default();
                line(&format!("{model} {version}")).into_owned()
            }),
            resource: call.resource().map(line),
            environment: call.environment().map(|e| Cow::Borrowed(e.as_str())),
            labels: call
                .labels()
                .map(|(label, value)| (name(label), line(value)))
                .collect(),
            risk: asked.risk,
            arguments: shown(call, call.arguments()),
            fields: shown(call, call.fields()),
            origin: line(&call.declaration().origin),
            reasons: asked
                .reasons
                .iter()
                .map(|rule| (Cow::Borrowed(rule.id.as_str()), line(&rule.why)))
                .collect(),
            requirements: asked.tracks.iter().map(|track| describe(track)).collect(),
            claim: call.justification().map(line),
            warnings: warnings(asked),
            masked: call.masked().map(line).collect(),
            asked_at: asked.asked_at,
            expires_at: asked.expires_at,
            digest: asked.digest,
        }
    }

    /// What its hash is taken over, to be kept: the plain SHA-256 of these bytes is [`hash`](Self::hash).
    #[must_use]
    pub fn hashed(&self) -> Vec<u8> {
        let mut text = String::with_capacity(1024);
        form::write(self, &mut text, |_| {});
        Domain::Presentation.before(&text)
    }

    /// The hash that a vote on it carries as `shown`.
    #[must_use]
    pub fn hash(&self) -> Digest {
        // Small enough to be cheap for the allocator; most forms pass in two or three pieces.
        const PIECE: usize = 960;
        let mut hashing = Hashing::of(Domain::Presentation);
        let mut text = String::with_capacity(PIECE);
        form::write(self, &mut text, |text| {
            if text.len() > PIECE / 2 {
                hashing.update(text.as_bytes());
                text.clear();
            }
        });
        hashing.update(text.as_bytes());
        hashing.finish()
    }

    /// The digest's short code, for people to compare and, at critical risk, to type.
    #[must_use]
    pub fn short_code(&self) -> String {
        self.digest.short_code()
    }

    /// Whether every bound argument is shown whole: nothing was masked by a pattern.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.masked.is_empty()
    }

    /// The size of everything shown, in bytes: for channels with limits.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.to_string().len()
    }
}

/// What a short value prints as.
fn printed(value: &impl fmt::Display) -> String {
    let mut text = String::with_capacity(64);
    // Writing to a string does not fail.
    let _ = write!(text, "{value}");
    text
}

fn line(text: &str) -> Cow<'_, str> {
    escape(text, Lines::Escape)
}

/// A name that cannot pass for a name with a value, or for two: `rows = 1` is shown in quotes.
fn name(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(quoted(text))
}

/// One JSON string, without anything that is invisible or acts on the text around it.
fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    canonical::write_str(text, &mut json);
    line(&json).into_owned()
}

/// Which numbers are carried as text: pointers are quoted, since keys may hold anything.
fn numbers(pointers: &[String]) -> String {
    let places: Vec<String> = pointers
        .iter()
        .filter(|pointer| !pointer.is_empty())
        .map(|pointer| quoted(pointer))
        .collect();
    if places.is_empty() {
        return "a whole number, written as text".to_owned();
    }
    format!("whole numbers, written as text, at {}", places.join(", "))
}

fn shown<'a>(call: &Call, arguments: &'a Arguments) -> Vec<ShownArgument<'a>> {
    let shown = arguments.iter().map(|argument| {
        let remark = remark(&argument);
        let is_sensitive = call.sensitive().any(|marked| marked == argument.name);
        ShownArgument {
            name: name(argument.name),
            text: line(argument.json),
            remark: match (is_sensitive, &*remark) {
                (false, _) => remark,
                (true, "") => Cow::Borrowed(SENSITIVE),
                (true, remark) => Cow::Owned(format!("{remark}; {SENSITIVE}")),
            },
        }
    });
    shown.collect()
}

/// What a yes binds of an argument, where that is not its value as it is shown.
fn remark<'a>(argument: &Argument<'a>) -> Cow<'a, str> {
    match argument.bound {
        Bound::Value if argument.big_integers.is_empty() => Cow::Borrowed(""),
        Bound::Value => Cow::Owned(numbers(argument.big_integers)),
        Bound::Debug | Bound::Display => Cow::Borrowed("bound by this text"),
        Bound::Redacted(key) => Cow::Owned(format!(
            "redacted: fingerprint under key {}, the value is bound",
            line(key)
        )),
        Bound::Skipped => Cow::Borrowed("not shown and not bound"),
    }
}

/// Who must agree, in one line.
fn describe(requirement: &Requirement) -> String {
    let mut text = String::with_capacity(64);
    match requirement.agreement() {
        Agreement::Confirm { .. } => {
            text.push_str("the requester's own principal confirms (no review)");
        }
        Agreement::Review(stages) => {
            for (index, stage) in stages.iter().enumerate() {
                if index > 0 {
                    text.push_str(", then ");
                }
                for (index, quorum) in stage.quorums().iter().enumerate() {
                    let and = if index == 0 { "" } else { " and " };
                    // Writing to a string does not fail.
                    let _ = write!(text, "{and}{} of {}", quorum.count(), quorum.from());
                }
                let _ = write!(text, " within {}", Span(stage.time()));
                if let OnTimeout::EscalateTo(audience) = stage.on_timeout() {
                    let _ = write!(text, ", after that also {audience}");
                }
            }
        }
    }
    if let Some(group) = requirement.break_glass_group() {
        let _ = write!(
            text,
            "; in an emergency one of {group} alone, with a reason"
        );
    }
    text
}

/// A time in its largest whole unit.
struct Span(std::time::Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            s if s % 3600 == 0 && s > 0 => write!(f, "{} h", s / 3600),
            s if s % 60 == 0 && s > 0 => write!(f, "{} min", s / 60),
            s => write!(f, "{s} s"),
        }
    }
}

fn warnings(asked: &Asked) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(earlier) = asked.may_have_run {
        all.push(format!(
            "the same call may have run already as {earlier}; its author says that running it again does no harm"
        ));
    }
    for requirement in asked.tracks.iter() {
        if let Some(reuse) = requirement.reuse_terms()
            && !asked.call.arguments().has_skipped()
        {
            all.push(format!(
                "a yes covers up to {} runs of exactly this call within {}",
                reuse.uses,
                Span(reuse.within)
            ));
        }
    }
    all
}

impl fmt::Display for Presentation<'_> {
    /// Plain text, whole: one fact a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  risk: {}", self.action, self.risk)?;
        if let Some(summary) = &self.summary {
            writeln!(f, "summary      {summary}")?;
        }
        writeln!(f, "asked by     {}", self.requester)?;
        if let Some(model) = &self.model {
            writeln!(f, "model        {model}")?;
        }
        if let Some(resource) = &self.resource {
            writeln!(f, "resource     {resource}")?;
        }
        if let Some(environment) = &self.environment {
            writeln!(f, "environment  {environment}")?;
        }
        for (name, value) in &self.labels {
            writeln!(f, "label        {name} = {value}")?;
        }
        for (title, list) in [("argument", &self.arguments), ("field", &self.fields)] {
            for argument in list {
                write!(f, "{title:<12} {}", argument.name)?;
                if !argument.text.is_empty() {
                    write!(f, " = {}", argument.text)?;
                }
                if !argument.remark.is_empty() {
                    write!(f, " ({})", argument.remark)?;
                }
                writeln!(f)?;
            }
        }
        for place in &self.masked {
            writeln!(f, "masked       {place}")?;
        }
        for (rule, why) in &self.reasons {
            writeln!(f, "because      {why} ({rule})")?;
        }
        for requirement in &self.requirements {
            writeln!(f, "who agrees   {requirement}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "mind         {warning}")?;
        }
        if let Some(claim) = &self.claim {
            // Its own quotes are escaped, so that the claim ends where it seems to end.
            let claim = claim.replace('"', "\\\"");
            writeln!(f, "the agent claims: \"{claim}\"")?;
        }
        writeln!(f, "function     {}", self.origin)?;
        writeln!(f, "asked at     {}", self.asked_at)?;
        writeln!(f, "expires at   {}", self.expires_at)?;
        writeln!(f, "request      {}", self.request)?;
        write!(f, "digest       {} ({})", self.short_code(), self.digest)
    }
}
