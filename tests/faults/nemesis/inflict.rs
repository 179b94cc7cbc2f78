//! Doing what the plan says.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Kind, harm::Harm, tripped::tripped};
use crate::{
    actors::now,
    history::{Fault, Millis},
    stand::{Mode, Node, PROCESSES, Peer, Stand, link},
};

/// A fault whose victim is not back by then counts as over: what else is broken may keep it down.
const BACK_WITHIN: Duration = Duration::from_secs(3);
/// How long one request to a process that may be stopped is worth.
const REQUEST_WITHIN: Duration = Duration::from_secs(1);
/// How often it is looked which failpoints have tripped.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A process that died of a failpoint is left alone for so long and this moment longer than it takes to
/// be ready: it is measured how long its death is felt.
const RECOVERY: Duration = Duration::from_millis(2_500);
const MOMENT: Duration = Duration::from_millis(300);

/// Does it, waits for as long as it lasts, and undoes it. Gives what was done: nothing when there was
/// nobody to do it to.
///
/// # Errors
/// When a server does not come back.
pub async fn inflict(stand: &Stand, harm: &Harm, lasts: Duration) -> Result<Vec<Fault>> {
    if let Harm::Failpoint { processes, steps } = harm {
        let arming = processes.iter().map(|process| async {
            let from = now();
            let armed = failpoint(stand, stand.node(process)?, steps, lasts).await;
            let target =
                || steps.iter().fold((*process).to_owned(), |to, (step, does)| format!("{to} {step}={does}"));
            let fault = |steps| Fault { steps, ..fault(harm, target(), from) };
            anyhow::Ok((!armed.is_empty()).then(|| fault(armed)))
        });
        return Ok(try_join_all(arming).await?.into_iter().flatten().collect());
    }
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
    Ok(target.map(|target| fault(harm, target, from)).into_iter().collect())
}

fn fault(harm: &Harm, target: String, from: Millis) -> Fault {
    let lost_redis = matches!(harm, Harm::RedisRestartEmpty | Harm::RedisLostWrites);
    Fault { kind: harm.kind().name(), target, from, to: now(), lost_redis, steps: Vec::new() }
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

/// Arms these steps of a process, and those that are left again when it has recovered from its death,
/// until all have tripped or the time is over. Gives what was armed.
async fn failpoint(stand: &Stand, node: &Node, steps: &[(&str, String)], lasts: Duration) -> Vec<String> {
    let deadline = Instant::now() + lasts;
    let before = tripped(node.log()).await;
    let (begun, mut armed_at) = (node.deaths().len(), None);
    while Instant::now() < deadline {
        let now = tripped(node.log()).await;
        let untouched = steps.iter().filter(|(step, _)| now.get(*step) == before.get(*step));
        let left: BTreeMap<&str, &str> = untouched.map(|(step, action)| (*step, action.as_str())).collect();
        if left.is_empty() {
            break;
        }
        let deaths = node.deaths().len();
        if armed_at != Some(deaths) {
            if deaths > begun && timeout_at(deadline, recovered(node)).await.is_err() {
                break;
            }
            if arm(stand, node, &left).await {
                armed_at = Some(deaths);
            }
        }
        sleep(LOOK_EVERY).await;
    }
    if armed_at.is_none() {
        return Vec::new();
    }
    // One that has just died has no failpoints any more.
    set_points(stand, node, &steps.iter().map(|(step, _)| (*step, "off")).collect()).await;
    if node.deaths().len() > begun {
        // Whatever keeps it away for longer is another fault.
        let _ = timeout(BACK_WITHIN, node.ready()).await;
    }
    steps.iter().map(|(step, _)| (*step).to_owned()).collect()
}

async fn recovered(node: &Node) {
    sleep(RECOVERY).await;
    node.ready().await;
    sleep(MOMENT).await;
}

/// Whether the process will do this at its steps.
async fn arm(stand: &Stand, node: &Node, actions: &BTreeMap<&str, &str>) -> bool {
    if actions.values().any(|action| !action.contains("wait")) {
        let steps = actions.keys().copied().collect::<Vec<_>>().join(" ");
        node.may_die(Some(&format!("{} {steps}", Kind::Failpoint.name())));
    }
    set_points(stand, node, actions).await
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
        _ => json!({
            "api": {
                "delay_ms": 0, "fail_next": 0, "fail_status": 500, "error_rate": 0.0, "hang": false,
                "lose_next": 0,
            },
            "refund": { "lose_next": 0 },
        }),
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
