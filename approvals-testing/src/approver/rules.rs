//! Rules about channels.

use std::sync::Arc;

use approvals_core::review::{Choice, Phase};
use approvals_core::{CastVote, Coverage, Presentation, What};

use super::altered::Altered;
use super::hall::Hall;
use super::{Driver, Shown};
use crate::report::{Found, Judgment, Rule, ensure, rules};
use crate::sample::person;

type World = Arc<dyn Driver>;

pub(super) const RULES: &[Rule<World>] = rules![World:
    "a request is presented, and shown whole where the channel says that it is" => presents,
    "an approval counts for whoever clicked, with what they saw" => approves,
    "a denial counts, with its comment" => denies,
    "a click of somebody unknown, or of somebody who is not asked, counts for nobody" => strangers,
    "a click twice is one vote" => twice,
    "a vote carries the revision that its message shows, and not a newer one" => revision,
    "a vote carries the digest and the presentation that its message shows, and not those that are stored" => bound,
    "of a request there is one message that can be answered, and none when it is over" => one_live,
    "after an answer that was lost every message answers the same request" => lost_answer,
    "progress and outcome are shown in place" => updates,
    "after a restart an earlier message can be clicked" => restart_click,
    "after a restart an earlier message is updated by its receipt" => restart_update,
];

async fn presents(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 1).await?;
    let gate = hall.start().await?;
    for table in [
        "customers",
        "white  space",
        "two\nlines",
        "\u{202e}bidi",
        "<b>&amp; *_`",
    ] {
        let record = hall.ask(&gate, table).await?;
        let presentation = Presentation::of(&record.asked);
        let Shown::Text(text) = driver.shown(record.id()).await else {
            continue;
        };
        let squeezed = |text: &str| text.split_whitespace().collect::<String>();
        let text = squeezed(&text);
        ensure!(
            text.contains(&squeezed(&presentation.action)),
            "the action is not shown: {text}"
        );
        if hall.delivery(record.id()).await?.coverage != Coverage::Whole {
            continue;
        }
        for argument in &presentation.arguments {
            ensure!(
                text.contains(&squeezed(&argument.text)),
                "it says that everything is shown, and `{}` is not: {text}",
                argument.text
            );
        }
    }
    Ok(())
}

async fn click(
    driver: &World,
    hall: &Hall,
    record: &approvals_core::review::Record,
    who: &str,
    choice: Choice,
) -> Result<Arc<approvals_core::review::Record>, Found> {
    let (_, user) = driver.user(who);
    let comment = (choice == Choice::Deny).then_some("not today");
    driver.click(record.id(), &user, choice, comment).await;
    hall.settled(record.id(), record.revision).await
}

async fn approves(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 2).await?;
    let gate = hall.start().await?;
    let record = hall.ask(&gate, "customers").await?;
    let after = click(&driver, &hall, &record, "alice", Choice::Approve).await?;
    let voted = after
        .votes
        .iter()
        .map(|vote| (vote.person.clone(), vote.choice));
    let voted: Vec<_> = voted.collect();
    ensure!(
        voted == [(person("alice"), Choice::Approve)],
        "the votes are {voted:?}"
    );
    let trail = hall.trail().await?;
    let shown = trail.iter().find_map(|event| match &event.what {
        What::Voted { shown, .. } => Some(*shown),
        _ => None,
    });
    ensure!(
        shown == Some(record.asked.shown),
        "the vote is for {shown:?}"
    );
    Ok(())
}

async fn denies(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 1).await?;
    let gate = hall.start().await?;
    let record = hall.ask(&gate, "customers").await?;
    let after = click(&driver, &hall, &record, "alice", Choice::Deny).await?;
    ensure!(
        after.state.phase() == Phase::Denied,
        "it is {:?}",
        after.state
    );
    let comment = after.votes.first().and_then(|vote| vote.comment.as_deref());
    ensure!(comment == Some("not today"), "the comment is {comment:?}");
    Ok(())
}

async fn strangers(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 1).await?;
    let gate = hall.start().await?;
    let record = hall.ask(&gate, "customers").await?;
    for who in ["mallory", "bob"] {
        let after = click(&driver, &hall, &record, who, Choice::Approve).await?;
        ensure!(
            after.votes.is_empty() && after.state.phase() == Phase::Pending,
            "after a click of {who}: {:?}, {:?}",
            after.votes,
            after.state
        );
    }
    Ok(())
}

async fn twice(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 2).await?;
    let gate = hall.start().await?;
    let record = hall.ask(&gate, "customers").await?;
    let once = click(&driver, &hall, &record, "alice", Choice::Approve).await?;
    let after = click(&driver, &hall, &once, "alice", Choice::Approve).await?;
    ensure!(
        after.votes.len() == 1 && after.state.phase() == Phase::Pending,
        "after two clicks of one person: {:?}, {:?}",
        after.votes,
        after.state
    );
    Ok(())
}

async fn revision(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 2).await?;
    let gate = hall.start().await?;
    let record = hall.ask(&gate, "customers").await?;
    hall.log(|log| log.silent = true);
    let cast = CastVote {
        request: record.id(),
        tenant: String::new(),
        user: "carol".to_owned(),
        choice: Choice::Approve,
        comment: None,
        proposal: None,
        digest: record.asked.digest,
        shown: record.asked.shown,
        revision: record.revision,
    };
    let changed = hall.elsewhere().vote(cast).await?;
    // The message still shows the request as it was before that vote.
    click(&driver, &hall, &changed, "alice", Choice::Approve).await?;
    let trail = hall.trail().await?;
    let seen = trail.iter().find_map(|event| match &event.what {
        What::Voted {
            vote,
            seen_revision,
            ..
        } if vote.person == person("alice") => Some(*seen_revision),
        _ => None,
    });
    ensure!(
        seen == Some(record.revision),
        "the message shows revision {}, and the vote is for {seen:?}",
        record.revision
    );
    Ok(())
}

async fn bound(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 1).await?;
    let gate = hall.start().await?;
    for altered in [Altered::Digest, Altered::Shown] {
        let record = hall.ask(&gate, "customers").await?;
        hall.alter(altered);
        // Whoever clicks agrees to what the message shows, which is not what is stored.
        let after = click(&driver, &hall, &record, "alice", Choice::Approve).await?;
        hall.alter(Altered::Nothing);
        ensure!(
            after.votes.is_empty() && after.state.phase() == Phase::Pending,
            "{altered:?} is stored otherwise than the message shows it, and a click on it counted"
        );
        let (_, alice) = driver.user("alice");
        let trail = hall.trail().await?;
        let refused = trail.iter().any(|event| match &event.what {
            What::VoteRefused { identity, .. } => {
                event.request == Some(record.id()) && *identity.user == *alice
            }
            _ => false,
        });
        ensure!(refused, "the click was not handed in");
    }
    Ok(())
}

async fn one_live(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 2).await?;
    let first = hall.start().await?;
    let record = hall.ask(&first, "customers").await?;
    let id = record.id();
    let Some(live) = driver.live(id).await else {
        return Ok(());
    };
    ensure!(live == 1, "after it was put before people there are {live}");
    // The same call is made again, here and after a restart.
    hall.call(&first, "customers", 0).await?;
    hall.a_while().await;
    hall.stop(first).await;
    let second = hall.start().await?;
    hall.call(&second, "customers", 0).await?;
    hall.a_while().await;
    let live = driver.live(id).await.unwrap_or_default();
    ensure!(live == 1, "after the call came again there are {live}");
    click(&driver, &hall, &record, "alice", Choice::Approve).await?;
    updated(&hall, &record).await?;
    let live = driver.live(id).await.unwrap_or_default();
    ensure!(live == 1, "after a vote there are {live}");
    let voted = hall.record(id).await?;
    hall.log(|log| log.updated.clear());
    second.withdraw(id).await?;
    updated(&hall, &voted).await?;
    let live = driver.live(id).await.unwrap_or_default();
    ensure!(live == 0, "when it is over there are {live}");
    Ok(())
}

async fn lost_answer(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 2).await?;
    let gate = hall.start().await?;
    if !driver.lose_an_answer().await {
        return Ok(());
    }
    let record = hall.ask(&gate, "customers").await?;
    let live = driver.live(record.id()).await.unwrap_or_default();
    ensure!(live > 0, "nobody can answer it");
    let mut known = record;
    for (message, who) in [(0, "alice"), (live - 1, "carol")] {
        let (_, user) = driver.user(who);
        let id = known.id();
        driver.click_on(message, id, &user, Choice::Approve).await;
        let after = hall.settled(id, known.revision).await?;
        ensure!(
            after.votes.iter().any(|vote| vote.person == person(who)),
            "of {live} messages the one of number {message} answers nothing: {:?}",
            after.votes
        );
        known = after;
    }
    ensure!(
        known.state.phase() != Phase::Pending,
        "two have agreed, and it is {:?}",
        known.state
    );
    Ok(())
}

async fn updates(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 1).await?;
    let gate = hall.start().await?;
    let record = hall.ask(&gate, "customers").await?;
    let before = driver.shown(record.id()).await;
    gate.withdraw(record.id()).await?;
    updated(&hall, &record).await?;
    looks_otherwise(&before, &driver.shown(record.id()).await)
}

/// Waits until the channel was handed a change of the record and took it.
async fn updated(hall: &Hall, record: &approvals_core::review::Record) -> Judgment {
    let newer = || {
        hall.log(|log| {
            let all = log.updated.iter();
            all.filter(|(id, revision, _)| *id == record.id() && *revision > record.revision)
                .count()
        })
    };
    let waited = hall.until(|| newer() > 0).await;
    let errors = hall.log(|log| log.errors.clone());
    ensure!(waited.is_ok(), "`update` does not succeed: {errors:?}");
    Ok(())
}

async fn restart_click(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 1).await?;
    let gate = hall.start().await?;
    let record = hall.ask(&gate, "customers").await?;
    hall.stop(gate).await;
    let _gate = hall.start().await?;
    let after = click(&driver, &hall, &record, "alice", Choice::Deny).await?;
    ensure!(
        after.state.phase() == Phase::Denied,
        "after a click on the earlier message it is {:?}",
        after.state
    );
    Ok(())
}

async fn restart_update(driver: World) -> Judgment {
    let hall = Hall::new(Arc::clone(&driver), 1).await?;
    let first = hall.start().await?;
    let record = hall.ask(&first, "customers").await?;
    let delivery = hall.delivery(record.id()).await?;
    let receipt = delivery.state.receipt().cloned();
    let before = driver.shown(record.id()).await;
    hall.stop(first).await;
    let second = hall.start().await?;
    hall.log(|log| log.updated.clear());
    second.withdraw(record.id()).await?;
    updated(&hall, &record).await?;
    let used = hall.log(|log| {
        log.updated
            .iter()
            .all(|(_, _, used)| Some(used) == receipt.as_ref())
    });
    ensure!(used, "another receipt came back than was given");
    looks_otherwise(&before, &driver.shown(record.id()).await)
}

/// A message does not look as it did before its request was over.
fn looks_otherwise(before: &Shown, after: &Shown) -> Judgment {
    if let (Shown::Text(before), Shown::Text(after)) = (before, after) {
        ensure!(
            before != after,
            "a withdrawn request looks as before: {after}"
        );
    }
    ensure!(
        *after != Shown::Nothing || *before == Shown::Nothing,
        "the message is not there any more"
    );
    Ok(())
}
