//! Breaks the platform, by a plan that follows from a seed.

mod inflict;
mod kind;
mod plan;

use std::sync::Arc;

use anyhow::Result;
use tokio::{task::JoinSet, time::Instant};

pub use inflict::heal;
pub use kind::Kind;
pub use plan::{Plan, Planned};

use crate::{actors::Recorder, stand::Stand};

/// Does what the plan says; returns when the last fault is over.
///
/// # Errors
/// When a server does not come back.
pub async fn run(stand: &Arc<Stand>, plan: &Plan, recorder: &Arc<Recorder>) -> Result<()> {
    let begin = Instant::now();
    let mut running = JoinSet::new();
    for Planned { at, lasts, harm } in plan.0.iter().cloned() {
        let (stand, recorder) = (Arc::clone(stand), Arc::clone(recorder));
        running.spawn(async move {
            tokio::time::sleep_until(begin + at).await;
            if let Some(fault) = inflict::inflict(&stand, &harm, lasts).await? {
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
