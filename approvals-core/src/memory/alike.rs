//! Lists of deliveries that are alike are kept once.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::store::Delivery;

/// How many lists are compared with: as many as the usual ways of a request through a few channels.
const RECENT: usize = 4;

/// The lists of deliveries that came last. On channels that give no receipt, those of one request
/// are those of every other.
#[derive(Debug, Default)]
pub(super) struct Alike {
    recent: VecDeque<Arc<[Delivery]>>,
}

impl Alike {
    /// These deliveries, shared with another request where one has the same.
    pub(super) fn share(&mut self, deliveries: Vec<Delivery>) -> Arc<[Delivery]> {
        let known = self.recent.iter().find(|known| ***known == *deliveries);
        if let Some(known) = known {
            return Arc::clone(known);
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        let deliveries: Arc<[Delivery]> = deliveries.into();
        self.recent.push_back(Arc::clone(&deliveries));
        deliveries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approver::{Coverage, Receipt};
    use crate::id::ChannelId;
    use crate::store::DeliveryState;

    fn delivered(handle: &str) -> Vec<Delivery> {
        vec![Delivery {
            channel: ChannelId::new("terminal").unwrap(),
            coverage: Coverage::Whole,
            state: DeliveryState::Delivered(Receipt::handle(handle)),
            revision: 1,
        }]
    }

    #[test]
    fn deliveries_are_shared_only_with_their_like() {
        let mut alike = Alike::default();
        let first = alike.share(delivered("a"));
        let other = alike.share(delivered("b"));
        assert_eq!((&*first, &*other), (&*delivered("a"), &*delivered("b")));
        assert!(Arc::ptr_eq(&first, &alike.share(delivered("a"))));
        for handle in 0..100 {
            let handle = handle.to_string();
            assert_eq!(*alike.share(delivered(&handle)), *delivered(&handle));
        }
        assert_eq!(alike.recent.len(), RECENT);
    }
}
