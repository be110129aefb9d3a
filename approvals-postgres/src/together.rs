//! Questions that are asked at the same moment, asked of the server as one.
//!
//! After a restart every caller comes back at once. One statement for each would cost the server and
//! this process far more than the rows do; so whoever asks while enough statements are under way
//! waits with the others, and one of them asks for all.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use approvals_core::StoreError;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// How many statements are under way at once before questions wait for each other: one is answered
/// while the answers to another are decoded. Alone, nobody waits.
const UNDER_WAY: usize = 2;

/// How long no turn begins or ends before somebody who waits goes ahead. Whoever has one may have
/// stopped polling, as a task does that waits for something else meanwhile.
const PATIENCE: Duration = Duration::from_millis(250);

/// How many questions a statement asks at most: more would save nothing, and its answers are in
/// memory together.
const MOST: usize = 64;

/// Questions of one kind, each answered with an `A`.
pub(crate) struct Together<Q, A>(Arc<Mutex<Waiting<Q, A>>>);

struct Waiting<Q, A> {
    under_way: usize,
    /// When a turn began or ended last.
    moved: Instant,
    callers: VecDeque<Caller<Q, A>>,
}

/// Somebody who waits for an answer.
struct Caller<Q, A> {
    question: Q,
    told: oneshot::Sender<Told<Q, A>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Statements of others took all of the time.
    NoTurn,
    /// The statement took too long.
    TooLate,
    /// The store failed.
    Failed(StoreError),
}

/// What whoever waits is told.
enum Told<Q, A> {
    Answer(Result<A, StoreError>),
    /// To ask, for the others as well.
    Turn(Turn<Q, A>),
}

/// The right to have a statement under way, and for whom else it asks. Dropped, it goes on to those
/// who wait, and who is not answered by then asks anew.
struct Turn<Q, A> {
    of: Arc<Mutex<Waiting<Q, A>>>,
    others: Vec<Caller<Q, A>>,
}

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Waiting {
            under_way: 0,
            moved: Instant::now(),
            callers: VecDeque::new(),
        })))
    }
}

impl<Q, A> fmt::Debug for Together<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together")
            .field("waiting", &lock(&self.0).callers.len())
            .finish_non_exhaustive()
    }
}

fn lock<Q, A>(waiting: &Mutex<Waiting<Q, A>>) -> MutexGuard<'_, Waiting<Q, A>> {
    waiting.lock().unwrap_or_else(|e| e.into_inner())
}

impl<Q, A> Waiting<Q, A> {
    /// Those who still wait, as many as a statement has room for beside whoever asks.
    fn others(&mut self) -> Vec<Caller<Q, A>> {
        let first = self.callers.len().min(MOST - 1);
        let first = self.callers.drain(..first);
        first.filter(|other| !other.told.is_closed()).collect()
    }
}

impl<Q: Copy, A> Together<Q, A> {
    /// The answer to a question. `statement` asks several at once, and answers in their order.
    pub(crate) async fn ask<F>(
        &self,
        question: Q,
        deadline: Instant,
        statement: impl Fn(Vec<Q>) -> F,
    ) -> Result<A, Unanswered>
    where
        F: Future<Output = Result<Vec<A>, StoreError>>,
    {
        loop {
            let turn = match self.begin(question) {
                Ok(turn) => turn,
                Err(told) => match self.wait(told, deadline).await? {
                    Some(Told::Answer(answer)) => return answer.map_err(Unanswered::Failed),
                    Some(Told::Turn(turn)) => turn,
                    None => continue,
                },
            };
            let statement = statement(turn.questions(question));
            return match timeout_at(deadline, statement).await {
                Ok(answers) => turn.answer(answers).map_err(Unanswered::Failed),
                Err(_) => Err(Unanswered::TooLate),
            };
        }
    }

    /// A turn, or where to wait for one or for an answer.
    fn begin(&self, question: Q) -> Result<Turn<Q, A>, oneshot::Receiver<Told<Q, A>>> {
        let mut waiting = lock(&self.0);
        if waiting.under_way < UNDER_WAY {
            waiting.under_way += 1;
            waiting.moved = Instant::now();
            return Ok(Turn {
                of: Arc::clone(&self.0),
                others: Vec::new(),
            });
        }
        let (told, wait) = oneshot::channel();
        waiting.callers.push_back(Caller { question, told });
        Err(wait)
    }

    /// What is told in time, or a turn where those that there are do not go on. `None` where the
    /// question has to be asked anew: whoever asked for it too was given up on the way, had no time
    /// left, or took half of this one's.
    async fn wait(
        &self,
        mut told: oneshot::Receiver<Told<Q, A>>,
        deadline: Instant,
    ) -> Result<Option<Told<Q, A>>, Unanswered> {
        let begun = Instant::now();
        let half = deadline.saturating_duration_since(begun) / 2;
        let anew = if half > PATIENCE {
            begun + half
        } else {
            deadline
        };
        loop {
            let until = anew.min(Instant::now() + PATIENCE);
            if let Ok(told) = timeout_at(until, &mut told).await {
                return Ok(told.ok());
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(Unanswered::NoTurn);
            }
            if let Some(turn) = self.go_ahead() {
                return Ok(Some(Told::Turn(turn)));
            }
            if now >= anew {
                return Ok(None);
            }
        }
    }

    /// One turn more than there would be, where those that there are do not go on.
    fn go_ahead(&self) -> Option<Turn<Q, A>> {
        let mut waiting = lock(&self.0);
        if waiting.moved.elapsed() < PATIENCE {
            return None;
        }
        waiting.under_way += 1;
        waiting.moved = Instant::now();
        Some(Turn {
            of: Arc::clone(&self.0),
            others: waiting.others(),
        })
    }
}

impl<Q: Copy, A> Turn<Q, A> {
    fn questions(&self, first: Q) -> Vec<Q> {
        let others = self.others.iter().map(|other| other.question);
        std::iter::once(first).chain(others).collect()
    }

    /// Hands out what the statement answered, and returns the first answer.
    fn answer(mut self, answers: Result<Vec<A>, StoreError>) -> Result<A, StoreError> {
        let others = std::mem::take(&mut self.others);
        // Others ask while these decode what they are told.
        drop(self);
        let mut answers = match answers {
            Ok(answers) => answers.into_iter().map(Ok).collect::<VecDeque<_>>(),
            Err(error) => {
                for other in others {
                    // Who is gone needs no answer, here and below.
                    let _ = other.told.send(Told::Answer(Err(error.clone())));
                }
                return Err(error);
            }
        };
        let first = answers.pop_front().unwrap_or_else(|| Err(unanswered()));
        for other in others {
            let answer = answers.pop_front().unwrap_or_else(|| Err(unanswered()));
            let _ = other.told.send(Told::Answer(answer));
        }
        first
    }
}

impl<Q, A> Drop for Turn<Q, A> {
    fn drop(&mut self) {
        loop {
            let mut waiting = lock(&self.of);
            waiting.moved = Instant::now();
            let Some(first) = waiting.callers.pop_front() else {
                waiting.under_way = waiting.under_way.saturating_sub(1);
                return;
            };
            if first.told.is_closed() {
                continue;
            }
            let others = waiting.others();
            drop(waiting);
            let turn = Self {
                of: Arc::clone(&self.of),
                others,
            };
            match first.told.send(Told::Turn(turn)) {
                Ok(()) => return,
                // They went this moment: their turn is passed on.
                Err(returned) => return drop(returned),
            }
        }
    }
}

fn unanswered() -> StoreError {
    StoreError::Invalid("a statement answered fewer questions than it was asked".to_owned())
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;
    use tokio::time::sleep;

    use super::*;

    type Answer = Result<u32, Unanswered>;

    /// A server that answers as many statements as it is let, with ten times what is asked.
    struct Server {
        together: Together<u32, u32>,
        lets: Semaphore,
        asked: Mutex<Vec<Vec<u32>>>,
        fails: bool,
    }

    impl Server {
        fn new(fails: bool) -> Arc<Self> {
            Arc::new(Self {
                together: Together::default(),
                lets: Semaphore::new(0),
                asked: Mutex::default(),
                fails,
            })
        }

        fn ask(self: &Arc<Self>, question: u32, within: u64) -> JoinHandle<Answer> {
            let server = Arc::clone(self);
            let deadline = Instant::now() + Duration::from_millis(within);
            tokio::spawn(async move {
                let statement = |questions| server.statement(questions);
                server.together.ask(question, deadline, statement).await
            })
        }

        async fn statement(&self, questions: Vec<u32>) -> Result<Vec<u32>, StoreError> {
            self.asked.lock().unwrap().push(questions.clone());
            self.lets.acquire().await.unwrap().forget();
            if self.fails {
                return Err(StoreError::Unreachable("it is gone".to_owned()));
            }
            Ok(questions.iter().map(|question| question * 10).collect())
        }

        fn asked(&self) -> Vec<Vec<u32>> {
            self.asked.lock().unwrap().clone()
        }

        /// Nothing is under way any more, and nobody waits.
        fn assert_idle(&self) {
            let waiting = lock(&self.together.0);
            assert_eq!((waiting.under_way, waiting.callers.len()), (0, 0));
        }
    }

    /// Until everybody waits for something.
    async fn settled() {
        sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_while_statements_are_under_way_is_asked_for_by_one_of_the_others() {
        let server = Server::new(false);
        let count = 2 + MOST as u32 + 3;
        let asking: Vec<_> = (0..count).map(|n| server.ask(n, 10_000)).collect();
        settled().await;
        assert_eq!(server.asked(), [[0], [1]]);
        server.lets.add_permits(1);
        settled().await;
        assert_eq!(server.asked()[2], (2..2 + MOST as u32).collect::<Vec<_>>());
        server.lets.add_permits(3);
        for (question, answer) in asking.into_iter().enumerate() {
            assert_eq!(answer.await.unwrap().unwrap(), question as u32 * 10);
        }
        assert_eq!(server.asked().len(), 4);
        server.assert_idle();
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_given_up_while_they_ask_for_others_takes_no_answer_from_them() {
        let server = Server::new(false);
        let mut asking: Vec<_> = (0..6).map(|n| server.ask(n, 10_000)).collect();
        settled().await;
        // One who has the statement of all, and one of those who wait for it.
        server.lets.add_permits(1);
        settled().await;
        assert_eq!(server.asked()[2], [2, 3, 4, 5]);
        asking.remove(2).abort();
        asking.remove(3).abort();
        settled().await;
        server.lets.add_permits(9);
        for (answer, question) in asking.into_iter().zip([0, 1, 3, 5]) {
            assert_eq!(answer.await.unwrap().unwrap(), question * 10);
        }
        server.assert_idle();
    }

    #[tokio::test(start_paused = true)]
    async fn the_turn_of_somebody_who_is_gone_is_the_next_ones() {
        let server = Server::new(false);
        let asking: Vec<_> = (0..5).map(|n| server.ask(n, 10_000)).collect();
        settled().await;
        asking[2].abort();
        asking[4].abort();
        settled().await;
        server.lets.add_permits(3);
        settled().await;
        assert_eq!(server.asked(), [vec![0], vec![1], vec![3]]);
        server.assert_idle();
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_statement_fails_with_is_told_to_everybody_whom_it_asked_for() {
        let server = Server::new(true);
        let asking: Vec<_> = (0..5).map(|n| server.ask(n, 10_000)).collect();
        settled().await;
        server.lets.add_permits(3);
        for answer in asking {
            let Err(Unanswered::Failed(error)) = answer.await.unwrap() else {
                panic!("it should fail");
            };
            assert!(error.to_string().contains("it is gone"), "{error}");
        }
        server.assert_idle();
    }

    #[tokio::test(start_paused = true)]
    async fn whose_time_is_over_leaves_the_others_theirs() {
        let server = Server::new(false);
        let mut asking: Vec<_> = (0..2).map(|n| server.ask(n, 10_000)).collect();
        settled().await;
        asking.extend([
            server.ask(2, 150),
            server.ask(3, 20_000),
            server.ask(4, 100),
        ]);
        settled().await;
        sleep(Duration::from_millis(100)).await;
        // It never had a turn.
        let answer = asking.remove(4).await.unwrap();
        assert!(matches!(answer, Err(Unanswered::NoTurn)), "{answer:?}");
        server.lets.add_permits(1);
        settled().await;
        assert_eq!(server.asked()[2], [2, 3]);
        let answer = asking.remove(2).await.unwrap();
        assert!(matches!(answer, Err(Unanswered::TooLate)), "{answer:?}");
        server.lets.add_permits(2);
        assert_eq!(asking.remove(2).await.unwrap().unwrap(), 30);
        for answer in asking {
            answer.await.unwrap().unwrap();
        }
        server.assert_idle();
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_a_turn_and_is_not_polled_holds_nobody_up_for_long() {
        let server = Server::new(false);
        let statement = |questions| server.statement(questions);
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut held = [1, 2].map(|n| Box::pin(server.together.ask(n, deadline, statement)));
        let mut nobody = Context::from_waker(Waker::noop());
        for asking in &mut held {
            assert!(asking.as_mut().poll(&mut nobody).is_pending());
        }
        let asking: Vec<_> = (3..6).map(|n| server.ask(n, 10_000)).collect();
        settled().await;
        assert_eq!(server.asked(), [[1], [2]]);
        // The first two are for those who are not polled.
        server.lets.add_permits(3);
        for (asking, expected) in asking.into_iter().zip([30, 40, 50]) {
            assert_eq!(asking.await.unwrap().unwrap(), expected);
        }
        assert!(deadline - Instant::now() > Duration::from_secs(9));
        assert_eq!(server.asked().len(), 3);
        for (asking, expected) in held.into_iter().zip([10, 20]) {
            assert_eq!(asking.await.unwrap(), expected);
        }
        server.assert_idle();
    }

    #[tokio::test(start_paused = true)]
    async fn while_turns_go_round_nobody_goes_ahead_however_long_it_takes() {
        let server = Server::new(false);
        let count = 10 * MOST as u32;
        let asking: Vec<_> = (0..count).map(|n| server.ask(n, 10_000)).collect();
        settled().await;
        // Far longer than anybody waits for others, each statement by itself less long.
        while lock(&server.together.0).under_way > 0 {
            assert!(lock(&server.together.0).under_way <= UNDER_WAY);
            sleep(Duration::from_millis(100)).await;
            server.lets.add_permits(1);
            settled().await;
        }
        for (question, answer) in asking.into_iter().enumerate() {
            assert_eq!(answer.await.unwrap().unwrap(), question as u32 * 10);
        }
        // One for each of the first two, and full ones.
        assert_eq!(server.asked().len(), 12);
        server.assert_idle();
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_for_by_somebody_who_is_not_polled_asks_anew_in_time() {
        let server = Server::new(false);
        let first = server.ask(1, 60_000);
        let second = server.ask(2, 60_000);
        settled().await;
        let statement = |questions| server.statement(questions);
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut held = Box::pin(server.together.ask(3, deadline, statement));
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(held.as_mut().poll(&mut nobody).is_pending());
        let waits = server.ask(4, 60_000);
        settled().await;
        // Whoever is not polled has the turn now, for both.
        server.lets.add_permits(1);
        settled().await;
        assert!(held.as_mut().poll(&mut nobody).is_pending());
        assert_eq!(server.asked()[2], [3, 4]);
        // The other turn goes round all the time.
        server.lets.add_permits(2);
        let mut others = vec![second];
        while !waits.is_finished() {
            others.push(server.ask(5, 60_000));
            server.lets.add_permits(2);
            sleep(Duration::from_millis(100)).await;
            assert!(Instant::now() < deadline);
        }
        assert_eq!(waits.await.unwrap().unwrap(), 40);
        assert_eq!(first.await.unwrap().unwrap(), 10);
        assert_eq!(held.await.unwrap(), 30);
        server.lets.add_permits(100);
        for other in others {
            assert!(other.await.unwrap().is_ok());
        }
        server.assert_idle();
    }
}
