//! Buying: hold, check out, pay at the sandbox as a browser does.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use client::operation;
use futures::future::try_join_all;
use serde_json::{Value, json};

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

/// What is to be paid at the sandbox.
#[derive(Debug)]
pub struct Due {
    path: String,
    form: String,
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
        let due = self.order(customer).await?;
        self.settle(&due).await
    }

    /// Serves one customer up to the checkout.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn order(&mut self, customer: &Customer) -> Result<Due> {
        let Customer { person, show, first } = customer;
        let seats: Vec<_> = (*first..first + SEATS).map(|index| show.seat(index)).collect();
        let key = format!("till-{first}");
        let input = json!({ "showId": show.id, "seatIds": seats, "idempotencyKey": key });
        let hold = self.mutate("HoldSeats", "holdSeats", &input, person).await?;
        self.check_out(&hold["hold"]["id"], person).await
    }

    /// Checks this hold out and pays for it.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn pay(&mut self, hold: &Value, person: &Person) -> Result<()> {
        let due = self.check_out(hold, person).await?;
        self.settle(&due).await
    }

    async fn check_out(&mut self, hold: &Value, person: &Person) -> Result<Due> {
        let input = json!({ "holdId": hold, "idempotencyKey": hold });
        let checkout = self.mutate("Checkout", "checkout", &input, person).await?;
        let payment = |field: &str| checkout["payment"][field].as_str().context("no payment");
        Ok(Due {
            path: format!("/v1/payment_intents/{}/confirm", payment("providerIntentId")?),
            form: format!("client_secret={}&payment_method=pm_card_visa", payment("clientSecret")?),
        })
    }

    /// Pays what is due.
    ///
    /// # Errors
    /// When the sandbox takes no money.
    pub async fn settle(&mut self, due: &Due) -> Result<()> {
        let form_type = "application/x-www-form-urlencoded";
        let request = post(&due.path, form_type, Some(PROVIDER_KEY), due.form.as_bytes());
        let paid = self.sandbox.call(&request).await?;
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
    const PER_SHOW: u16 = 80;
    let room = |show: &Show| PER_SHOW.min(show.seats / SEATS);
    let (mut shows, mut places) = (Vec::new(), 0);
    while places < count {
        let show = stand.shows.take_one(SEATS)?;
        places += usize::from(room(&show));
        shows.push(show);
    }
    super::hold::load(stand, &shows).await?;
    let mut customers: Vec<Customer> = Vec::with_capacity(places);
    for place in 0..PER_SHOW {
        customers.extend(shows.iter().filter(|show| place < room(show)).map(|show| Customer {
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
///
/// # Errors
/// When the table cannot be written.
pub async fn register(stand: &Stand, people: impl Iterator<Item = &Person>) -> Result<()> {
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
    at_tills(stand, customers, async |till, customer| till.serve(customer).await).await.map(drop)
}

/// Serves all up to the checkout, some at a time.
///
/// # Errors
/// When somebody is refused.
pub async fn order_all(stand: &Stand, customers: &[Customer]) -> Result<Vec<Due>> {
    at_tills(stand, customers, async |till, customer| till.order(customer).await).await
}

/// Pays all that is due, some at a time.
///
/// # Errors
/// When the sandbox takes no money.
pub async fn settle_all(stand: &Stand, dues: &[Due]) -> Result<()> {
    at_tills(stand, dues, async |till, due| till.settle(due).await).await.map(drop)
}

async fn at_tills<T, R>(
    stand: &Stand,
    items: &[T],
    serve: impl AsyncFn(&mut Till, &T) -> Result<R>,
) -> Result<Vec<R>> {
    let serve = &serve;
    let tills = (0..TILLS).map(async |number| {
        let mut till = Till::open(stand.gateway(), stand.address(stand.ports.sandbox)).await?;
        let mut served = Vec::new();
        for item in items.iter().skip(number).step_by(TILLS) {
            served.push(serve(&mut till, item).await?);
        }
        anyhow::Ok(served)
    });
    Ok(try_join_all(tills).await?.into_iter().flatten().collect())
}
