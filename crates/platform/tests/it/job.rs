//! Periodic jobs with one leader.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use platform::{
    Shutdown, job,
    pg::{self, PgConfig},
};
use secrecy::ExposeSecret;

use crate::support::{Proxy, database, until};

#[tokio::test]
async fn another_process_takes_over_when_the_leader_ends() {
    let config = database().await;
    let start = async |shutdown: &Shutdown| {
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let pg = pg::connect(&config).await.unwrap();
        job::every_as_leader("sweep", Duration::from_millis(5), pg, shutdown, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok::<(), String>(()) }
        });
        runs
    };
    let runs = |counter: &AtomicU32| counter.load(Ordering::Relaxed);

    let (first, second) = (Shutdown::new(), Shutdown::new());
    let first_runs = start(&first).await;
    until("the first leader", || async { runs(&first_runs) > 0 }).await;
    let second_runs = start(&second).await;
    let before = runs(&first_runs);
    until("the leader to go on", || async { runs(&first_runs) > before + 20 }).await;
    assert_eq!(runs(&second_runs), 0, "only the leader works");

    assert!(first.finish(Duration::from_secs(5)).await);
    until("the other to take over", || async { runs(&second_runs) > 0 }).await;
    assert!(second.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn another_process_takes_over_when_the_leader_hangs() {
    let config = database().await;
    let url = config.url.expose_secret();
    let network = Proxy::to(url).await;
    let through = PgConfig { url: network.url(url).into(), ..config.clone() };
    // Each run takes longer than a silent leader may live.
    let start = async |config: &PgConfig, shutdown: &Shutdown| {
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let pg = pg::connect(config).await.unwrap();
        job::every_as_leader("sweep", Duration::from_millis(5), pg, shutdown, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::time::sleep(Duration::from_secs(6)).await;
                Ok::<(), String>(())
            }
        });
        runs
    };
    let runs = |counter: &AtomicU32| counter.load(Ordering::Relaxed);

    let (first, second) = (Shutdown::new(), Shutdown::new());
    let first_runs = start(&through, &first).await;
    until("the first leader", || async { runs(&first_runs) == 1 }).await;
    let second_runs = start(&config, &second).await;
    until("a second run of the same leader", || async { runs(&first_runs) == 2 }).await;
    assert_eq!(runs(&second_runs), 0, "a leader that works for long is the leader still");

    network.freeze();
    until("the other to take over", || async { runs(&second_runs) > 0 }).await;
    assert_eq!(runs(&first_runs), 2);
    first.begin();
    second.begin();
}
