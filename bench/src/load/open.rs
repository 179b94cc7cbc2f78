//! An open loop: requests are due at fixed times, whether earlier ones are answered or not, and a
//! latency counts from when its request was due. So a server that stalls is charged for everybody
//! who would have come meanwhile (Gil Tene's "coordinated omission").

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{Answer, Connection, Done};
use crate::measure::Recorder;

/// Sends `requests` in turn, `rate` per second for `time`, over as many connections as may be
/// needed at once. Each answer goes to `judge` with the number of its request. The timer has a
/// resolution of a millisecond, which is part of the latencies.
///
/// # Errors
/// The first error of the judge or of a connection.
pub async fn open(
    target: SocketAddr,
    connections: usize,
    requests: &[Bytes],
    (rate, time): (f64, Duration),
    recorder: &Recorder,
    judge: impl Fn(usize, Answer<'_>) -> Result<()> + Send + Sync + 'static,
) -> Result<Done> {
    let requests: Arc<[Bytes]> = requests.into();
    let (next, judge) = (Arc::new(AtomicU32::new(0)), Arc::new(judge));
    let mut ready = Vec::with_capacity(connections);
    for _ in 0..connections {
        ready.push(Connection::open(target).await?);
    }
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for mut connection in ready {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        let (judge, recorder) = (Arc::clone(&judge), recorder.clone());
        workers.spawn(async move {
            let mut operations = 0_u64;
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                let due_after = Duration::from_secs_f64(f64::from(turn) / rate);
                if due_after >= time {
                    return anyhow::Ok(operations);
                }
                let due = begin + due_after;
                sleep_until(due).await;
                let number = turn as usize % requests.len();
                let request = requests.get(number).context("no such request")?;
                judge(number, connection.call(request).await?)?;
                recorder.record(due.elapsed());
                operations += 1;
            }
        });
    }
    let mut operations = 0;
    while let Some(worker) = workers.join_next().await {
        operations += worker??;
    }
    Ok(Done { operations, seconds: begin.elapsed().as_secs_f64() })
}
