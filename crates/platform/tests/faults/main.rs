//! What tests can do to a process, over HTTP as they do it. (A target of its own: it is built with
//! the feature `faults`, and nothing else of this crate's tests has to be for it.)

#[cfg(test)]
mod process;
