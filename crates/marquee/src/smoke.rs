//! `marquee smoke`: books one ticket from outside, as a customer would, and says what it saw.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use client::{Client, Socket, Subscription};
use kernel::{IdSource, SystemIds};
use platform::telemetry::new_trace;
use serde_json::{Value, json};

/// What a step may take before the check counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many days ahead a show is looked for; the seed fills seven.
const DAYS: i64 = 7;

/// Where the platform is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The GraphQL endpoint.
    #[arg(long, default_value = "http://127.0.0.1:4000/graphql")]
    graphql: String,
    /// The same for subscriptions.
    #[arg(long, default_value = "ws://127.0.0.1:4000/graphql")]
    subscriptions: String,
    /// The payment sandbox, where the test card is used.
    #[arg(long, default_value = "http://127.0.0.1:4010")]
    sandbox: String,
}

/// Books one ticket; each step is printed once it was seen to work.
///
/// # Errors
/// The first step that did not work, with what came instead.
pub async fn run(args: &Args) -> Result<()> {
    let trace = new_trace();
    let visitor = Client::new(&args.graphql)?;
    let customer = sign_up(&visitor).await?.with_trace(&trace);
    let show = find_show(&visitor).await?;
    let show_id = text(&show, "/id")?;

    let socket =
        customer.socket(&args.subscriptions).await.context("cannot open a socket for subscriptions")?;
    let mut seats = watch_seats(&socket, &visitor, show_id).await?;

    let hold = mutate(
        &customer,
        "HoldBestAvailable",
        "holdBestAvailable",
        json!({ "showId": show_id, "quantity": 1, "idempotencyKey": key() }),
    )
    .await?;
    let seat = text(&hold, "/hold/seats/0/id")?;
    say(&format!(
        "held seat {} for {} until {}",
        text(&hold, "/hold/seats/0/label")?,
        money(&hold, "/hold/total")?,
        text(&hold, "/hold/expiresAt")?
    ));
    let version = await_seat(&mut seats, seat, "HELD").await?;
    say(&format!("everybody watching saw the seat become HELD (version {version})"));

    let checkout = mutate(
        &customer,
        "Checkout",
        "checkout",
        json!({ "holdId": text(&hold, "/hold/id")?, "idempotencyKey": key() }),
    )
    .await?;
    let booking_id = text(&checkout, "/booking/id")?;
    say(&format!("booking {} awaits payment", text(&checkout, "/booking/reference")?));

    let mut status = socket.subscribe("BookingChanged", json!({ "id": booking_id }))?;
    pay(&visitor, &args.sandbox, &checkout).await?;
    say("the payment sandbox accepted the test card");
    await_status(&mut status, "CONFIRMED").await?;
    let version = await_seat(&mut seats, seat, "SOLD").await?;
    say(&format!("the webhook confirmed the booking, and everybody saw the seat SOLD (version {version})"));

    let booking = customer.call("Booking", json!({ "id": booking_id })).await?.ok()?;
    let code = text(&booking, "/booking/tickets/0/code")?;
    ensure!(text(&booking, "/booking/tickets/0/qrSvg")?.contains("<svg"), "the ticket has no QR code");
    say(&format!(
        "ticket for seat {} of \u{201c}{}\u{201d}, signed code of {} characters",
        text(&booking, "/booking/tickets/0/seat/label")?,
        text(&booking, "/booking/show/movie/title")?,
        code.len()
    ));
    say(&format!("where traces are recorded, this one is {}", trace.split('-').nth(1).unwrap_or_default()));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the steps are this command's result")]
fn say(step: &str) {
    println!("  ✓ {step}");
}

/// An idempotency key, or anything else that must be new.
fn key() -> String {
    SystemIds.uuid().to_string()
}

fn text<'v>(value: &'v Value, pointer: &str) -> Result<&'v str> {
    value.pointer(pointer).and_then(Value::as_str).ok_or_else(|| anyhow!("no {pointer} in {value}"))
}

fn money(value: &Value, pointer: &str) -> Result<String> {
    let field = |name: &str| text(value, &format!("{pointer}/{name}"));
    Ok(format!("{} {}", field("amount")?, field("currency")?))
}

/// Calls a mutation and gives its payload, when it has no user errors.
async fn mutate(client: &Client, operation: &str, field: &str, input: Value) -> Result<Value> {
    let mut data = client.call(operation, json!({ "input": input })).await?.ok()?;
    let payload = data[field].take();
    match payload["userErrors"].as_array() {
        Some(errors) if errors.is_empty() => Ok(payload),
        _ => bail!("{field} was refused: {payload}"),
    }
}

async fn sign_up(visitor: &Client) -> Result<Client> {
    let id = key();
    let input = json!({
        "email": format!("smoke-{id}@example.org"),
        "password": format!("smoke {id}"),
        "name": "Smoke Check",
    });
    let payload = mutate(visitor, "SignUp", "signUp", input).await?;
    let customer = visitor.with_token(text(&payload, "/session/accessToken")?);
    let me = customer.call("Me", json!({})).await?.ok()?;
    say(&format!("signed up as {}", text(&me, "/me/email")?));
    Ok(customer)
}

/// The first show of the coming week with free seats, browsing as people do: city, movie, day.
async fn find_show(visitor: &Client) -> Result<Value> {
    let cities = visitor.call("Cities", json!({})).await?.ok()?;
    let cities = cities["cities"].as_array().context("no list of cities")?;
    ensure!(!cities.is_empty(), "there are no cities; run `marquee seed`");
    for city in cities {
        let variables = json!({ "cityId": city["id"], "first": 20 });
        let movies = visitor.call("NowShowing", variables).await?.ok()?;
        for movie in movies["movies"]["nodes"].as_array().into_iter().flatten() {
            if let Some(show) = find_show_of(visitor, city, movie).await? {
                say(&format!(
                    "found \u{201c}{}\u{201d} in {}, {}",
                    text(movie, "/title")?,
                    text(city, "/name")?,
                    text(&show, "/localStartsAt")?
                ));
                return Ok(show);
            }
        }
    }
    bail!("no city has a show with free seats in the coming {DAYS} days; run `marquee seed`")
}

async fn find_show_of(visitor: &Client, city: &Value, movie: &Value) -> Result<Option<Value>> {
    use kernel::Clock as _;
    let today = kernel::SystemClock.now().date_naive();
    // From tomorrow on: what starts today may start before the payment is through.
    for day in 1..DAYS {
        let date = today + chrono::TimeDelta::days(day);
        let variables = json!({ "movieId": movie["id"], "cityId": city["id"], "date": date.to_string() });
        let data = visitor.call("MovieShows", variables).await?.ok()?;
        let shows = data.pointer("/movie/showtimes").and_then(Value::as_array).into_iter().flatten();
        let show = shows
            .flat_map(|theater| theater["shows"].as_array().into_iter().flatten())
            .find(|show| show["availability"] != "SOLD_OUT");
        if let Some(show) = show {
            return Ok(Some(show.clone()));
        }
    }
    Ok(None)
}

/// The seat map, once booking has one.
///
/// A freshly seeded show reaches booking by an event; it may still be on its way.
async fn seat_map(visitor: &Client, show_id: &str) -> Result<Value> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut data = visitor.call("SeatMap", json!({ "showId": show_id })).await?.ok()?;
        let map = data["show"]["seatMap"].take();
        if !map.is_null() {
            return Ok(map);
        }
        ensure!(tokio::time::Instant::now() < deadline, "the show has no seat map");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Subscribes first, and reads the snapshot when the first delta has come, so that nothing falls in between.
async fn watch_seats(socket: &Socket, visitor: &Client, show_id: &str) -> Result<Subscription> {
    seat_map(visitor, show_id).await?;
    let mut changes = socket.subscribe("SeatMapChanged", json!({ "showId": show_id }))?;
    next(&mut changes, "the seat map").await?;
    let map = seat_map(visitor, show_id).await?;
    let states = text(&map, "/states")?;
    say(&format!(
        "seat map: {} of {} seats free, version {}",
        map["available"],
        states.len(),
        map["version"]
    ));
    Ok(changes)
}

async fn next(subscription: &mut Subscription, what: &str) -> Result<Value> {
    tokio::time::timeout(PATIENCE, subscription.next())
        .await
        .map_err(|_| anyhow!("nothing heard of {what} for {} s", PATIENCE.as_secs()))?
        .with_context(|| format!("the subscription ended before {what}"))?
        .ok()
        .map_err(Into::into)
}

/// Waits until watchers are told that `seat` is in `state`, and gives the version that says so.
async fn await_seat(changes: &mut Subscription, seat: &str, state: &str) -> Result<Value> {
    loop {
        let data = next(changes, state).await?;
        let delta = &data["seatMapChanged"];
        let seen = delta["changes"].as_array().into_iter().flatten();
        if seen.into_iter().any(|change| change["seatId"] == seat && change["state"] == state) {
            return Ok(delta["version"].clone());
        }
    }
}

async fn await_status(status: &mut Subscription, wanted: &str) -> Result<()> {
    loop {
        let data = next(status, wanted).await?;
        if data["bookingChanged"]["status"] == wanted {
            return Ok(());
        }
    }
}

/// Pays as a browser does: straight at the provider, with the client secret.
async fn pay(visitor: &Client, sandbox: &str, checkout: &Value) -> Result<()> {
    let intent = text(checkout, "/payment/providerIntentId")?;
    let form =
        [("client_secret", text(checkout, "/payment/clientSecret")?), ("payment_method", "pm_card_visa")];
    let answer = visitor
        .http()
        .post(format!("{sandbox}/v1/payment_intents/{intent}/confirm"))
        .form(&form)
        .send()
        .await?;
    let (code, body): (_, Value) = (answer.status(), answer.json().await?);
    ensure!(code.is_success() && body["status"] == "succeeded", "the sandbox answered {code}: {body}");
    Ok(())
}
