//! Compares records that should agree, every few minutes: see [`App::reconcile`].

use std::sync::Arc;

use platform::{Shutdown, job};

use super::queues;
use crate::app::App;

pub(super) fn start(app: &Arc<App>, shutdown: &Shutdown) {
    let (pg, period) = (app.deps.pg.clone(), app.config.reconcile.every());
    let (app, soft) = (Arc::clone(app), shutdown.token());
    job::every_as_leader("booking-reconcile", period, pg, shutdown, move || {
        let (app, soft) = (Arc::clone(&app), soft.clone());
        async move {
            let queues = queues();
            // A pass may take minutes, and may end anywhere: the next one, wherever it is made, goes on.
            soft.run_until_cancelled(app.reconcile(&queues)).await.map_or(Ok(()), |done| done.map(drop))
        }
    });
}
