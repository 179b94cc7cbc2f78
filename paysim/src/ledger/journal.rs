//! The journal: an append-only file of JSON lines from which a restart rebuilds the state.
//!
//! A line is the whole new form of one object, so reading them in order and keeping the last of
//! each id is the state. Opening rewrites the file to that state.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    edge::idempotency::Replay,
    model::{Charge, Endpoint, Event, Intent, Refund},
};

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "object", content = "value", rename_all = "snake_case")]
pub(crate) enum Record {
    Intent(Intent),
    Charge(Charge),
    Refund(Refund),
    Event(Event),
    Endpoint(Endpoint),
    EndpointDeleted(String),
    Replay(Replay),
    /// Everything before this line is void.
    Reset,
}

/// The open journal, or none.
#[derive(Debug, Default)]
pub(crate) struct Journal(Option<File>);

/// Reads all lines. A last line without its end, as a kill in the middle of a write leaves it, is
/// dropped; the request that wrote it was never answered.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Record>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut records = Vec::new();
    let mut reader = BufReader::new(file);
    let mut line = String::new();
    for number in 1_usize.. {
        line.clear();
        if reader.read_line(&mut line)? == 0 || !line.ends_with('\n') {
            break;
        }
        match serde_json::from_str(&line) {
            Ok(Record::Reset) => records.clear(),
            Ok(record) => records.push(record),
            Err(error) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} line {number}: {error}", path.display()),
                ));
            }
        }
    }
    Ok(records)
}

impl Journal {
    /// Writes `records` as the whole journal and leaves it open for more.
    pub(crate) fn rewrite(path: &Path, records: impl Iterator<Item = Record>) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let fresh = path.with_extension("new");
        let mut writer = BufWriter::new(File::create(&fresh)?);
        for record in records {
            write_line(&mut writer, &record)?;
        }
        writer.flush()?;
        fs::rename(&fresh, path)?;
        Ok(Self(Some(OpenOptions::new().append(true).open(path)?)))
    }

    /// Adds one line. It reaches the operating system before this returns, so it outlives the
    /// process, though not a power cut: a sandbox need not pay for more.
    pub(crate) fn append(&mut self, record: &Record) {
        if let Some(file) = &mut self.0
            && let Err(error) = write_line(file, record)
        {
            tracing::error!(%error, "journal not written; a restart will forget this change");
        }
    }
}

fn write_line(writer: &mut impl Write, record: &Record) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    writer.write_all(&line)
}
