//! The switches that make the sandbox misbehave.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How the sandbox behaves; the default is well. Set through `POST /sandbox/behaviour`, which
/// changes the named switches only, or in process through
/// [`PaysimHandle::set_behaviour`](crate::PaysimHandle::set_behaviour).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Deliveries of events.
    pub webhook: WebhookBehaviour,
    /// Answers under `/v1`.
    pub api: ApiBehaviour,
    /// What becomes of refunds.
    pub refund: RefundBehaviour,
}

/// Switches for webhooks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookBehaviour {
    /// Milliseconds between an event and its first attempt.
    pub delay_ms: u64,
    /// Further copies of every delivery, sent at the same time as the first.
    pub repeat: u32,
    /// Collect the events of `reorder_window_ms`, then send them newest first, one after another.
    pub reorder: bool,
    /// Length of that window in milliseconds.
    pub reorder_window_ms: u64,
    /// Lose every event: no attempt, no retry. `POST /sandbox/events/{id}/resend` still sends it.
    pub drop: bool,
    /// Lose this many of the next events.
    pub drop_next: u32,
}

impl Default for WebhookBehaviour {
    fn default() -> Self {
        Self { delay_ms: 0, repeat: 0, reorder: false, reorder_window_ms: 250, drop: false, drop_next: 0 }
    }
}

/// Switches for the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiBehaviour {
    /// Milliseconds that every request is worked on. A second request with the same idempotency
    /// key meanwhile gets 409.
    pub delay_ms: u64,
    /// Refuse this many of the next requests with `fail_status`, nothing done.
    pub fail_next: u32,
    /// The status of a failure asked for: 429 or 500 to 599.
    pub fail_status: u16,
    /// Refuse this share of all requests (0 to 1) with `fail_status`, nothing done.
    pub error_rate: f64,
    /// Do the work, but withhold every answer until this is switched off.
    pub hang: bool,
    /// Do the work of this many of the next requests, but break the connection instead of
    /// answering.
    pub lose_next: u32,
}

impl Default for ApiBehaviour {
    fn default() -> Self {
        Self { delay_ms: 0, fail_next: 0, fail_status: 500, error_rate: 0.0, hang: false, lose_next: 0 }
    }
}

/// Switches for refunds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefundBehaviour {
    /// What becomes of a new refund.
    pub outcome: RefundOutcome,
    /// Milliseconds that a refund stays pending, for the outcomes that begin so.
    pub settle_ms: u64,
    /// Make this many of the next refunds, but break the connection instead of answering.
    pub lose_next: u32,
}

impl Default for RefundBehaviour {
    fn default() -> Self {
        Self { outcome: RefundOutcome::default(), settle_ms: 1_000, lose_next: 0 }
    }
}

/// What becomes of a new refund.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundOutcome {
    /// It succeeds at once.
    #[default]
    Succeeded,
    /// It is pending, then succeeds.
    Pending,
    /// It is pending, then fails; the amount is back on the charge.
    Failed,
}

/// Why a change of the switches was refused.
#[derive(Debug, thiserror::Error)]
pub enum BehaviourError {
    /// Not the shape of [`Behaviour`].
    #[error("{0}")]
    Shape(#[from] serde_json::Error),
    /// A value out of its range.
    #[error("{0}")]
    Range(&'static str),
}

impl Behaviour {
    /// This behaviour with the switches that `change` names set anew.
    ///
    /// # Errors
    /// An unknown switch, or a value of the wrong type or out of range.
    pub fn with(&self, change: &Value) -> Result<Self, BehaviourError> {
        let mut merged = serde_json::to_value(self)?;
        merge(&mut merged, change)?;
        let behaviour: Self = serde_json::from_value(merged)?;
        if !matches!(behaviour.api.fail_status, 429 | 500..=599) {
            return Err(BehaviourError::Range("api.fail_status is 429 or 500 to 599"));
        }
        if !(0.0..=1.0).contains(&behaviour.api.error_rate) {
            return Err(BehaviourError::Range("api.error_rate is 0 to 1"));
        }
        if behaviour.webhook.repeat > 100 {
            return Err(BehaviourError::Range("webhook.repeat is at most 100"));
        }
        Ok(behaviour)
    }
}

fn merge(into: &mut Value, change: &Value) -> Result<(), BehaviourError> {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (name, value) in change {
                merge(into.entry(name.clone()).or_insert(Value::Null), value)?;
            }
        }
        // Serde would take a list for a struct.
        (Value::Object(_), _) => return Err(BehaviourError::Range("groups of switches are JSON objects")),
        (into, change) => *into = change.clone(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_leaves_other_switches_alone() {
        let first = Behaviour::default().with(&json!({"webhook": {"repeat": 4}})).unwrap();
        let second = first.with(&json!({"webhook": {"drop": true}})).unwrap();
        assert_eq!((second.webhook.repeat, second.webhook.drop), (4, true));
    }

    #[test]
    fn unknown_switches_and_values_out_of_range_are_refused() {
        for change in [
            json!({"webhook": {"dorp": true}}),
            json!({"api": {"error_rate": 2}}),
            json!({"api": {"fail_status": 404}}),
            json!([]),
            json!({"webhook": []}),
        ] {
            assert!(Behaviour::default().with(&change).is_err(), "{change}");
        }
    }
}
