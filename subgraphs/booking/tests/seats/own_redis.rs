//! A Redis of a test's own, which can die and come back with what it saved.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tokio::net::{TcpListener, TcpStream};

use crate::support::{eventually, uuid};

pub struct OwnRedis {
    port: u16,
    dir: PathBuf,
    process: Child,
}

impl OwnRedis {
    pub async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let dir = std::env::temp_dir().join(format!("own-redis-{}", uuid().simple()));
        fs::create_dir(&dir).unwrap();
        let process = spawn(port, &dir);
        let server = Self { port, dir, process };
        server.listens().await;
        server
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Dies, and comes back with what was saved last.
    pub async fn restart(&mut self) {
        self.end();
        self.process = spawn(self.port, &self.dir);
        self.listens().await;
    }

    fn end(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("a process of ours");
    }

    async fn listens(&self) {
        eventually("Redis of the test", async || TcpStream::connect(("127.0.0.1", self.port)).await.ok())
            .await;
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.end();
        // What is left is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn spawn(port: u16, dir: &PathBuf) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port"]).arg(port.to_string());
    command.arg("--dir").arg(dir).stdout(Stdio::null()).spawn().expect("redis-server, which runs these tests")
}
