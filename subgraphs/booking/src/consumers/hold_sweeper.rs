//! Makes the end of holds and claims visible. Nothing depends on it: whoever looks at a show ends
//! what is overdue in it.

use std::sync::Arc;
use std::time::Duration;

use platform::{Shutdown, job};

use crate::app::App;

pub(super) fn start(app: &Arc<App>, shutdown: &Shutdown) {
    let period = Duration::from_millis(app.config.seat_map.sweep_every_ms.into());
    let app = Arc::clone(app);
    // No leader: processes take different shows.
    job::every("booking-hold-sweeper", period, shutdown, move || {
        let app = Arc::clone(&app);
        async move { app.seats.sweep().await }
    });
}
