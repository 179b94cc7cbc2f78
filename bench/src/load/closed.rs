//! A closed loop: so many connections, each sends its next request when the last is answered. It
//! measures throughput; its latencies say nothing about a server that stalls.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::{task::JoinSet, time::Instant};

use super::{Answer, Connection};

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// Each request was sent once.
    Once,
    /// This time is over; requests are sent again and again.
    Over(Duration),
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Done {
    /// Answered requests.
    pub operations: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
}

impl Done {
    /// Operations per second.
    pub fn rate(self) -> f64 {
        self.operations as f64 / self.seconds.max(f64::EPSILON)
    }
}

/// Sends `requests`; each answer must be a 200 that has `part`.
///
/// # Errors
/// The first answer that is not.
pub async fn closed(
    target: SocketAddr,
    connections: usize,
    requests: &[Bytes],
    until: Until,
    part: &'static str,
) -> Result<Done> {
    closed_with(target, connections, requests, until, move |_, answer| {
        anyhow::ensure!(
            answer.status == 200 && answer.has(part) && !answer.has("\"errors\""),
            "a wrong answer ({}): {}",
            answer.status,
            answer.text()
        );
        Ok(())
    })
    .await
}

/// Sends `requests`, and shows each answer with the number of its request to `judge`.
///
/// # Errors
/// The first error of the judge or of a connection.
pub async fn closed_with(
    target: SocketAddr,
    connections: usize,
    requests: &[Bytes],
    until: Until,
    judge: impl Fn(usize, Answer<'_>) -> Result<()> + Send + Sync + 'static,
) -> Result<Done> {
    let requests: Arc<[Bytes]> = requests.into();
    let (next, judge) = (Arc::new(AtomicUsize::new(0)), Arc::new(judge));
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(target).await?);
    }
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for mut connection in open {
        let (requests, next, judge) = (Arc::clone(&requests), Arc::clone(&next), Arc::clone(&judge));
        workers.spawn(async move {
            let mut operations = 0_u64;
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                let number = match until {
                    Until::Once if turn >= requests.len() => break,
                    Until::Over(time) if begin.elapsed() >= time => break,
                    Until::Once => turn,
                    Until::Over(_) => turn % requests.len(),
                };
                let request = requests.get(number).context("no such request")?;
                judge(number, connection.call(request).await?)?;
                operations += 1;
            }
            anyhow::Ok(operations)
        });
    }
    let mut operations = 0;
    while let Some(worker) = workers.join_next().await {
        operations += worker??;
    }
    Ok(Done { operations, seconds: begin.elapsed().as_secs_f64() })
}
