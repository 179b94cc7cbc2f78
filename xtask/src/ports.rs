//! Free TCP ports on loopback, remembered so that a restart finds the same ones.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};

use crate::random;

/// Where free ports are looked for: above the registered services that developers run, below the
/// ports that Linux gives to outgoing connections (32768), which could take one before it is used.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// Whether nothing listens on a port.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The ports of one folder, by name.
#[derive(Debug)]
pub struct Ports {
    file: PathBuf,
    by_name: BTreeMap<String, u16>,
}

impl Ports {
    /// The ports that the folder remembers.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn open(dir: &Path) -> Result<Self> {
        let file = dir.join("ports.json");
        let by_name = match fs::read(&file) {
            // A damaged memory of ports is worth nothing; new ones are as good.
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).context(format!("cannot read {}", file.display())),
        };
        Ok(Self { file, by_name })
    }

    /// The remembered port of that name, else `preferred`, else any; the first that is free.
    ///
    /// # Errors
    /// When no port is free, or the choice cannot be remembered.
    pub fn choose(&mut self, name: &str, preferred: Option<u16>) -> Result<u16> {
        let taken: Vec<u16> =
            self.by_name.iter().filter(|(other, _)| *other != name).map(|(_, port)| *port).collect();
        let fits = |port: &u16| !taken.contains(port) && is_free(*port);
        let known = preferred.into_iter().chain(self.by_name.get(name).copied());
        let port = known
            .chain(candidates()?)
            .find(fits)
            .ok_or_else(|| anyhow!("no free TCP port between {} and {}", RANGE.start, RANGE.end))?;
        self.by_name.insert(name.to_owned(), port);
        fs::write(&self.file, serde_json::to_vec_pretty(&self.by_name)?)
            .with_context(|| format!("cannot write {}", self.file.display()))?;
        Ok(port)
    }
}

/// All ports of the range, from a random one on: two runs at the same time should not meet.
fn candidates() -> Result<impl Iterator<Item = u16>> {
    let [high, low] = random::bytes::<2>()?;
    let length = RANGE.end - RANGE.start;
    let first = u16::from_be_bytes([high, low]) % length;
    Ok((0..length).map(move |step| RANGE.start + (first + step) % length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_kept_until_somebody_else_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let chosen = Ports::open(folder.path()).unwrap().choose("redis", None).unwrap();
        let again = Ports::open(folder.path()).unwrap().choose("redis", None).unwrap();
        assert_eq!(again, chosen);
        let _other = TcpListener::bind((Ipv4Addr::LOCALHOST, chosen)).unwrap();
        let moved = Ports::open(folder.path()).unwrap().choose("redis", None).unwrap();
        assert_ne!(moved, chosen);
    }

    #[test]
    fn two_names_never_share_a_port() {
        let folder = tempfile::tempdir().unwrap();
        let mut ports = Ports::open(folder.path()).unwrap();
        let one = ports.choose("one", None).unwrap();
        assert_ne!(ports.choose("two", Some(one)).unwrap(), one);
    }
}
