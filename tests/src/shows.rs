//! Shows of a test's own, at the time it wants.

use chrono::{TimeDelta, Utc};
use kernel::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::{stack::Stack, wait::eventually};

/// A show that booking knows.
#[derive(Debug, Clone)]
pub struct Show {
    /// Its id.
    pub id: String,
    /// The ids of its seats, by index.
    pub seats: Vec<String>,
    /// What people call them, by index.
    pub labels: Vec<String>,
}

impl Show {
    fn new(show: &Value) -> Self {
        let rows = show["screen"]["layout"]["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let seats: Vec<&Value> = rows.iter().filter_map(|row| row["seats"].as_array()).flatten().collect();
        let texts =
            |field: &str| seats.iter().filter_map(|seat| Some(seat[field].as_str()?.to_owned())).collect();
        let id = show["id"].as_str().unwrap_or_default().to_owned();
        Self { id, seats: texts("id"), labels: texts("label") }
    }

    /// The ids of the seats at `indices`.
    pub fn pick<const N: usize>(&self, indices: [usize; N]) -> [&str; N] {
        indices.map(|index| self.seats[index].as_str())
    }
}

impl Stack {
    /// A show of the seed that starts in more than a day, found by browsing.
    ///
    /// # Panics
    /// When there is none.
    pub async fn seeded_show(&self) -> Show {
        let id = self.seeded_show_id().await;
        self.known_show(&id).await
    }

    async fn seeded_show_id(&self) -> String {
        let visitor = self.visitor();
        let ask = async |name: &str, variables: Value| {
            // Availability is booking's, and may be missing.
            visitor.call(name, variables).await.unwrap_or_else(|error| panic!("{name}: {error}")).data
        };
        let city = &ask("Cities", json!({})).await["cities"][0]["id"];
        let movies = ask("NowShowing", json!({ "cityId": city, "first": 20 })).await;
        let date = (SystemClock.now() + TimeDelta::days(3)).date_naive().to_string();
        for movie in movies["movies"]["nodes"].as_array().into_iter().flatten() {
            let variables = json!({ "movieId": movie["id"], "cityId": city, "date": date });
            let shows = ask("MovieShows", variables).await;
            if let Some(id) = shows["movie"]["showtimes"][0]["shows"][0]["id"].as_str() {
                return id.to_owned();
            }
        }
        panic!("no show on {date}")
    }

    /// A new show that starts in more than a day.
    ///
    /// # Panics
    /// When it cannot be scheduled.
    pub async fn show(&self) -> Show {
        self.show_in(TimeDelta::hours(30)).await
    }

    /// A new show that starts after `lead`.
    ///
    /// # Panics
    /// When it cannot be scheduled.
    pub async fn show_in(&self, lead: TimeDelta) -> Show {
        let starts_at = SystemClock.now() + lead;
        let manager = self.manager().await;
        let data = manager.client.execute(PLACES, json!({})).await.and_then(client::Reply::ok);
        let places = data.unwrap_or_else(|error| panic!("no places: {error}"));
        let movie = &places["movies"]["nodes"][0]["id"];
        let theaters = places["theaters"]["nodes"].as_array().into_iter().flatten();
        // Seats for 12 yen cost less than the provider takes.
        let theaters = theaters.filter(|theater| theater["city"]["currency"] != "JPY");
        let screens = theaters.flat_map(|theater| theater["screens"].as_array().into_iter().flatten());
        for screen in screens {
            let input = json!({
                "movieId": movie,
                "screenId": screen["id"],
                "startsAt": starts_at.with_timezone(&Utc).to_rfc3339(),
                "format": "TWO_D",
                "language": "en",
                "basePrice": "12",
            });
            let variables = json!({ "input": input });
            let answer = manager.client.execute(SCHEDULE, variables).await.and_then(client::Reply::ok);
            let data = answer.unwrap_or_else(|error| panic!("scheduleShow: {error}"));
            let payload = &data["scheduleShow"];
            // Somebody plays there at that time: the next screen may be free.
            if payload["userErrors"][0]["__typename"] == "ScreenBusyError" {
                continue;
            }
            assert_eq!(payload["userErrors"], json!([]), "{payload}");
            return self.known_show(payload["show"]["id"].as_str().unwrap_or_default()).await;
        }
        panic!("every screen is busy at {starts_at}")
    }

    /// Waits until booking knows the show, and reads its seats.
    async fn known_show(&self, id: &str) -> Show {
        let visitor = self.visitor();
        let show = eventually(format_args!("{id} has a seat map"), async || {
            let data = visitor.call("SeatMap", json!({ "showId": id })).await.ok()?.ok().ok()?;
            Some(data["show"].clone()).filter(|show| !show["seatMap"].is_null())
        })
        .await;
        Show::new(&show)
    }
}

const PLACES: &str = "{
  movies(filter: { nowShowing: true }, first: 1) { nodes { id } }
  theaters(first: 100) { nodes { city { currency } screens { id } } }
}";
const SCHEDULE: &str = "mutation Schedule($input: ScheduleShowInput!) {
  scheduleShow(input: $input) { show { id } userErrors { __typename message } }
}";
