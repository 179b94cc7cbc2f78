//! How tests reach into the process. Every role has these beside its health and metrics.
//!
//! * `GET /faults/points`: the steps reached so far and how often, what is set for which of them,
//!   and the mutants: `{"reached": {"confirm.committed": 3}, "actions": {}, "mutants": [{"name",
//!   "about", "on"}]}`.
//! * `POST /faults/points`: `{"confirm.committed": "25%1*return(exit)"}`, any number of steps;
//!   all or, when one cannot be understood, none from that one on.
//! * `POST /faults/clock`: `{"offset_ms": -3600000}`.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

use super::on;

const POINTS: &str = "/faults/points";
const CLOCK: &str = "/faults/clock";
/// Where they are.
pub const PATHS: [&str; 2] = [POINTS, CLOCK];

#[derive(Debug, Serialize)]
struct Points {
    reached: BTreeMap<&'static str, u64>,
    actions: BTreeMap<String, String>,
    mutants: Vec<MutantState>,
}

#[derive(Debug, Serialize)]
struct MutantState {
    name: &'static str,
    about: &'static str,
    on: bool,
}

#[derive(Debug, Deserialize)]
struct MoveClock {
    offset_ms: i64,
}

/// The routes of tests.
pub fn routes() -> Router {
    Router::new().route(POINTS, get(points).post(set_points)).route(CLOCK, post(move_clock))
}

async fn points() -> Json<Points> {
    let mutants = on::mutants()
        .map(|(mutant, on)| MutantState { name: mutant.name, about: mutant.about, on })
        .collect();
    Json(Points { reached: on::reached(), actions: on::actions(), mutants })
}

type Answer = Result<StatusCode, (StatusCode, String)>;

async fn set_points(Json(actions): Json<BTreeMap<String, String>>) -> Answer {
    for (step, action) in &actions {
        on::set(step, action).map_err(refused)?;
        tracing::warn!(step, action, "a failpoint is set");
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn move_clock(Json(MoveClock { offset_ms }): Json<MoveClock>) -> Answer {
    on::move_clock(offset_ms).map_err(refused)?;
    tracing::warn!(offset_ms, "the clock is moved");
    Ok(StatusCode::NO_CONTENT)
}

fn refused(reason: String) -> (StatusCode, String) {
    (StatusCode::UNPROCESSABLE_ENTITY, reason)
}
