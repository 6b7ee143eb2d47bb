//! An exact HTTP/1.1 client: what is sent is what the test wrote, what is read is kept in order.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::DEADLINE;

/// An answer, with its header lines as they came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The values of all lines called `name`, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of the one line called `name`; two are a failure.
    #[track_caller]
    pub fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} stands {} times in {self}", all.len());
        all.first().copied()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self}"))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        self.headers.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))?;
        write!(f, "{}", String::from_utf8_lossy(&self.body))
    }
}

/// A request in parts, for the many tests that need no odd bytes.
#[derive(Debug, Clone)]
pub struct Request {
    head: String,
    body: Vec<u8>,
    from: Option<IpAddr>,
}

impl Request {
    /// `method target HTTP/1.1` with its Host line.
    pub fn new(method: &str, host: &str, target: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        Self { head, body: Vec::new(), from: None }
    }

    /// Sends it from this address of our own.
    pub const fn from(mut self, address: IpAddr) -> Self {
        self.from = Some(address);
        self
    }

    /// Adds one header line.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.extend([name, ": ", value, "\r\n"]);
        self
    }

    /// Adds header lines.
    pub fn headers(self, lines: &[(&str, &str)]) -> Self {
        lines.iter().fold(self, |request, (name, value)| request.header(name, value))
    }

    /// Sets the body and its Content-Length.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Length", &length)
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), b"\r\n", &self.body].concat()
    }

    /// Sends it over a connection of its own.
    #[track_caller]
    pub fn send(&self, to: SocketAddr) -> Answer {
        self.try_send(to).unwrap_or_else(|error| panic!("{error} after {}", self.head))
    }

    /// The same where a refused or cut connection is an expected outcome.
    pub fn try_send(&self, to: SocketAddr) -> std::io::Result<Answer> {
        let mut connection = Connection::open_from(to, self.from)?;
        connection.send(&self.bytes())?;
        connection.read(!self.head.starts_with("HEAD "))
    }
}

/// Sends `bytes` as they are over a new connection and reads one answer.
pub fn exchange(to: SocketAddr, bytes: &[u8]) -> std::io::Result<Answer> {
    let mut connection = Connection::open(to)?;
    connection.send(bytes)?;
    connection.read(!bytes.starts_with(b"HEAD "))
}

/// One connection, for tests that look at several answers on it or at its end.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects; every later read or write fails after [`DEADLINE`].
    pub fn open(to: SocketAddr) -> std::io::Result<Self> {
        Self::open_from(to, None)
    }

    /// The same from an address of our own; `None` leaves it to the kernel.
    pub fn open_from(to: SocketAddr, from: Option<IpAddr>) -> std::io::Result<Self> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        if let Some(from) = from {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        socket.connect_timeout(&to.into(), DEADLINE)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Waits no longer than this for an answer.
    pub fn set_patience(&self, patience: Duration) -> std::io::Result<()> {
        self.stream.set_read_timeout(Some(patience))
    }

    /// Sends bytes. A peer that has already answered and closed is not an error: its answer counts.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self.stream.write_all(bytes) {
            Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                Ok(())
            }
            result => result,
        }
    }

    /// Reads one answer; `has_body` is false after HEAD.
    pub fn read(&mut self, has_body: bool) -> std::io::Result<Answer> {
        let head = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..at + 4).collect();
                if !head.starts_with(b"HTTP/1.1 100") {
                    break String::from_utf8_lossy(&head).into_owned();
                }
            } else if self.fill()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        };
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        let headers: Vec<_> = lines.filter_map(header).collect();
        let mut answer =
            Answer { status: status.ok_or(ErrorKind::InvalidData)?, headers, body: vec![] };
        if has_body && !matches!(answer.status, 204 | 304) {
            answer.body = self.read_body(&answer)?;
        }
        Ok(answer)
    }

    /// Waits until the peer closes, and says what it still sent.
    pub fn read_to_end(&mut self) -> std::io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    fn read_body(&mut self, answer: &Answer) -> std::io::Result<Vec<u8>> {
        if answer.all("Transfer-Encoding").iter().any(|v| v.eq_ignore_ascii_case("chunked")) {
            return self.read_chunks();
        }
        match answer.all("Content-Length").first() {
            Some(length) => self.take(length.parse().map_err(|_| ErrorKind::InvalidData)?),
            None => self.read_to_end(),
        }
    }

    fn read_chunks(&mut self) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| ErrorKind::InvalidData)?;
            body.extend(self.take(size)?);
            self.line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn line(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if self.fill()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads exactly `count` bytes, for what is no HTTP any more.
    pub fn take(&mut self, count: usize) -> std::io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            if self.fill()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..count).collect())
    }

    fn fill(&mut self) -> std::io::Result<usize> {
        let mut chunk = [0; 16384];
        match self.stream.read(&mut chunk) {
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok(0),
            Err(e) => Err(e),
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(count)
            }
        }
    }
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
