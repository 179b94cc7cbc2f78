//! Ends durable holds whose time is over, and tells Redis of those that it does not know.

use std::sync::Arc;
use std::time::Duration;

use platform::{Shutdown, job};

use crate::app::App;

const PERIOD: Duration = Duration::from_secs(1);

pub(super) fn start(app: &Arc<App>, shutdown: &Shutdown) {
    let pg = app.deps.pg.clone();
    let app = Arc::clone(app);
    job::every_as_leader("booking-durable-holds", PERIOD, pg, shutdown, move || {
        let app = Arc::clone(&app);
        async move { app.holds_follow().await }
    });
}
