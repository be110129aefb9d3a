//! What a suite found: which rules were judged, and which of them are broken.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// How long one rule may take before it counts as broken. With tokio's paused clock it passes at
/// once when nothing else can happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a rule says about an implementation.
pub(crate) type Judgment = Result<(), Found>;

/// What was found where a rule does not hold.
#[derive(Debug)]
pub(crate) struct Found(pub(crate) String);

impl<E: fmt::Display> From<E> for Found {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// One rule: a sentence that holds of every implementation, and how it is judged.
pub(crate) struct Rule<W> {
    pub(crate) sentence: &'static str,
    pub(crate) judge: fn(W) -> Pin<Box<dyn Future<Output = Judgment> + Send>>,
}

/// A rule that an implementation broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// What was found instead.
    pub found: String,
}

/// The outcome of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "call `assert_kept`, or look at what is broken"]
pub struct Report {
    suite: &'static str,
    judged: Vec<&'static str>,
    broken: Vec<Broken>,
}

impl Report {
    pub(crate) const fn new(suite: &'static str) -> Self {
        Self {
            suite,
            judged: Vec::new(),
            broken: Vec::new(),
        }
    }

    /// Judges one rule in a task of its own, so that a panic or a wait without end breaks that
    /// rule and no other.
    pub(crate) async fn judge<W>(&mut self, rule: &Rule<W>, world: W) {
        self.judged.push(rule.sentence);
        let mut task = tokio::spawn((rule.judge)(world));
        let found = match tokio::time::timeout(PATIENCE, &mut task).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(Found(found)))) => found,
            Ok(Err(panicked)) => format!("it panicked: {panicked}"),
            Err(_) => {
                task.abort();
                format!("it did not answer within {PATIENCE:?}")
            }
        };
        self.broken.push(Broken {
            rule: rule.sentence,
            found,
        });
    }

    /// Every rule that was judged.
    #[must_use]
    pub fn judged(&self) -> &[&'static str] {
        &self.judged
    }

    /// The rules that are broken.
    #[must_use]
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// Whether this rule is broken.
    #[must_use]
    pub fn breaks(&self, rule: &str) -> bool {
        self.broken.iter().any(|broken| broken.rule == rule)
    }

    /// Fails the test that runs the suite when any rule is broken.
    ///
    /// # Panics
    /// When a rule is broken, or none was judged. The message names every broken rule.
    #[track_caller]
    pub fn assert_kept(&self) {
        assert!(self.broken.is_empty(), "{self}");
        assert!(!self.judged.is_empty(), "{self}: no rule was judged");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (broken, judged) = (self.broken.len(), self.judged.len());
        write!(f, "{}: {broken} of {judged} rules are broken", self.suite)?;
        for Broken { rule, found } in &self.broken {
            write!(f, "\n  - {rule}\n      {found}")?;
        }
        Ok(())
    }
}

/// Makes a table of rules: `rules![WORLD: "sentence" => function, …]`.
macro_rules! rules {
    ($world:ty: $($sentence:literal => $judge:path,)+) => {
        &[$($crate::report::Rule::<$world> {
            sentence: $sentence,
            judge: |world| ::std::boxed::Box::pin($judge(world)),
        }),+]
    };
}

/// Leaves a judgment with words when something does not hold.
macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err($crate::report::Found(format!($($words)+)));
        }
    };
}

pub(crate) use {ensure, rules};
