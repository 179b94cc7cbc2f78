//! Sockets that watch one show, through the gateway and at a bare broadcast.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use client::operation;
use fred::interfaces::HashesInterface;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{
    board::Board,
    script::{Changes, keys},
};
use crate::{
    load::{Connection, Crowd, Done, Watch, find, get, post},
    measure::Sample,
    stand::{Show, Stand},
};

/// What the last delivery may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Changes that may be needed until all sockets see one.
const WARM_UPS: u32 = 10;
const WARM_UP: Duration = Duration::from_secs(3);

/// How much is sent to how many.
#[derive(Debug, Clone, Copy)]
pub struct Traffic {
    /// Sockets.
    pub sockets: usize,
    /// Deltas per second.
    pub per_second: u32,
    /// Deltas in all.
    pub deltas: u32,
}

/// Deltas of `show` to sockets at the gateway. An operation is a delivery of a version to a socket.
///
/// # Errors
/// When a delta gets lost.
pub async fn ours(stand: &Stand, show: &Show, traffic: Traffic) -> Result<Sample> {
    let ([ledger, ..], _) = keys(&stand.redis, show.id);
    let version: u64 = stand.redis.pool().hget(ledger, "version").await?;
    let board = Board::new(version)?;
    let crowd = crowd(stand, show, traffic.sockets, board.watch()).await?;
    let mut changes = Changes::new(&stand.redis, show.id);
    let sample = measure(stand, &board, traffic, async |_| changes.next().await).await;
    crowd.close().await?;
    changes.finish().await?;
    sample
}

/// The same frames to sockets at the bare broadcast.
///
/// # Errors
/// When a frame gets lost.
pub async fn raw(stand: &Stand, show: &Show, traffic: Traffic) -> Result<Sample> {
    let board = Board::new(0)?;
    let crowd =
        Crowd::open(stand.address(stand.ports.raw_sockets), "/", traffic.sockets, &[], board.watch()).await?;
    let mut control = Connection::open(stand.raw()).await?;
    let seats = [show.seat(0), show.seat(1)];
    let sample = measure(stand, &board, traffic, async |version| {
        // As large as ours: a hold of two seats.
        let changes: Vec<_> = (0..2).map(|at| json!({ "seatId": seats[at], "index": at, "state": "HELD" })).collect();
        let delta = json!({ "epoch": "0123456789abcdef", "fromVersion": version - 1, "version": version, "changes": changes });
        let frame = json!({ "id": "1", "type": "next", "payload": { "data": { "seatMapChanged": delta } } });
        let request = post("/broadcast", "text/plain", None, frame.to_string().as_bytes());
        ensure!(control.call(&request).await?.status == 200, "no broadcast");
        Ok(())
    })
    .await;
    crowd.close().await?;
    let gone = get("/sockets");
    while !control.call(&gone).await?.body.starts_with(b"0") {
        sleep(LOOK_EVERY).await;
    }
    sample
}

/// Watchers of `show` at the gateway.
///
/// # Errors
/// When a socket is refused.
pub async fn crowd(stand: &Stand, show: &Show, sockets: usize, watch: Watch) -> Result<Crowd> {
    let subscribe = json!({
        "id": "1",
        "type": "subscribe",
        "payload": { "query": operation("SeatMapChanged")?, "variables": { "showId": show.id } },
    });
    let greeting = [json!({ "type": "connection_init" }).to_string(), subscribe.to_string()];
    Crowd::open(stand.gateway(), "/graphql", sockets, &greeting, watch).await
}

/// Makes changes until all sockets see one, then the ones that are measured. Latencies count from
/// when a change was due.
async fn measure(
    stand: &Stand,
    board: &Board,
    traffic: Traffic,
    mut change: impl AsyncFnMut(u64) -> Result<()>,
) -> Result<Sample> {
    let sockets = traffic.sockets as u64;
    let mut version = board.base;
    for attempt in 0.. {
        ensure!(attempt < WARM_UPS, "some of {sockets} sockets do not see any change");
        version += 1;
        change(version).await?;
        if reaches(board, version, sockets, WARM_UP).await {
            break;
        }
    }
    board.count_from(version + 1);
    let mut sample = stand
        .metered(async {
            let mut pace = interval(Duration::from_secs(1) / traffic.per_second);
            pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let begin = Instant::now();
            for _ in 0..traffic.deltas {
                let due = pace.tick().await;
                version += 1;
                board.make(version, due);
                change(version).await?;
            }
            let last = version;
            ensure!(
                reaches(board, last, sockets, PATIENCE).await,
                "not all of {sockets} sockets saw the last change"
            );
            let expected = sockets * u64::from(traffic.deltas);
            let covered = board.covered.load(Ordering::Relaxed);
            ensure!(covered == expected, "{covered} of {expected} versions arrived");
            let operations = board.delivered.load(Ordering::Relaxed);
            Ok(Done { operations, seconds: begin.elapsed().as_secs_f64() })
        })
        .await?;
    sample.latency = board.recorder.latency();
    Ok(sample)
}

/// Whether so many sockets see this version in time.
async fn reaches(board: &Board, version: u64, sockets: u64, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    while board.seen(version) < sockets {
        if Instant::now() > deadline {
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
    true
}

/// An arc of a function that takes in nothing, for sockets that are only there.
pub fn nobody() -> Watch {
    Arc::new(|_| {})
}

/// The versions of a delta: from, to.
pub fn versions(payload: &[u8]) -> Option<(u64, u64)> {
    number(payload, b"\"fromVersion\":").zip(number(payload, b"\"version\":"))
}

/// The number behind `name`, in quotes or not.
fn number(bytes: &[u8], name: &[u8]) -> Option<u64> {
    let at = find(bytes, name)? + name.len();
    let digits = bytes.get(at..)?.iter().skip_while(|byte| **byte == b'"');
    let text: String = digits.take_while(|byte| byte.is_ascii_digit()).copied().map(char::from).collect();
    text.parse().context("no number").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_any_order() {
        let delta = br#"{"seatMapChanged":{"epoch":"e","fromVersion":41,"version":43,"changes":[]}}"#;
        assert_eq!(versions(delta), Some((41, 43)));
        assert_eq!(versions(br#"{"version":"7","fromVersion":"6"}"#), Some((6, 7)));
        assert_eq!(versions(b"{}"), None);
    }
}
