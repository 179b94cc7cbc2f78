//! Who has tickets against who owns seats: the promise that no seat is sold twice, counted.
//!
//! The constraints of the database keep it. This is to be 0, and tells people when the database is
//! not what we think it is; nothing is repaired, as nobody but a person can say who has to go.

use super::pass::{MOST_BATCHES, Pass};
use crate::app::AppError;
use crate::store::allocation_counts::seat_count_oversold;
use crate::store::standings::show_list_current;

const COMPARISON: &str = "oversold";

impl Pass<'_> {
    /// Counts the seats of coming shows that more than one can claim.
    pub(super) async fn oversold(&mut self) -> Result<(), AppError> {
        let (mut seats, mut after) = (0, None);
        for _ in 0..MOST_BATCHES {
            let shows = show_list_current(&self.app.deps.pg, after, self.now, self.batch()).await?;
            seats += seat_count_oversold(&self.app.deps.pg, &shows).await?;
            if shows.len() < self.batch() as usize {
                self.report.oversold = Some(seats);
                metrics::gauge!("booking_oversold_seats").set(seats as f64);
                if seats > 0 {
                    tracing::error!(seats, "seats are sold to more than one");
                }
                return Ok(());
            }
            after = shows.last().copied();
        }
        self.unfinished(COMPARISON);
        Ok(())
    }
}
