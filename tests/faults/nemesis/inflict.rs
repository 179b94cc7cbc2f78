//! Doing what the plan says.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Kind, plan::Harm};
use crate::{
    actors::now,
    history::{Fault, Millis},
    stand::{Mode, Node, PROCESSES, Peer, Stand, link},
};

/// A fault whose victim is not back by then counts as over: what else is broken may keep it down.
const BACK_WITHIN: Duration = Duration::from_secs(3);
/// How long one request to a process that may be stopped is worth.
const REQUEST_WITHIN: Duration = Duration::from_secs(1);

/// Does it, waits for as long as it lasts, and undoes it. None when there was nobody to do it to.
///
/// # Errors
/// When a server does not come back.
pub async fn inflict(stand: &Stand, harm: &Harm, lasts: Duration) -> Result<Option<Fault>> {
    let from = now();
    let target = match harm {
        Harm::Kill { process } => kill(stand.node(process)?).await,
        Harm::Stop { process } => {
            let node = stand.node(process)?;
            node.freeze();
            sleep(lasts).await;
            node.thaw();
            Some(harm.target())
        }
        Harm::Cut { link } => {
            stand.link(link)?.cut();
            Some(harm.target())
        }
        Harm::Partition { link } => {
            let link = stand.link(link)?;
            link.set(Mode::Stall);
            sleep(lasts).await;
            link.set(Mode::Pass);
            Some(harm.target())
        }
        Harm::Slow { link, by_ms } => {
            let link = stand.link(link)?;
            link.set(Mode::Delay(Duration::from_millis(*by_ms)));
            sleep(lasts).await;
            link.set(Mode::Pass);
            Some(harm.target())
        }
        Harm::Failpoint { process, picks, action } => {
            failpoint(stand, stand.node(process)?, picks, action, lasts).await
        }
        Harm::Clock { process, offset_ms } => {
            let node = stand.node(process)?;
            let moved = clock(stand, node, *offset_ms).await;
            if moved {
                sleep(lasts).await;
                clock(stand, node, 0).await;
            }
            moved.then(|| harm.target())
        }
        Harm::WebhookChaos { switches } | Harm::ProviderChaos { switches } => {
            stand.sandbox().misbehave(switches).await?;
            sleep(lasts).await;
            stand.sandbox().misbehave(&well_behaved(harm.kind())).await?;
            Some(harm.target())
        }
        _ => {
            server(stand, harm, lasts).await.with_context(|| harm.kind().name())?;
            Some(harm.target())
        }
    };
    let lost_redis = matches!(harm, Harm::RedisRestartEmpty | Harm::RedisLostWrites);
    Ok(target.map(|target| fault(harm, target, from, lost_redis)))
}

fn fault(harm: &Harm, target: String, from: Millis, lost_redis: bool) -> Fault {
    Fault { kind: harm.kind().name(), target, from, to: now(), lost_redis }
}

async fn server(stand: &Stand, harm: &Harm, lasts: Duration) -> Result<()> {
    let servers = stand.servers();
    match harm {
        Harm::RedisRestartEmpty => {
            servers.redis_end().await?;
            sleep(lasts).await;
            servers.redis_start(true).await
        }
        Harm::RedisLostWrites => {
            servers.redis_save().await?;
            sleep(lasts).await;
            servers.redis_end().await?;
            servers.redis_start(false).await
        }
        Harm::RedisFreeze => {
            servers.redis_freeze(true);
            sleep(lasts).await;
            servers.redis_freeze(false);
            Ok(())
        }
        Harm::RedisRefuse => {
            let names = PROCESSES.map(|(process, _)| link(process, Peer::Redis));
            let links = || names.iter().filter_map(|name| stand.link(name).ok());
            links().for_each(|link| link.set(Mode::Refuse));
            sleep(lasts).await;
            links().for_each(|link| link.set(Mode::Pass));
            Ok(())
        }
        Harm::PostgresRestart { crash } => {
            servers.postgres_end(*crash).await?;
            sleep(lasts).await;
            servers.postgres_start().await
        }
        Harm::PostgresFreeze => {
            servers.postgres_freeze(true).await?;
            sleep(lasts).await;
            servers.postgres_freeze(false).await
        }
        Harm::RabbitRestart => {
            servers.rabbit_end().await?;
            servers.rabbit_start().await
        }
        Harm::RabbitFreeze => {
            servers.rabbit_freeze(true);
            sleep(lasts).await;
            servers.rabbit_freeze(false);
            Ok(())
        }
        _ => bail!("nothing that is done to a server"),
    }
}

async fn kill(node: &Node) -> Option<String> {
    if !node.kill(&Kind::Kill.name()) {
        return None;
    }
    // Whatever keeps it away for longer is another fault.
    let _ = timeout(BACK_WITHIN, node.ready()).await;
    Some(node.name().to_owned())
}

/// Sets some of the steps that the process has passed; which ones and what it does there.
async fn failpoint(
    stand: &Stand,
    node: &Node,
    picks: &[usize],
    action: &str,
    lasts: Duration,
) -> Option<String> {
    let request = stand.http().get(node.url("/faults/points")).timeout(REQUEST_WITHIN);
    let points: Value = request.send().await.ok()?.json().await.ok()?;
    let reached: Vec<&String> = points["reached"].as_object()?.keys().collect();
    let chosen = picks.iter().filter_map(|pick| reached.get(pick.checked_rem(reached.len())?));
    let steps: BTreeMap<&str, &str> = chosen.map(|step| (step.as_str(), action)).collect();
    let names = steps.keys().copied().collect::<Vec<_>>().join(" ");
    if !action.contains("wait") {
        node.may_die(Some(&format!("{} {names}", Kind::Failpoint.name())));
    }
    let set = !steps.is_empty() && set_points(stand, node, &steps).await;
    set.then_some(())?;
    sleep(lasts).await;
    // One that has died has no failpoints any more.
    set_points(stand, node, &steps.keys().map(|step| (*step, "off")).collect()).await;
    Some(format!("{} {names} = {action}", node.name()))
}

async fn set_points(stand: &Stand, node: &Node, actions: &BTreeMap<&str, &str>) -> bool {
    post(stand, node, "/faults/points", &json!(actions)).await
}

/// Moves the clock of a process; whether that was possible.
async fn clock(stand: &Stand, node: &Node, offset_ms: i64) -> bool {
    post(stand, node, "/faults/clock", &json!({ "offset_ms": offset_ms })).await
}

async fn post(stand: &Stand, node: &Node, path: &str, body: &Value) -> bool {
    let request = stand.http().post(node.url(path)).json(body).timeout(REQUEST_WITHIN);
    request.send().await.is_ok_and(|answer| answer.status().is_success())
}

/// The switches of a sandbox that behaves.
fn well_behaved(kind: Kind) -> Value {
    match kind {
        Kind::WebhookChaos => json!({ "webhook": {
            "delay_ms": 0, "repeat": 0, "reorder": false, "drop": false, "drop_next": 0,
        } }),
        _ => json!({ "api": {
            "delay_ms": 0, "fail_next": 0, "fail_status": 500, "error_rate": 0.0, "hang": false, "lose_next": 0,
        } }),
    }
}

/// Makes sure that nothing is broken any more, whatever the plan did. Webhooks that were lost stay
/// lost: to find them is the platform's business.
///
/// # Errors
/// When something does not come back.
pub async fn heal(stand: &Stand, within: Duration) -> Result<()> {
    stand.servers().thaw().await?;
    for link in stand.links() {
        link.set(Mode::Pass);
    }
    stand.sandbox().behave().await?;
    for node in stand.nodes() {
        node.thaw();
    }
    stand.ready(within).await?;
    for node in stand.nodes() {
        heal_node(stand, node).await?;
    }
    Ok(())
}

/// Takes back its failpoints and its clock.
async fn heal_node(stand: &Stand, node: &Node) -> Result<()> {
    let answer = stand.http().get(node.url("/faults/points")).timeout(REQUEST_WITHIN).send().await?;
    let points: Value = answer.json().await?;
    let set = points["actions"].as_object().into_iter().flatten();
    let off: BTreeMap<&str, &str> = set.map(|(step, _)| (step.as_str(), "off")).collect();
    if !off.is_empty() && !set_points(stand, node, &off).await {
        bail!("{} keeps its failpoints {off:?}", node.name());
    }
    if !clock(stand, node, 0).await {
        bail!("{} keeps its clock", node.name());
    }
    Ok(())
}
