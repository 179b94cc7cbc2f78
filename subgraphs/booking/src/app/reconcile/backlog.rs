//! Events that nobody publishes and messages that nobody could handle.

use platform::Queue;
use platform::rabbit::RabbitError;
use serde_json::json;

use super::pass::Pass;
use crate::app::AppError;
use crate::domain::finding::{Cause, NO_SHOW, Subject};
use crate::store::standings::outbox_count_older;

/// More waiting events than these are not counted.
const MOST_COUNTED: u32 = 10_000;

impl Pass<'_> {
    /// Is the outbox drained?
    pub(super) async fn outbox(&mut self) -> Result<(), AppError> {
        let waiting = outbox_count_older(&self.app.deps.pg, self.late_before(), MOST_COUNTED).await?;
        let cause = (waiting > 0).then_some(Cause::OutboxStuck);
        // How many they are changes all the time, and with it this would be news all the time.
        self.judge(NO_SHOW, &Subject::Outbox, cause.as_slice(), &json!({})).await.map(drop)
    }

    /// Counts messages that could not be handled.
    ///
    /// # Errors
    /// While RabbitMQ is away nothing is known of them.
    pub(super) async fn dead_letters(&mut self, queues: &[Queue]) -> Result<(), AppError> {
        for queue in queues {
            let count = match self.app.deps.rabbit.depth(&format!("{}.dead", queue.name)).await {
                Ok(count) => count,
                Err(error @ (RabbitError::NotConnected | RabbitError::Lost)) => return Err(error.into()),
                // A queue that was never declared has none.
                Err(error) => {
                    tracing::debug!(queue = queue.name, %error, "dead letters are not counted");
                    continue;
                }
            };
            let cause = (count > 0).then_some(Cause::DeadLetters);
            let subject = Subject::Queue(queue.name.to_owned());
            self.judge(NO_SHOW, &subject, cause.as_slice(), &json!({ "messages": count })).await?;
        }
        Ok(())
    }
}
