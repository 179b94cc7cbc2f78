//! Who owns seats against what the seat map shows.

use booking::domain::finding::{Cause, Resolution};
use platform::Script;

use crate::reconcile::{causes, open, pass};
use crate::support::World;

/// Writes letters over the seat map, past all rules.
async fn paint(world: &World, first: u16, letters: &str) {
    let redis = &world.app.deps.redis;
    let key = redis.key(&format!("{{show:{}}}:states", world.show_id()));
    let script = Script::new("return redis.call('SETRANGE', KEYS[1], ARGV[1], ARGV[2])");
    redis.eval(&script, vec![key], vec![i64::from(first).into(), letters.into()]).await.unwrap();
}

#[tokio::test]
async fn a_sale_that_redis_lost_is_told_again() {
    let world = World::new().await;
    world.states().await;
    world.save_redis().await;
    world.confirmed(world.person(), &[1, 2]).await;
    world.set_redis_back().await;
    assert_eq!(world.states().await, "AAAAAAAAAAAAAAAA");
    assert_eq!(causes(&pass(&world).await), [Cause::SeatsShownFree]);
    assert_eq!(world.states().await, "ASSAAAAAAAAAAAAA");
    assert_eq!(causes(&pass(&world).await), []);
    let all = world.app.findings(true).await.unwrap();
    assert_eq!(all[0].resolved.map(|(_, how)| how), Some(Resolution::Repaired));
}

#[tokio::test]
async fn a_map_that_is_wrong_against_better_knowledge_is_loaded_anew() {
    let world = World::new().await;
    world.confirmed(world.person(), &[1]).await;
    world.pending(world.person(), &[5]).await;
    world.deliver().await;
    let right = world.states().await;
    assert_eq!(right, "ASAAAHAAAAAAAAAA");
    paint(&world, 1, "A").await;
    paint(&world, 9, "S").await;
    assert_eq!(causes(&pass(&world).await), [Cause::SeatsShownFree, Cause::SeatsShownSold]);
    assert_eq!(world.states().await, right);
    pass(&world).await;
    assert!(open(&world).await.is_empty());
}

#[tokio::test]
async fn shows_that_are_not_loaded_show_nothing_wrong() {
    let world = World::new().await;
    world.confirmed(world.person(), &[1]).await;
    world.lose_redis().await;
    assert_eq!(causes(&pass(&world).await), []);
    let keys = Script::new("return #redis.call('KEYS', ARGV[1] .. '*')");
    let redis = &world.app.deps.redis;
    let of_shows = redis.key("{show:");
    let left = redis.eval(&keys, vec![redis.key("any")], vec![of_shows.into()]).await.unwrap();
    assert_eq!(left.as_i64(), Some(0), "nothing is loaded only to be compared");
}
