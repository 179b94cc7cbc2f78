//! Answers that were put there before.

use std::sync::{Arc, PoisonError, RwLock};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

type Answers = Arc<RwLock<Vec<Bytes>>>;

/// `PUT /prepared/N` with the answer; then `GET /prepared/N`.
pub fn routes() -> Router {
    Router::new().route("/prepared/{number}", get(read).put(write)).with_state(Answers::default())
}

async fn write(State(answers): State<Answers>, Path(number): Path<usize>, body: Bytes) -> StatusCode {
    let mut answers = answers.write().unwrap_or_else(PoisonError::into_inner);
    if number >= answers.len() {
        answers.resize(number + 1, Bytes::new());
    }
    if let Some(answer) = answers.get_mut(number) {
        *answer = body;
    }
    StatusCode::OK
}

async fn read(State(answers): State<Answers>, Path(number): Path<usize>) -> impl IntoResponse {
    let answer = answers.read().unwrap_or_else(PoisonError::into_inner).get(number).cloned();
    match answer {
        Some(answer) => {
            (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], answer).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
