//! Ends durable holds whose time is over, loads shows anew after an outage of Redis, and tells it
//! of the holds that it does not know.

use std::sync::Arc;
use std::time::Duration;

use platform::{Shutdown, job};

use crate::app::App;

const PERIOD: Duration = Duration::from_secs(1);

pub(super) fn start(app: &Arc<App>, shutdown: &Shutdown) {
    let pg = app.deps.pg.clone();
    // For the leader alone Redis may be away: whoever has it tells.
    let teller = Arc::clone(app);
    job::every("booking-durable-holds-told", PERIOD, shutdown, move || {
        let app = Arc::clone(&teller);
        async move { app.holds_tell().await }
    });
    let app = Arc::clone(app);
    job::every_as_leader("booking-durable-holds", PERIOD, pg, shutdown, move || {
        let app = Arc::clone(&app);
        async move { app.holds_follow().await }
    });
}
