//! Names of exchanges and queues, and how they are declared.

use lapin::{
    BasicProperties, Channel, ExchangeKind,
    options::{
        ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{Queue, RabbitConfig, RabbitError};

/// Deliveries without an answer (the consumer died each time) before a message is a dead letter.
const DELIVERY_LIMIT: i64 = 20;
/// Header with the number of attempts that failed.
pub(super) const ATTEMPTS: &str = "x-marquee-attempts";
/// Header of a dead letter with the last failure.
pub(super) const FAILURE: &str = "x-marquee-failure";

/// The names that this installation uses.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    exchange: String,
    delays_ms: Vec<u32>,
}

impl Names {
    pub(super) fn new(config: &RabbitConfig) -> Self {
        Self {
            prefix: config.prefix.clone(),
            exchange: format!("{}{}", config.prefix, config.exchange),
            delays_ms: config.retry_delays_ms.clone(),
        }
    }

    pub(super) fn exchange(&self) -> &str {
        &self.exchange
    }

    pub(super) fn queue(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn dead(&self, name: &str) -> String {
        format!("{}{name}.dead", self.prefix)
    }

    /// Where a message waits after its `attempts`-th failure (1, 2 …); none after the last.
    pub(super) fn retry(&self, name: &str, attempts: usize) -> Option<String> {
        let delay = self.delays_ms.get(attempts.checked_sub(1)?)?;
        Some(self.delayed(name, *delay))
    }

    /// Where a message waits longest.
    pub(super) fn last_retry(&self, name: &str) -> Option<String> {
        self.retry(name, self.delays_ms.len())
    }

    /// Where messages of a queue wait after a failure.
    pub(super) fn retries(&self, name: &str) -> impl Iterator<Item = String> {
        self.delays_ms.iter().map(move |delay| self.delayed(name, *delay))
    }

    /// The delay is part of the name, because a queue cannot change its time to live: other
    /// delays are other queues, and what waits in the old ones still comes back.
    fn delayed(&self, name: &str, delay_ms: u32) -> String {
        format!("{}{name}.retry.{}", self.prefix, label(delay_ms))
    }
}

/// A delay as people write it: `50ms`, `5s`, `2m`.
fn label(delay_ms: u32) -> String {
    match delay_ms {
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// AMQP's short string, at most 255 bytes. All names that are used here are shorter; one from
/// outside that is not names no queue in any case.
pub(super) fn short(text: &str) -> ShortString {
    let mut end = text.len().min(255);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().into()
}

/// Declares the exchange. Idempotent.
pub(super) async fn declare_exchange(channel: &Channel, names: &Names) -> Result<(), RabbitError> {
    let exchange = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let name = short(names.exchange());
    channel.exchange_declare(name, ExchangeKind::Topic, exchange, FieldTable::default()).await?;
    Ok(())
}

/// Declares a queue with everything around it; the exchange has to exist. Idempotent.
pub(super) async fn declare(channel: &Channel, names: &Names, queue: &Queue) -> Result<(), RabbitError> {
    let (own, dead) = (names.queue(queue.name), names.dead(queue.name));
    declare_queue(channel, &dead, &[]).await?;
    for delay in &names.delays_ms {
        let delayed = names.delayed(queue.name, *delay);
        let time_to_live = ("x-message-ttl", AMQPValue::LongLongInt((*delay).into()));
        let [strategy, exchange, key] = dead_letters_to(&own);
        declare_queue(channel, &delayed, &[time_to_live, strategy, exchange, key]).await?;
    }
    let limit = ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT));
    let [strategy, exchange, key] = dead_letters_to(&dead);
    declare_queue(channel, &own, &[limit, strategy, exchange, key]).await?;
    for binding in queue.bindings {
        let (to, from, nothing) = (short(&own), short(names.exchange()), FieldTable::default());
        channel.queue_bind(to, from, short(binding), QueueBindOptions::default(), nothing).await?;
    }
    Ok(())
}

/// Deletes these queues, everything around them and all their messages, and the exchange.
/// Idempotent.
pub(super) async fn delete(channel: &Channel, names: &Names, queues: &[Queue]) -> Result<(), RabbitError> {
    for queue in queues {
        let delayed = names.delays_ms.iter().map(|delay| names.delayed(queue.name, *delay));
        for name in delayed.chain([names.queue(queue.name), names.dead(queue.name)]) {
            channel.queue_delete(short(&name), QueueDeleteOptions::default()).await?;
        }
    }
    channel.exchange_delete(short(names.exchange()), ExchangeDeleteOptions::default()).await?;
    Ok(())
}

/// Through the default exchange, whose routing keys are names of queues.
fn dead_letters_to(queue: &str) -> [(&'static str, AMQPValue); 3] {
    [
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(queue)),
    ]
}

/// A quorum queue that loses nothing: see the notes of [`super`].
async fn declare_queue(
    channel: &Channel,
    name: &str,
    more: &[(&'static str, AMQPValue)],
) -> Result<(), RabbitError> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    for (key, value) in more {
        arguments.insert((*key).into(), value.clone());
    }
    channel.queue_declare(short(name), QueueDeclareOptions::durable(), arguments).await?;
    Ok(())
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// How often the message has failed before.
pub(super) fn attempts(properties: &BasicProperties) -> usize {
    let header = properties.headers().as_ref().and_then(|headers| headers.inner().get(ATTEMPTS));
    match header {
        Some(AMQPValue::LongLongInt(attempts)) => usize::try_from(*attempts).unwrap_or(0),
        Some(AMQPValue::LongInt(attempts)) => usize::try_from(*attempts).unwrap_or(0),
        _ => 0,
    }
}

/// The properties of a message that is published again after `attempts` failures.
///
/// All other headers are left out on purpose: RabbitMQ keeps its own account of dead-lettering
/// in them, and drops a message that seems to go in circles.
pub(super) fn republished(
    properties: &BasicProperties,
    attempts: usize,
    failure: Option<&str>,
) -> BasicProperties {
    let mut headers = FieldTable::default();
    let count = i64::try_from(attempts).unwrap_or(i64::MAX);
    headers.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(count));
    if let Some(failure) = failure {
        headers.insert(FAILURE.into(), text(failure));
    }
    properties.clone().with_headers(headers)
}

/// The lane for a key: the same for the same key, and spread evenly for keys that share a prefix
/// (UUIDs of version 7 made at the same time).
pub(super) fn lane(key: u128, lanes: usize) -> usize {
    // Fibonacci hashing: the high bits of a product with 2^64 divided by the golden ratio.
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let folded = (key >> 64) as u64 ^ key as u64;
    let hash = folded.wrapping_mul(GOLDEN) >> 32;
    (hash % lanes.max(1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(&RabbitConfig { prefix: "t1.".to_owned(), ..RabbitConfig::default() })
    }

    #[test]
    fn each_failure_waits_longer_until_the_last() {
        let waits: Vec<Option<String>> = (0..=6).map(|n| names().retry("q", n)).collect();
        let expected = [
            None,
            Some("t1.q.retry.1s"),
            Some("t1.q.retry.5s"),
            Some("t1.q.retry.30s"),
            Some("t1.q.retry.2m"),
            Some("t1.q.retry.10m"),
            None,
        ];
        assert_eq!(waits, expected.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn a_long_outage_waits_for_the_last_delay() {
        assert_eq!(names().last_retry("q").as_deref(), Some("t1.q.retry.10m"));
        let mut names = names();
        names.delays_ms = vec![50];
        assert_eq!(names.last_retry("q").as_deref(), Some("t1.q.retry.50ms"));
    }

    #[test]
    fn the_account_of_attempts_survives_a_round_trip() {
        let first = BasicProperties::default();
        assert_eq!(attempts(&first), 0);
        assert_eq!(attempts(&republished(&first, 3, Some("why"))), 3);
    }

    #[test]
    fn a_key_keeps_its_lane_and_keys_spread() {
        let mut counts = [0_u32; 8];
        // As UUIDs of version 7 are: a shared timestamp, then random bits.
        for random in 0..8_000_u64 {
            let key =
                0x0190_0000_0000_7000_u128 << 64 | u128::from(random.wrapping_mul(0x2545_F491_4F6C_DD1D));
            assert_eq!(lane(key, 8), lane(key, 8));
            counts[lane(key, 8)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert_eq!(lane(5, 1), 0);
        assert_eq!(lane(5, 0), 0);
    }

    #[test]
    fn short_strings_are_cut_at_a_character() {
        let long = "é".repeat(200);
        assert_eq!(short(&long).as_str().len(), 254);
        assert_eq!(short("booking").as_str(), "booking");
    }
}
