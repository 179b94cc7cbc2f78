//! What the catalog is made of, and its rules. Pure: no I/O, no clock, no randomness.

mod city;
mod code;
mod filter;
mod hours;
pub(crate) mod movie;
mod position;
mod pricing;
pub(crate) mod schedule;
mod screen;
mod show;
mod text;
mod theater;

pub use city::City;
pub use code::UnknownCode;
pub use filter::{MovieFilter, ShowtimesKey};
pub use hours::{DayHours, HoursError, OpeningHours};
pub use movie::{Credit, CrewMember, ExternalIds, Movie, Rating};
pub use position::{Bounds, Position};
pub use pricing::{PriceError, PriceList, natural};
pub use screen::Screen;
pub use show::{Conditions, Language, LanguageError, Show, ShowFormat, ShowStatus, SpecialKind, Timing};
pub use text::{fold, like_pattern};
pub use theater::{Amenity, Theater};
