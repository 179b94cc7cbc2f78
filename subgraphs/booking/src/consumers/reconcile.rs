//! Compares records that should agree, every few minutes: see [`App::reconcile`].

use std::sync::Arc;

use platform::{Shutdown, job};

use super::queues;
use crate::app::App;

pub(super) fn start(app: &Arc<App>, shutdown: &Shutdown) {
    let (pg, period) = (app.deps.pg.clone(), app.config.reconcile.every());
    let app = Arc::clone(app);
    job::every_as_leader("booking-reconcile", period, pg, shutdown, move || {
        let app = Arc::clone(&app);
        async move { app.reconcile(&queues()).await.map(drop) }
    });
}
