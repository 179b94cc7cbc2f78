//! The database that each round begins with: a theater with one small screen, and a few shows there
//! that booking knows.

use std::{process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use chrono::TimeDelta;
use client::{Client, Reply, operation};
use kernel::{Clock, MovieId, ScreenId, SystemClock};
use serde_json::{Value, json};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};
use uuid::{Uuid, uuid};

use super::{Bench, CLAIM_TTL_SECONDS, Round, Stand, database, probe};
use crate::actors::Show;

const DATABASE: &str = "faults_template";
const MOVIE: Uuid = uuid!("01980000-0000-7000-8000-000000000001");
const SCREEN: Uuid = uuid!("01980000-0000-7000-8000-000000020000");
/// Sold by the actors.
const SHOWS: usize = 3;
const PROBE: &str = "probe@example.org";
/// Runs the theater.
pub const MANAGER: &str = "manager@example.org";
/// Long enough before the start, whatever a clock is moved by and however long the rounds take, that
/// all money comes back.
const FIRST_SHOW: TimeDelta = TimeDelta::days(10);
/// The last one that is sold starts so soon that half of the money comes back, so that a refund that
/// is given twice does not meet the provider's own limit.
const NEXT_SHOW: TimeDelta = TimeDelta::hours(8);
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// 40 seats: few enough that everybody wants the same.
const PLACES: &str = "
INSERT INTO catalog.cities (id, slug, name, country_code, time_zone, currency, latitude, longitude)
VALUES ('01980000-0000-7000-8000-000000000002', 'faults', 'Faults', 'IS', 'Atlantic/Reykjavik', 'EUR', 64, -22);
INSERT INTO catalog.theaters (id, city_id, name, address, latitude, longitude, opening_hours, search_key)
VALUES ('01980000-0000-7000-8000-000000000003', '01980000-0000-7000-8000-000000000002', 'Rift', 'Rift 1',
        64, -22, '[null, null, null, null, null, null, null]', 'rift');
INSERT INTO catalog.screens (id, theater_id, number, name, layout, formats)
VALUES ('01980000-0000-7000-8000-000000020000', '01980000-0000-7000-8000-000000000003', 1, 'Small',
        'A:RRRRR_RRRRR/B:RRRRR_RRRRR/C:RRRRR_RRRRR/D:PPPPP_PPPPP', '{2D}');
INSERT INTO catalog.movies (id, title, description, runtime_minutes, genres, languages, certificate,
                            release_date, formats, title_key, people_key)
VALUES ('01980000-0000-7000-8000-000000000001', 'Faults', '', 90, '{}', '{en}', '12', '2020-01-01', '{2D}',
        'faults', '');
";

const SCHEDULE: &str = "mutation Schedule($input: ScheduleShowInput!) {
  scheduleShow(input: $input) { show { id } userErrors { code message } } }";

/// What the rounds begin with.
#[derive(Debug)]
pub struct Template {
    /// The shows that are sold.
    pub shows: Vec<Show>,
    /// The show of the probe.
    pub probe_show: Show,
    /// Names of all queues, without the prefix.
    pub queues: Vec<String>,
}

impl Template {
    /// Makes it, with a platform that nobody disturbs.
    ///
    /// # Errors
    /// When that does not work.
    pub async fn make(bench: &Arc<Bench>) -> Result<Self> {
        database::create(&bench.servers, DATABASE, None).await?;
        let migrated = Command::new(&bench.marquee)
            .arg("migrate")
            .env("DATABASE_URL", bench.servers.postgres_url(DATABASE))
            .stdin(Stdio::null())
            .output()
            .await?;
        ensure!(migrated.status.success(), "migrate: {}", String::from_utf8_lossy(&migrated.stderr));
        database::execute(&bench.servers, DATABASE, PLACES).await?;

        let round = Round {
            label: "template".to_owned(),
            database: DATABASE.to_owned(),
            mutant: None,
            claim_limit_seconds: CLAIM_TTL_SECONDS,
        };
        let stand = Stand::start(bench, &round).await?;
        let made = Self::fill(bench, &stand).await;
        stand.stop(true).await?.finish().await?;
        made
    }

    async fn fill(bench: &Bench, stand: &Stand) -> Result<Self> {
        let visitor = Client::new(stand.graphql())?;
        for email in [PROBE, MANAGER] {
            probe::sign_up(&visitor, email).await?;
        }
        stand.marquee(&["user", "grant", MANAGER, "manager"]).await?;
        let manager = probe::log_in(&visitor, MANAGER).await?;
        let mut shows = Vec::new();
        for place in 0..=SHOWS {
            shows.push(schedule(&manager, place).await?);
        }
        let probe_show = shows.pop().context("there is one more than are sold")?;
        let listed = stand.marquee(&["queues", "list"]).await?;
        let queues = listed.lines().filter_map(|line| line.split_whitespace().next());
        let template = Self { shows, probe_show, queues: queues.map(str::to_owned).collect() };
        delivered(bench).await?;
        Ok(template)
    }

    /// Makes a round's own copy.
    ///
    /// # Errors
    /// What PostgreSQL said.
    pub async fn copy(&self, bench: &Bench, name: &str) -> Result<()> {
        database::create(&bench.servers, name, Some(DATABASE)).await
    }

    /// A session of the probe's, in a round.
    ///
    /// # Errors
    /// When the platform does not let it in.
    pub async fn probe(&self, visitor: &Client) -> Result<probe::Probe> {
        Ok(probe::Probe::new(probe::log_in(visitor, PROBE).await?, self.probe_show.clone()))
    }
}

/// A show of ours, as soon as booking knows it.
async fn schedule(manager: &Client, place: usize) -> Result<Show> {
    let first = if place + 1 == SHOWS { NEXT_SHOW } else { FIRST_SHOW };
    let starts_at = SystemClock.now() + first + TimeDelta::hours(4) * i32::try_from(place)?;
    let input = json!({
        "movieId": MovieId::from_uuid(MOVIE).to_string(),
        "screenId": ScreenId::from_uuid(SCREEN).to_string(),
        "startsAt": starts_at.to_rfc3339(),
        "basePrice": "12",
    });
    let data = manager.execute(SCHEDULE, json!({ "input": input })).await?.ok()?;
    let id = data["scheduleShow"]["show"]["id"].as_str();
    let id = id.with_context(|| format!("scheduleShow: {data}"))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let read = manager.execute(operation("SeatMap")?, json!({ "showId": id })).await.and_then(Reply::ok);
        if let Some(show) = read.ok().and_then(|mut data| known(data["show"].take())) {
            return Ok(show);
        }
        ensure!(Instant::now() < deadline, "booking does not learn of {id}");
        sleep(PAUSE).await;
    }
}

fn known(show: Value) -> Option<Show> {
    show["seatMap"]["epoch"].as_str()?;
    let rows = show["screen"]["layout"]["rows"].as_array()?;
    let seats = rows.iter().filter_map(|row| row["seats"].as_array()).flatten();
    let seats = seats.filter_map(|seat| Some(seat["id"].as_str()?.to_owned())).collect();
    Some(Show { id: show["id"].as_str()?.to_owned(), seats })
}

/// Waits until no event is left that a copy would send again.
async fn delivered(bench: &Bench) -> Result<()> {
    let waiting = "SELECT (SELECT count(*) FROM catalog.outbox) + (SELECT count(*) FROM users.outbox)
                        + (SELECT count(*) FROM booking.outbox)";
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if database::number(&bench.servers, DATABASE, waiting).await? == 0 {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
    bail!("the outboxes do not drain")
}
