//! A process that fails when it is told to.

use std::{os::unix::process::ExitStatusExt, panic::AssertUnwindSafe, process::Output, time::Duration};

use chrono::TimeDelta;
use futures::FutureExt;
use kernel::source::{Clock, SystemClock};
use platform::{Shutdown, faults, http::serve};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::Instant};

/// This process, with its routes for tests.
struct Process {
    base: String,
    http: reqwest::Client,
}

impl Process {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { serve(listener, faults::routes(), &Shutdown::new()).await });
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self { base, http }
    }

    async fn points(&self) -> Value {
        self.http.get(format!("{}/faults/points", self.base)).send().await.unwrap().json().await.unwrap()
    }

    async fn tell(&self, path: &str, what: Value) -> StatusCode {
        self.http.post(format!("{}{path}", self.base)).json(&what).send().await.unwrap().status()
    }

    async fn set(&self, step: &str, action: &str) -> StatusCode {
        self.tell("/faults/points", json!({ step: action })).await
    }
}

/// Runs one test of this file in a process of its own, which is told so by a variable.
fn alone(test: &str, variable: &str, value: &str) -> Output {
    let mut own = std::process::Command::new(std::env::current_exe().unwrap());
    own.args(["--exact", &format!("process::{test}"), "--nocapture"]).env(variable, value).output().unwrap()
}

#[tokio::test]
async fn a_step_waits_as_often_as_it_is_told() {
    let process = Process::start().await;
    assert_eq!(process.set("test.waited", "2*return(wait:50)").await, StatusCode::NO_CONTENT);
    let start = Instant::now();
    for _ in 0..3 {
        faults::reach("test.waited").await;
    }
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
    let points = process.points().await;
    assert_eq!(points["reached"]["test.waited"], 3);
    assert_eq!(points["actions"]["test.waited"], "2*return(wait:50)");
    process.set("test.waited", "off").await;
    assert_eq!(process.points().await["actions"]["test.waited"], Value::Null);
}

#[tokio::test]
async fn a_step_panics() {
    Process::start().await.set("test.panicked", "1*panic").await;
    assert!(AssertUnwindSafe(faults::reach("test.panicked")).catch_unwind().await.is_err());
    faults::reach("test.panicked").await;
}

#[tokio::test]
async fn the_last_step_is_the_last() {
    if std::env::var_os("MARQUEE_TEST_EXIT").is_some() {
        Process::start().await.set("test.exited", "return(exit)").await;
        faults::reach("test.exited").await;
        unreachable!("dead");
    }
    let output = alone("the_last_step_is_the_last", "MARQUEE_TEST_EXIT", "1");
    assert_eq!(output.status.signal(), Some(9), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("failpoint test.exited exit\n"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    let process = Process::start().await;
    for action in ["sleep(5)", "pause", "return(explode)", "return", "return(wait:long)", "off->delay(3)"] {
        let status = process.set("test.refused", action).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{action}");
    }
    for action in ["off", "25%1*return(exit)", "50%return(wait:5)->1*panic"] {
        assert_eq!(process.set("test.accepted", action).await, StatusCode::NO_CONTENT, "{action}");
    }
}

#[test]
fn unknown_mutants_are_refused_with_the_list() {
    const CHOICE: &str = "MARQUEE_MUTANT";
    if std::env::var_os(CHOICE).is_some() {
        let known = faults::start().map_err(|error| error.to_string());
        assert_eq!(known, Ok(()));
        assert!(faults::mutant("no_inbox") && !faults::mutant("skip_sort"));
        return;
    }
    let run = |mutants| alone("unknown_mutants_are_refused_with_the_list", CHOICE, mutants);
    let known = run("no_inbox, lost_delta,");
    assert!(known.status.success(), "{known:?}");
    let unknown = run("no_inbox,no_such");
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && said.contains("`no_such`"), "{said}");
    assert!(said.contains("refund_without_key"), "{said}");
}

#[tokio::test]
async fn the_clock_moves_both_ways() {
    let process = Process::start().await;
    let clock = faults::clock();
    for hours in [5, -5, 0_i64] {
        process.tell("/faults/clock", json!({ "offset_ms": hours * 3_600_000 })).await;
        let distance = clock.now() - SystemClock.now() - TimeDelta::hours(hours);
        assert!(distance.num_seconds().abs() < 60, "{distance}");
    }
    let refused = process.tell("/faults/clock", json!({ "offset_ms": i64::MIN })).await;
    assert_eq!(refused, StatusCode::UNPROCESSABLE_ENTITY);
}
