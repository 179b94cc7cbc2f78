//! Buying: hold, check out, pay at the sandbox as a browser does.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, ensure};
use client::operation;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    load::{Connection, graphql, post},
    stand::{PROVIDER_KEY, Person, Show, Stand, execute},
};

/// Customers who are served at the same time.
const TILLS: usize = 32;
/// Seats of a booking.
pub const SEATS: u16 = 2;

/// Somebody who wants these seats of a show.
#[derive(Debug, Clone)]
pub struct Customer {
    /// Who.
    pub person: Person,
    /// Of which show.
    pub show: Show,
    /// Index of the first seat.
    pub first: u16,
}

/// Connections to what a customer speaks to.
pub struct Till {
    gateway: Connection,
    sandbox: Connection,
}

impl Till {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(gateway: SocketAddr, sandbox: SocketAddr) -> Result<Self> {
        Ok(Self { gateway: Connection::open(gateway).await?, sandbox: Connection::open(sandbox).await? })
    }

    /// Serves one customer up to the payment.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn serve(&mut self, customer: &Customer) -> Result<()> {
        let Customer { person, show, first } = customer;
        let seats: Vec<_> = (*first..first + SEATS).map(|index| show.seat(index)).collect();
        let key = format!("till-{first}");
        let input = json!({ "showId": show.id, "seatIds": seats, "idempotencyKey": key });
        let hold = self.mutate("HoldSeats", "holdSeats", &input, person).await?;
        self.pay(&hold["hold"]["id"], person).await
    }

    /// Checks this hold out and pays for it.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn pay(&mut self, hold: &Value, person: &Person) -> Result<()> {
        let input = json!({ "holdId": hold, "idempotencyKey": hold });
        let checkout = self.mutate("Checkout", "checkout", &input, person).await?;
        let payment = |field: &str| checkout["payment"][field].as_str().context("no payment");
        let path = format!("/v1/payment_intents/{}/confirm", payment("providerIntentId")?);
        let form = format!("client_secret={}&payment_method=pm_card_visa", payment("clientSecret")?);
        let form_type = "application/x-www-form-urlencoded";
        let paid = self.sandbox.call(&post(&path, form_type, Some(PROVIDER_KEY), form.as_bytes())).await?;
        ensure!(paid.has("succeeded"), "not paid: {}", paid.text());
        Ok(())
    }

    async fn mutate(&mut self, name: &str, field: &str, input: &Value, person: &Person) -> Result<Value> {
        let request = graphql(operation(name)?, &json!({ "input": input }), Some(&person.token));
        let mut answer = self.gateway.call(&request).await?.json()?;
        let payload = answer["data"][field].take();
        ensure!(payload["userErrors"] == json!([]), "{field} is refused: {payload} {}", answer["errors"]);
        Ok(payload)
    }
}

/// `count` customers with accounts that mail reaches, for distinct seats over many shows.
///
/// # Errors
/// When too few shows are left.
pub async fn customers(stand: &mut Stand, count: usize) -> Result<Vec<Customer>> {
    const PER_SHOW: u16 = 40;
    let shows = stand.shows.take(count.div_ceil(usize::from(PER_SHOW)), SEATS * PER_SHOW)?;
    super::hold::load(stand, &shows).await?;
    let mut customers: Vec<Customer> = Vec::with_capacity(count);
    for place in 0..PER_SHOW {
        customers.extend(shows.iter().map(|show| Customer {
            person: stand.people.somebody(),
            show: show.clone(),
            first: SEATS * place,
        }));
    }
    customers.truncate(count);
    register(stand, customers.iter().map(|customer| &customer.person)).await?;
    Ok(customers)
}

/// Tells the notifications where these people's mail goes, as `user.registered` would.
async fn register(stand: &Stand, people: impl Iterator<Item = &Person>) -> Result<()> {
    let rows: Vec<String> = people
        .map(|person| {
            format!("('{0}', 1, '{0}@example.org', 'Somebody', 'en', null, now())", person.id.uuid())
        })
        .collect();
    for rows in rows.chunks(1_000) {
        let sql = format!(
            "insert into notification.recipients (user_id, revision, email, name, locale, time_zone, updated_at)
             values {} on conflict do nothing",
            rows.join(", ")
        );
        execute(&stand.pg, &sql).await?;
    }
    Ok(())
}

/// Serves all, some at a time.
///
/// # Errors
/// When somebody is refused.
pub async fn serve_all(stand: &Stand, customers: &[Customer]) -> Result<()> {
    let customers: Arc<[Customer]> = customers.into();
    let mut tills = JoinSet::new();
    for number in 0..TILLS {
        let mut till = Till::open(stand.gateway(), stand.address(stand.ports.sandbox)).await?;
        let customers = Arc::clone(&customers);
        tills.spawn(async move {
            for customer in customers.iter().skip(number).step_by(TILLS) {
                till.serve(customer).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(till) = tills.join_next().await {
        till??;
    }
    Ok(())
}
