//! Asks again, every few minutes, for refunds that have been pending for long.

use std::sync::Arc;
use std::time::Duration;

use platform::{Shutdown, job};

use crate::app::App;

const PERIOD: Duration = Duration::from_secs(180);

pub(super) fn start(app: &Arc<App>, shutdown: &Shutdown) {
    let pg = app.deps.pg.clone();
    let app = Arc::clone(app);
    job::every_as_leader("booking-refund-chase", PERIOD, pg, shutdown, move || {
        let app = Arc::clone(&app);
        async move { app.refunds_chase().await }
    });
}
