//! Declaring queues one process at a time.
//!
//! RabbitMQ answers with an internal error, and ends the connection, when two connections declare
//! the same quorum queue at the same time; processes that start together would. The turn is an
//! exclusive queue: only one connection can have it, and it goes with that connection, however that
//! ends.

use std::time::Duration;

use lapin::{
    ErrorKind,
    options::{QueueDeclareOptions, QueueDeleteOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::FieldTable,
};
use tokio::time::{Instant, sleep};

use super::{
    RabbitError,
    connection::Link,
    topology::{Names, short},
};

/// The queue that says whose turn it is.
const TURN: &str = "declaring";
/// How often it is looked whether the one before is done.
const LOOK: Duration = Duration::from_millis(25);
/// Longer than anybody declares; a connection that hangs is given up by the broker before.
const PATIENCE: Duration = Duration::from_secs(12);

/// Does something while no other process of this installation does. After [`PATIENCE`] all the same:
/// the worst that can come of it is another try.
pub(super) async fn in_turn<T>(
    link: &Link,
    names: &Names,
    work: impl Future<Output = Result<T, RabbitError>>,
) -> Result<T, RabbitError> {
    let turn = short(&names.queue(TURN));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let taken = link
            .on_channel(async |channel| {
                let exclusive = QueueDeclareOptions::exclusive();
                channel.queue_declare(turn.clone(), exclusive, FieldTable::default()).await?;
                Ok(())
            })
            .await;
        match taken {
            Ok(()) => break,
            Err(error) if is_taken(&error) && Instant::now() < deadline => sleep(LOOK).await,
            Err(error) if is_taken(&error) => {
                tracing::warn!("another process declares queues for very long; not waiting for it");
                return work.await;
            }
            Err(error) => return Err(error),
        }
    }
    let outcome = work.await;
    let given = link
        .on_channel(async |channel| {
            channel.queue_delete(turn.clone(), QueueDeleteOptions::default()).await?;
            Ok(())
        })
        .await;
    if let Err(error) = given {
        tracing::debug!(%error, "the turn goes on with the end of the connection");
    }
    outcome
}

/// Does another connection have the turn?
fn is_taken(error: &RabbitError) -> bool {
    let RabbitError::Broker(error) = error else { return false };
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    *error.kind() == AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED)
}
