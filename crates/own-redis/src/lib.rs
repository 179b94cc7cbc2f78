//! Redis servers of a test's own, which can die and come back, alone or as a cluster.

mod cluster;
mod server;

use std::{io, net::TcpListener, time::Duration};

use tokio::time::{Instant, sleep};

pub use cluster::OwnCluster;
pub use server::OwnRedis;

/// No server takes this long for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// Ports on loopback that nobody uses, all different.
fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    // All are open at the same time, so that none is found twice.
    let listeners = (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<Vec<_>>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

/// Waits until `probe` says yes.
async fn until(what: &str, mut probe: impl AsyncFnMut() -> io::Result<bool>) -> io::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while !probe().await? {
        if Instant::now() >= deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("waited in vain: {what}")));
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
