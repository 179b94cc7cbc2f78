//! Sends events.

use std::{mem, time::Duration};

use axum::http::header;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Outcome, signature};
use crate::{
    app::App,
    model::{Endpoint, Event, Row},
    source,
};

/// Takes events as they happen and sends each in a task of its own, or holds them back to send
/// them in the wrong order.
pub(crate) async fn run(app: App, mut events: mpsc::UnboundedReceiver<Event>) {
    let mut held = Vec::new();
    let mut release_at = None;
    loop {
        tokio::select! {
            () = app.stopped().cancelled() => break,
            event = events.recv() => {
                let Some(event) = event else { break };
                let webhook = app.behaviour().webhook;
                if webhook.reorder {
                    held.push(event);
                    let window = Duration::from_millis(webhook.reorder_window_ms);
                    release_at.get_or_insert_with(|| Instant::now() + window);
                } else {
                    app.tasks().spawn(send_all(app.clone(), vec![event]));
                }
            }
            () = sleep_until(release_at.unwrap_or_else(Instant::now)), if release_at.is_some() => {
                release_at = None;
                let mut batch = mem::take(&mut held);
                batch.reverse();
                app.tasks().spawn(send_all(app.clone(), batch));
            }
        }
    }
}

/// Sends an event again, whatever the switches say.
pub(crate) fn resend(app: &App, event: &Event) {
    for endpoint in endpoints(app, event) {
        let delivery = Pursuit::new(app, event, endpoint, 0);
        app.tasks().spawn(delivery.until_delivered());
    }
}

fn endpoints(app: &App, event: &Event) -> Vec<Endpoint> {
    let ledger = app.ledger();
    ledger.endpoints.oldest_first().filter(|e| e.wants(&event.kind)).cloned().collect()
}

/// Sends events in the given order: each is attempted everywhere before the next one is. What
/// fails is tried again without holding up the rest.
async fn send_all(app: App, events: Vec<Event>) {
    let generation = app.generation();
    let delay = Duration::from_millis(app.behaviour().webhook.delay_ms);
    tokio::select! {
        () = sleep(delay) => {}
        () = generation.cancelled() => return,
    }
    for event in events {
        let webhook = app.behaviour().webhook;
        let lost = webhook.drop || app.take(|behaviour| &mut behaviour.webhook.drop_next);
        let mut attempts = Vec::new();
        for endpoint in endpoints(&app, &event) {
            if lost {
                app.delivery_record(&event, &endpoint.url, 1, 0, Outcome::Dropped);
                app.ledger().event_settled(&event.id);
                continue;
            }
            for copy in 0..=webhook.repeat {
                let mut pursuit = Pursuit::new(&app, &event, endpoint.clone(), copy);
                attempts.push(async move {
                    if !pursuit.attempt().await {
                        pursuit.app.clone().tasks().spawn(pursuit.until_delivered());
                    }
                });
            }
        }
        futures::future::join_all(attempts).await;
    }
}

/// One event on its way to one endpoint.
struct Pursuit {
    app: App,
    generation: CancellationToken,
    event: Event,
    endpoint: Endpoint,
    copy: u32,
    /// Attempts made.
    attempts: u32,
}

impl Pursuit {
    fn new(app: &App, event: &Event, endpoint: Endpoint, copy: u32) -> Self {
        Self {
            app: app.clone(),
            generation: app.generation(),
            event: event.clone(),
            endpoint,
            copy,
            attempts: 0,
        }
    }

    /// Attempts, with growing waits, until the endpoint has it or the attempts are used up.
    async fn until_delivered(mut self) {
        if self.attempts == 0 && self.attempt().await {
            return;
        }
        while let Some(wait) = self.app.config().retry.wait_after(self.attempts) {
            tokio::select! {
                () = sleep(wait) => {}
                () = self.generation.cancelled() => return,
            }
            if self.attempt().await {
                return;
            }
        }
        tracing::warn!(event = self.event.id, url = self.endpoint.url, "webhook given up");
        if self.copy == 0 {
            self.app.ledger().event_settled(&self.event.id);
        }
    }

    /// Attempts once; whether there is nothing more to do.
    async fn attempt(&mut self) -> bool {
        self.attempts += 1;
        let outcome = tokio::select! {
            outcome = self.post() => outcome,
            () = self.generation.cancelled() => return true,
        };
        let delivered = outcome.is_delivered();
        if delivered && self.copy == 0 {
            self.app.ledger().event_settled(&self.event.id);
        }
        self.app.delivery_record(&self.event, &self.endpoint.url, self.attempts, self.copy, outcome);
        delivered
    }

    async fn post(&self) -> Outcome {
        let body = self.event.json().to_string();
        let signature = signature::header(&self.endpoint.secrets, source::unix_now(), body.as_bytes());
        let answer = self
            .app
            .http()
            .post(&self.endpoint.url)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header("stripe-signature", signature)
            .body(body)
            .send()
            .await;
        match answer {
            Ok(answer) => Outcome::Answered { status: answer.status().as_u16() },
            Err(error) => Outcome::Failed { error: error.without_url().to_string() },
        }
    }
}
