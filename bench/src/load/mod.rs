//! Load on loopback, bounded in count and time: as cheap as it can be, because it shares the
//! machine with what it measures.

mod closed;
mod http;
mod open;
mod socket;

pub use closed::{Done, Until, closed, closed_with};
pub use http::{Answer, Connection, find, get, graphql, post, put};
pub use open::open;
pub use socket::{Crowd, Watch};
