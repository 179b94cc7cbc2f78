//! Makes up what screens show. Pure and repeatable: the same screen, day and offering always give
//! the same plan, so that seeding twice asks for the same shows.

mod dice;
mod plan;
mod programme;

pub use plan::{Audience, Feature, Room, Slot, plan_day};
pub use programme::{programme, programme_week};
