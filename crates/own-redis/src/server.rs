//! One server.

use std::{
    io,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::{free_ports, until};

/// A Redis of a test's own. It saves nothing unless it is told to (`SAVE`).
#[derive(Debug)]
pub struct OwnRedis {
    port: u16,
    options: Vec<String>,
    process: Child,
    // Removed after the process has ended.
    dir: TempDir,
}

impl OwnRedis {
    /// A server that listens.
    ///
    /// # Errors
    /// When there is no `redis-server`, or it does not start.
    pub async fn start() -> io::Result<Self> {
        let [port] = free_ports()?;
        Self::start_with(port, Vec::new()).await
    }

    /// The same at this port, with more options of its command line.
    pub(crate) async fn start_with(port: u16, options: Vec<String>) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("own-redis-").tempdir()?;
        let process = spawn(port, &options, &dir)?;
        let mut server = Self { port, options, process, dir };
        server.listens().await?;
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens, as clients are told.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Dies as by `kill -9`.
    ///
    /// # Errors
    /// When the process cannot be ended.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }

    /// Comes back after [`OwnRedis::kill`], with what was saved last.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn revive(&mut self) -> io::Result<()> {
        self.process = spawn(self.port, &self.options, &self.dir)?;
        self.listens().await
    }

    /// Dies, and comes back with what was saved last.
    ///
    /// # Errors
    /// When it does not end or does not start.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.kill()?;
        self.revive().await
    }

    /// What it answers to a command, whose words have no blanks: all texts and numbers in their order.
    ///
    /// # Errors
    /// When it answers with an error, or not at all.
    pub async fn ask(&self, command: &str) -> io::Result<Vec<String>> {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await?);
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        let mut left = 1;
        while left > 0 {
            left -= 1;
            // https://redis.io/docs/latest/develop/reference/protocol-spec/
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let line = line.trim_end();
            let number = || line.get(1..).unwrap_or_default().parse::<usize>().map_err(io::Error::other);
            match line.as_bytes().first() {
                Some(b'+' | b':') => answer.push(line[1..].to_owned()),
                Some(b'*') => left += number()?,
                Some(b'$') => {
                    let mut text = vec![0; number()? + 2];
                    stream.read_exact(&mut text).await?;
                    text.truncate(text.len() - 2);
                    answer.push(String::from_utf8(text).map_err(io::Error::other)?);
                }
                _ => return Err(io::Error::other(format!("{command}: {line}"))),
            }
        }
        Ok(answer)
    }

    async fn listens(&mut self) -> io::Result<()> {
        let (port, process) = (self.port, &mut self.process);
        until("redis-server listens", async || match process.try_wait()? {
            Some(status) => Err(io::Error::other(format!("redis-server has ended: {status}"))),
            None => Ok(TcpStream::connect(("127.0.0.1", port)).await.is_ok()),
        })
        .await
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.kill();
    }
}

fn spawn(port: u16, options: &[String], dir: &TempDir) -> io::Result<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port"]).arg(port.to_string());
    command.arg("--dir").arg(dir.path()).args(options).stdout(Stdio::null()).spawn()
}
