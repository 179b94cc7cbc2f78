//! Settles overdue claims every few seconds, so that their seats are seen to be free.

use std::sync::Arc;
use std::time::Duration;

use platform::{Shutdown, job};

use crate::app::App;

const PERIOD: Duration = Duration::from_secs(3);

pub(super) fn start(app: &Arc<App>, shutdown: &Shutdown) {
    let pg = app.deps.pg.clone();
    let app = Arc::clone(app);
    // A leader, because the provider is asked about each claim.
    job::every_as_leader("booking-claim-expiry", PERIOD, pg, shutdown, move || {
        let app = Arc::clone(&app);
        async move { app.claims_expire_all().await }
    });
}
