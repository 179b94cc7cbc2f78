//! Forgets, every hour, which messages were taken in long ago.

use std::sync::Arc;
use std::time::Duration;

use platform::{Shutdown, job};

use crate::app::App;

const PERIOD: Duration = Duration::from_hours(1);

pub(super) fn start(app: &Arc<App>, shutdown: &Shutdown) {
    let pg = app.deps.pg.clone();
    let app = Arc::clone(app);
    job::every_as_leader("booking-purge", PERIOD, pg, shutdown, move || {
        let app = Arc::clone(&app);
        async move { app.messages_purge().await }
    });
}
