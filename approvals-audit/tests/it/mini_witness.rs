//! A witness that has no more than a witness must.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use approvals_audit::{
    Answer, Checkpoint, Cosigner, Hash, Note, Transport, TransportError, VerifierKey, Witness,
    verify_consistency,
};
use approvals_core::async_trait;

use crate::support::*;

/// A witness as C2SP's tlog-witness says, without a network.
#[derive(Debug)]
pub(crate) struct MiniWitness {
    key: Cosigner,
    /// The keys of the logs that it knows, by their origins.
    logs: HashMap<String, VerifierKey>,
    seen: Mutex<HashMap<String, (u64, Hash)>>,
    asked: Mutex<Vec<u16>>,
}

impl MiniWitness {
    pub(crate) fn of(log: &VerifierKey) -> Arc<Self> {
        Arc::new(Self {
            key: Cosigner::generate("example.org/witness").unwrap(),
            logs: HashMap::from([(ORIGIN.to_owned(), log.clone())]),
            seen: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    /// One that knows no log.
    #[cfg(feature = "https")]
    pub(crate) fn of_nothing() -> Arc<Self> {
        Arc::new(Self {
            key: Cosigner::generate("example.org/witness").unwrap(),
            logs: HashMap::new(),
            seen: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    pub(crate) fn witness(self: &Arc<Self>) -> Witness {
        let transport: Arc<dyn Transport> = self.clone();
        Witness::new(
            "https://witness.example/",
            self.key.key().clone(),
            transport,
        )
        .unwrap()
    }

    pub(crate) fn key(&self) -> &VerifierKey {
        self.key.key()
    }

    /// The status of each answer since this was asked last.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// Answers a request, and notes how.
    pub(crate) fn answer(&self, body: &[u8]) -> Answer {
        let answer = self.add(body);
        self.asked.lock().unwrap().push(answer.status);
        answer
    }

    fn add(&self, body: &[u8]) -> Answer {
        let answer = |status, content_type: Option<&str>, body: String| Answer {
            status,
            content_type: content_type.map(str::to_owned),
            body: body.into_bytes(),
        };
        let text = std::str::from_utf8(body).unwrap();
        let (head, note) = text.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let old: u64 = lines
            .next()
            .unwrap()
            .strip_prefix("old ")
            .unwrap()
            .parse()
            .unwrap();
        let proof: Vec<Hash> = lines.map(|line| Hash::parse(line).unwrap()).collect();
        let parsed = Note::parse(note.as_bytes()).unwrap();
        let checkpoint = Checkpoint::parse(parsed.text()).unwrap();
        let Some(key) = self.logs.get(&checkpoint.origin) else {
            return answer(404, None, String::new());
        };
        if parsed.verify(std::slice::from_ref(key)).is_err() {
            return answer(403, None, String::new());
        }
        let mut all = self.seen.lock().unwrap();
        let nothing = (0, Hash::of_nothing());
        let (size, root) = *all.get(&checkpoint.origin).unwrap_or(&nothing);
        if old > checkpoint.size {
            return answer(400, None, String::new());
        }
        if old != size {
            return answer(409, Some("text/x.tlog.size"), format!("{size}\n"));
        }
        let (to, new) = (checkpoint.size, checkpoint.root);
        if size > 0 && verify_consistency((size, root), (to, new), &proof).is_err() {
            return answer(422, None, String::new());
        }
        all.insert(checkpoint.origin, (to, new));
        answer(200, None, self.key.line(&parsed, 1_795_257_600))
    }
}

#[async_trait]
impl Transport for MiniWitness {
    async fn post(&self, url: &str, body: Vec<u8>) -> Result<Answer, TransportError> {
        assert_eq!(url, "https://witness.example/add-checkpoint");
        Ok(self.answer(&body))
    }
}
