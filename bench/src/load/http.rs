//! HTTP/1.1 on one connection, with requests that are made beforehand.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use memchr::memmem;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// No answer is larger.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A whole request.
fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Bytes {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes.into()
}

/// A request for `path`.
pub fn get(path: &str) -> Bytes {
    request("GET", path, &[], b"")
}

/// Puts `body` at `path`.
pub fn put(path: &str, body: &[u8]) -> Bytes {
    request("PUT", path, &[], body)
}

/// Posts `body` as `kind` to `path`, with this secret key if there is one.
pub fn post(path: &str, kind: &str, key: Option<&str>, body: &[u8]) -> Bytes {
    let authorization = key.map(|key| format!("Bearer {key}"));
    let mut headers = vec![("content-type", kind)];
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    request("POST", path, &headers, body)
}

/// A GraphQL request to `/graphql`, as somebody with this access token if there is one.
pub fn graphql(document: &str, variables: &Value, token: Option<&str>) -> Bytes {
    let body = json!({ "query": document, "variables": variables }).to_string();
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json"), ("accept", "application/json")];
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    request("POST", "/graphql", &headers, body.as_bytes())
}

/// An answer, in the connection's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'b> {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: &'b [u8],
}

impl Answer<'_> {
    /// The body as text, for messages.
    pub fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(self.body).into_owned();
        text.truncate(text.floor_char_boundary(600));
        text
    }

    /// Whether the body has `part`.
    pub fn has(&self, part: &str) -> bool {
        find(self.body, part.as_bytes()).is_some()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(self.body).with_context(|| format!("no JSON: {}", self.text()))
    }
}

/// The place of `part` in `bytes`.
pub fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    memmem::find(bytes, part)
}

/// A kept-alive connection that has one request under way at a time.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Of the last answer, when it came in chunks.
    body: Vec<u8>,
}

/// How the end of a body is known.
enum Length {
    Bytes(usize),
    Chunks,
}

struct Head {
    status: u16,
    /// Where the body begins.
    end: usize,
    length: Length,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(target: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect(target).await.with_context(|| format!("cannot connect to {target}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024), body: Vec::new() })
    }

    /// Sends `request` and waits for its answer.
    ///
    /// # Errors
    /// When the connection ends, or what comes is no HTTP.
    pub async fn call(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.read().await?;
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
        };
        let Head { status, end, length } = head;
        match length {
            Length::Bytes(length) => {
                while self.buffer.len() < end + length {
                    self.read().await?;
                }
                Ok(Answer { status, body: self.buffer.get(end..end + length).unwrap_or_default() })
            }
            Length::Chunks => {
                while !dechunk(self.buffer.get(end..).unwrap_or_default(), &mut self.body)? {
                    self.read().await?;
                }
                Ok(Answer { status, body: &self.body })
            }
        }
    }

    async fn read(&mut self) -> Result<()> {
        ensure!(self.buffer.len() < MOST_BYTES, "an answer of more than {MOST_BYTES} bytes");
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the connection was closed");
        Ok(())
    }
}

/// The head of an answer, when all of it is there.
fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let text = str::from_utf8(bytes.get(..end).unwrap_or_default()).context("no HTTP head")?;
    let mut lines = text.split("\r\n");
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).context("no HTTP status")?;
    let mut length = Length::Bytes(0);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = Length::Bytes(value.trim().parse().context("no length")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunks;
        }
    }
    Ok(Some(Head { status, end: end + 4, length }))
}

/// Puts a chunked body together (RFC 9112, 7.1); whether all of it is there.
fn dechunk(mut bytes: &[u8], body: &mut Vec<u8>) -> Result<bool> {
    body.clear();
    loop {
        let Some(line) = find(bytes, b"\r\n") else { return Ok(false) };
        let Some(size) = bytes.get(..line).and_then(|size| str::from_utf8(size).ok()) else {
            bail!("no size of a chunk")
        };
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
        let begin = line + 2;
        // The data and the line end after it.
        let Some(data) = bytes.get(begin..begin + size + 2) else { return Ok(false) };
        if size == 0 {
            return Ok(true);
        }
        body.extend_from_slice(data.get(..size).unwrap_or_default());
        bytes = bytes.get(begin + size + 2..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_tell_where_bodies_end() {
        let known = head(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap().unwrap();
        assert!(matches!(known, Head { status: 200, end: 38, length: Length::Bytes(5) }));
        assert!(head(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap().is_none());
        assert!(head(b"SMTP\r\n\r\n").is_err());
    }

    #[test]
    fn chunks_are_put_together() {
        let mut body = Vec::new();
        assert!(!dechunk(b"3\r\nabc\r\n", &mut body).unwrap());
        assert!(dechunk(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", &mut body).unwrap());
        assert_eq!(body, b"abcde");
    }
}
