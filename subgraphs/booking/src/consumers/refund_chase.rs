//! Asks again, every few minutes, for refunds that have been pending for long.

use std::sync::Arc;

use platform::{Shutdown, job};

use crate::app::App;

pub(super) fn start(app: &Arc<App>, shutdown: &Shutdown) {
    let (pg, period) = (app.deps.pg.clone(), app.config.payments.refund_chase());
    let app = Arc::clone(app);
    job::every_as_leader("booking-refund-chase", period, pg, shutdown, move || {
        let app = Arc::clone(&app);
        async move { app.refunds_chase().await }
    });
}
