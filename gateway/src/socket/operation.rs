//! One operation of a socket: a request to the router, and its answer as messages.

use std::{rc::Rc, sync::Arc};

use ntex::{
    http::{HeaderMap, StatusCode},
    util::Bytes,
    web::HttpResponse,
};

use super::{
    connection::{Connection, Owing},
    protocol::{self, Answers, Outcome},
};
use crate::{
    admission::{Admission, request_id},
    answers::Answer,
    audience::Viewer,
    operations::Meter,
    refusal::Refusal,
    request,
    router::{Prepared, Query, Router},
    trace::Trace,
};

/// Runs the operation to its end, or until it watches. Dropping the future cancels it.
pub(super) async fn run(owing: Owing, id: Rc<str>, mut headers: HeaderMap, body: Bytes) {
    let connection = Rc::clone(&owing.connection);
    let request = request_id(&mut headers, &connection.router.gate.ids);
    let trace = Trace::begin(&mut headers, "websocket");
    match trace.run(begin(&connection, headers, body, request.made)).await {
        Begun::Watching(viewer) => return connection.watch(id, viewer),
        Begun::Known(known, meter) => {
            meter.answered_well();
            connection.deliver(Answers::to(&id).next(&known.body)).await;
            connection.deliver(protocol::complete(&id)).await;
        }
        Begun::Answered(response, meter) => answer(&connection, &id, response, meter).await,
        Begun::Refused(refusal) => {
            let request_id = request.value.to_str().ok();
            tracing::debug!(request_id, code = %refusal.code, "refused an operation of a socket");
            connection.deliver(protocol::error(&id, &refusal.errors().to_string())).await;
        }
        Begun::Failed => {
            connection.deliver(protocol::unexplained(&id, StatusCode::INTERNAL_SERVER_ERROR)).await;
        }
    }
    connection.finished(&id);
}

/// What has become of an operation.
enum Begun {
    Watching(Viewer),
    /// With an answer that was there.
    Known(Arc<Answer>, Meter),
    Answered(HttpResponse, Meter),
    Refused(Refusal),
    Failed,
}

/// Admits the operation and has it executed.
async fn begin(connection: &Connection, mut headers: HeaderMap, body: Bytes, made_id: bool) -> Begun {
    let router = &connection.router;
    let Admission { mut admitted, subscription, question, body, meter } =
        match router.gate.admit(&mut headers, connection.address, body).await {
            Ok(admission) => admission,
            Err(refusal) => return Begun::Refused(refusal),
        };
    admitted.made_id = made_id;
    if let Some(subscription) = subscription {
        return match router.view(subscription, headers, body, admitted) {
            Ok(viewer) => {
                meter.opened();
                Begun::Watching(viewer)
            }
            Err(full) => {
                let refusal = full.refusal();
                meter.refused(&refusal);
                Begun::Refused(refusal)
            }
        };
    }
    if let Some(question) = &question {
        let query = Query { question, headers: &headers, body: &body, admitted: &admitted };
        match router.prepared(query, request::JSON).await {
            Some(Prepared::ForAll(answer)) => return Begun::Known(answer, meter),
            Some(Prepared::Own(response)) => return Begun::Answered(response, meter),
            None => {}
        }
    }
    match router.answer(headers, body, admitted).await {
        Ok(response) => {
            Router::learn(question.as_ref(), &response);
            Begun::Answered(response, meter)
        }
        Err(error) => {
            tracing::error!(%error, "the router failed on an operation of a socket");
            Begun::Failed
        }
    }
}

async fn answer(connection: &Connection, id: &str, mut response: HttpResponse, meter: Meter) {
    let status = response.status();
    let body = request::read_answer(response.take_body()).await;
    meter.answered(status, &body);
    if serde_json::from_slice::<Outcome<'_>>(&body).is_ok_and(|outcome| outcome.executed) {
        connection.deliver(Answers::to(id).next(&body)).await;
        connection.deliver(protocol::complete(id)).await;
    } else {
        connection.deliver(protocol::refused(id, &body, status)).await;
    }
}
