//! Fetches anew what is asked for often: shortly before it ends, and when everything was dropped. One at a
//! time, so that clients hardly notice; who asks meanwhile fetches it as ever.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Answer, Answers, NAME, answer::Fetch};
use crate::{admission::Admitted, request, router::InProcess};

/// How often it is told how much is kept.
const TOLD_EVERY: Duration = Duration::from_secs(5);

impl Answers {
    /// Fetches by `router`, for `nobody` in particular, until `end`.
    pub(crate) async fn keep_warm(
        self: Arc<Self>,
        router: InProcess,
        nobody: Admitted,
        end: CancellationToken,
    ) {
        let mut waiting = self.waiting();
        let mut tell = interval(TOLD_EVERY);
        tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                _ = tell.tick() => self.tell(),
                Some(answer) = async { waiting.as_mut()?.recv().await }, if waiting.is_some() => {
                    self.ask_again(&answer, &router, &nobody).await;
                }
            }
        }
    }

    async fn ask_again(&self, old: &Answer, router: &InProcess, nobody: &Admitted) {
        let asked = &old.asked;
        let key = self.key_of(asked.digest);
        // Somebody has been faster.
        if self.kept.get(&key).is_some_and(|answer| !answer.ends_soon()) {
            return;
        }
        let begun = Instant::now();
        let for_all = nobody.for_all(self.next_flight(), None);
        let request = request::ask(asked.headers.clone(), asked.body.clone(), for_all, request::JSON);
        let Ok(response) = router.call(request).await else { return };
        let fetch = Fetch { begun, asked: asked.clone(), given: old.given() / 2, validator: None };
        if Answer::of(&response, fetch).is_some_and(|answer| self.keep(key, &Arc::new(answer))) {
            metrics::counter!("gateway_answers_warmed_total").increment(1);
        }
    }

    fn tell(&self) {
        self.kept.run_pending_tasks();
        let (entries, bytes) = (self.kept.entry_count() as f64, self.kept.weighted_size() as f64);
        metrics::gauge!("cache_entries", "cache" => NAME).set(entries);
        metrics::gauge!("cache_bytes", "cache" => NAME).set(bytes);
    }
}
