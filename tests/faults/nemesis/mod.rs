//! Breaks the platform, by a plan that follows from a seed.

mod harm;
mod inflict;
mod kind;
mod plan;
pub mod steps;
mod tripped;

use std::sync::Arc;

use anyhow::Result;
use tokio::{task::JoinSet, time::Instant};

pub use inflict::heal;
pub use kind::Kind;
pub use plan::{CallingOff, Claims, Plan, Planned};
pub use tripped::tripped;

use crate::{actors::Recorder, stand::Stand};

/// Does what the plan says; returns when the last fault is over.
///
/// # Errors
/// When a server does not come back.
pub async fn run(stand: &Arc<Stand>, plan: &Plan, recorder: &Arc<Recorder>) -> Result<()> {
    let begin = Instant::now();
    let mut running = JoinSet::new();
    for Planned { at, lasts, harm } in plan.faults.iter().cloned() {
        let (stand, recorder) = (Arc::clone(stand), Arc::clone(recorder));
        running.spawn(async move {
            tokio::time::sleep_until(begin + at).await;
            for fault in inflict::inflict(&stand, &harm, lasts).await? {
                recorder.fault(fault);
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}
