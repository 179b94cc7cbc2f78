//! What people see when they configure a process, rightly or wrongly.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::{pg::PgConfig, rabbit::RabbitConfig, redis::RedisConfig};

#[derive(Debug, Default, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
struct Root {
    #[garde(dive)]
    pg: PgConfig,
    #[garde(dive)]
    redis: RedisConfig,
    #[garde(dive)]
    rabbit: RabbitConfig,
    #[garde(dive)]
    booking: Booking,
}

#[derive(Debug, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
struct Booking {
    #[garde(skip)]
    listen: std::net::SocketAddr,
    #[garde(range(min = 1, max = 50))]
    seats: u16,
    #[garde(skip)]
    live: bool,
    #[garde(skip)]
    secrets: Vec<SecretString>,
    #[garde(skip)]
    payments: Payments,
}

impl Default for Booking {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 4002).into(),
            seats: 10,
            live: false,
            secrets: Vec::new(),
            payments: Payments::default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Payments {
    secret_key: SecretString,
}

/// A file in the directory for temporary files, removed at the end of the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("marquee-config-{}-{name}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_variables(pairs: &[(&str, &str)]) -> Result<Root, ConfigError> {
    load_from(None, variables(pairs))
}

/// The message for a configuration that is refused.
fn refusal(pairs: &[(&str, &str)]) -> String {
    from_variables(pairs).expect_err("refused").to_string()
}

#[test]
fn without_anything_the_defaults_hold() {
    let root = from_variables(&[]).unwrap();
    assert_eq!(root.booking.listen.port(), 4002);
    assert_eq!(root.rabbit.exchange, "marquee.events");
}

#[test]
fn the_environment_overrides_the_file() {
    let file = File::new(
        "both",
        "[booking]\nseats = 4\nlive = true\n[booking.payments]\nsecret_key = \"from-file\"\n",
    );
    let root: Root = load_from(
        Some(&file.0),
        variables(&[
            ("MARQUEE_BOOKING__SEATS", "5"),
            ("MARQUEE_BOOKING__PAYMENTS__SECRET_KEY", "12345"),
            ("MARQUEE_BOOKING__LISTEN", "0.0.0.0:80"),
            ("MARQUEE_TEST_PG_URL", "is not ours"),
        ]),
    )
    .unwrap();
    assert_eq!(root.booking.seats, 5);
    assert!(root.booking.live);
    assert_eq!(root.booking.payments.secret_key.expose_secret(), "12345");
    assert_eq!(root.booking.listen.port(), 80);
}

#[test]
fn customary_variables_have_the_last_word() {
    let root = from_variables(&[
        ("DATABASE_URL", "postgres://a/b"),
        ("MARQUEE_PG__URL", "postgres://c/d"),
        ("REDIS_URL", "redis://e"),
        ("AMQP_URL", "amqp://f"),
    ])
    .unwrap();
    assert_eq!(root.pg.url.expose_secret(), "postgres://a/b");
    assert_eq!(root.redis.url.expose_secret(), "redis://e");
    assert_eq!(root.rabbit.url.expose_secret(), "amqp://f");
}

#[test]
fn lists_are_given_as_toml() {
    let root = from_variables(&[
        ("MARQUEE_BOOKING__SECRETS", r#"["new", "old"]"#),
        ("MARQUEE_RABBIT__RETRY_DELAYS_MS", "[10, 20]"),
    ])
    .unwrap();
    assert_eq!(root.booking.secrets.len(), 2);
    assert_eq!(root.rabbit.retry_delays_ms, [10, 20]);
}

#[test]
fn an_unknown_field_is_refused_by_name() {
    let message = refusal(&[("MARQUEE_BOOKING__SEETS", "5")]);
    assert!(message.contains("booking: unknown field `seets`"), "{message}");
    assert!(message.contains("`seats`"), "{message}");
    let message = refusal(&[("MARQUEE_BOKING__SEATS", "5")]);
    assert!(message.contains("unknown field `boking`"), "{message}");
}

#[test]
fn a_wrong_value_is_told_with_its_field_and_how_to_set_it() {
    let message = refusal(&[("MARQUEE_BOOKING__SEATS", "many")]);
    assert_eq!(
        message,
        "the configuration cannot be used:\n  booking.seats: expected an integer \
         (set MARQUEE_BOOKING__SEATS, or `seats` in [booking] of the file)"
    );
    let message = refusal(&[("MARQUEE_BOOKING__SEATS", "51")]);
    assert!(message.contains("booking.seats: "), "{message}");
    assert!(message.contains("MARQUEE_BOOKING__SEATS"), "{message}");
    let message = refusal(&[("MARQUEE_BOOKING__LISTEN", "here")]);
    assert!(message.contains("booking.listen: invalid socket address"), "{message}");
}

#[test]
fn all_bad_values_are_told_at_once() {
    let message = refusal(&[("MARQUEE_BOOKING__SEATS", "0"), ("MARQUEE_PG__MAX_CONNECTIONS", "0")]);
    assert!(message.contains("booking.seats"), "{message}");
    assert!(message.contains("pg.max_connections"), "{message}");
}

#[test]
fn the_customary_name_is_offered() {
    let file = File::new("customary", "[pg]\nurl = { host = 1 }\n");
    let message = load_from::<Root>(Some(&file.0), []).expect_err("refused").to_string();
    assert!(message.contains("pg.url: expected"), "{message}");
    assert!(message.contains("set DATABASE_URL or MARQUEE_PG__URL"), "{message}");
}

#[test]
fn secrets_are_never_shown() {
    for (name, value) in [
        ("MARQUEE_BOOKING__SECRETS", "sesame"),
        ("MARQUEE_BOOKING__SECRETS", "[sesame]"),
        ("MARQUEE_BOOKING__PAYMENTS", "sesame"),
        ("MARQUEE_BOOKING__PAYMENTS__SECRET_KEY", r#"["sesame"]"#),
        ("MARQUEE_BOOKING__PAYMENTS__SECRET_KEY__X", "sesame"),
        ("MARQUEE_BOOKING__SEATS", "sesame"),
        ("MARQUEE_BOOKING__LIVE", "sesame"),
    ] {
        let message = refusal(&[(name, value)]);
        assert!(!message.contains("sesame"), "{message}");
        assert!(message.contains("booking."), "{message}");
    }
    let file = File::new("secret", "[booking]\nseats = 3\nsecrets = [\"sesame]\n");
    let message = load_from::<Root>(Some(&file.0), []).expect_err("refused").to_string();
    assert!(!message.contains("sesame"), "{message}");
    assert!(message.contains("line 3"), "{message}");
}

#[test]
fn a_missing_file_is_told_by_name() {
    let error = load_from::<Root>(Some(Path::new("/nowhere/marquee.toml")), []);
    let message = error.expect_err("refused").to_string();
    assert!(message.contains("/nowhere/marquee.toml"), "{message}");
}
