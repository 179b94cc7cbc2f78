//! Seats that are held and sold right now, against real Redis and PostgreSQL: first the scripts
//! alone, then what is built on them.

#[cfg(test)]
mod aftermath;
#[cfg(test)]
mod allotment;
#[cfg(test)]
mod alternatives;
#[cfg(test)]
mod apply;
#[cfg(test)]
mod away;
#[cfg(test)]
mod best_available;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod durable;
#[cfg(test)]
mod graphql;
#[cfg(test)]
mod hall;
#[cfg(test)]
mod hold;
#[cfg(test)]
mod house;
#[cfg(test)]
mod lapse;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod load;
#[cfg(test)]
mod mixed;
#[cfg(test)]
mod model;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod support;
#[cfg(test)]
mod validate;
#[cfg(test)]
mod watch;
