//! The application behind the proxy: it answers with what it was asked, and remembers it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::client::Answer;

/// A running application; it lives as long as the process.
pub struct Echo {
    pub address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Echo {
    /// Starts one on a port that the kernel picks.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let targets = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&targets);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || serve(&stream, &seen));
            }
        });
        Self { address, targets }
    }

    /// Whether any request with `marker` in its target has arrived.
    pub fn saw(&self, marker: &str) -> bool {
        self.targets.lock().unwrap().iter().any(|target| target.contains(marker))
    }
}

/// What the application was asked, read back from its answer.
#[derive(Debug)]
pub struct Asked(Value);

impl Asked {
    /// `None` if the answer is not the application's.
    pub fn from(answer: &Answer) -> Option<Self> {
        answer.one("X-Echo").map(|_| Self::read(&answer.body))
    }

    /// Reads the body of the application's answer.
    #[track_caller]
    pub fn read(body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        Self(serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}")))
    }

    /// The values of all header lines called `name`.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.0["headers"].as_array().unwrap().iter();
        let named = lines.filter(|l| l[0].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)));
        named.map(|line| line[1].as_str().unwrap()).collect()
    }

    /// Every header name, lower case.
    pub fn names(&self) -> Vec<String> {
        let lines = self.0["headers"].as_array().unwrap().iter();
        lines.map(|line| line[0].as_str().unwrap().to_ascii_lowercase()).collect()
    }

    pub fn method(&self) -> &str {
        self.0["method"].as_str().unwrap()
    }

    pub fn target(&self) -> &str {
        self.0["target"].as_str().unwrap()
    }

    pub fn body_bytes(&self) -> u64 {
        self.0["body_bytes"].as_u64().unwrap()
    }

    /// Everything, to search for what must not be in it.
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

fn serve(stream: &TcpStream, targets: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    while let Some(Head { method, target, headers }) = read_head(&mut reader) {
        targets.lock().unwrap().push(target.clone());
        if is_websocket(&headers) {
            return speak_websocket(reader, stream);
        }
        let Some(body_bytes) = read_body(&mut reader, &headers) else { return };
        let asked = json!({
            "method": method, "target": target, "headers": headers, "body_bytes": body_bytes
        });
        let body = if method == "HEAD" { String::new() } else { asked.to_string() };
        let head = format!(
            "HTTP/1.1 200 OK\r\nX-Echo: 1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            asked.to_string().len()
        );
        if (&mut &*stream).write_all([head, body].concat().as_bytes()).is_err() {
            return;
        }
    }
}

/// The key of RFC 6455's own example, which a test sends, and its answer: no need for SHA-1 here.
pub const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const WEBSOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn is_websocket(headers: &[(String, String)]) -> bool {
    let has = |name: &str, value: &str| {
        headers.iter().any(|(n, v)| n.eq_ignore_ascii_case(name) && v.eq_ignore_ascii_case(value))
    };
    has("Upgrade", "websocket") && has("Connection", "upgrade")
}

/// Accepts the handshake and sends back whatever comes.
fn speak_websocket(mut reader: impl Read, mut stream: &TcpStream) {
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {WEBSOCKET_ACCEPT}\r\n\r\n"
    );
    if stream.write_all(head.as_bytes()).is_ok() {
        let _ = std::io::copy(&mut reader, &mut stream);
    }
}

struct Head {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
}

fn read_head(reader: &mut impl BufRead) -> Option<Head> {
    let line = read_line(reader)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Some(Head { method, target, headers });
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_body(reader: &mut impl BufRead, headers: &[(String, String)]) -> Option<usize> {
    let value = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    if value("Transfer-Encoding").is_some() {
        let mut total = 0;
        loop {
            let size = usize::from_str_radix(&read_line(reader)?, 16).ok()?;
            skip(reader, size)?;
            read_line(reader)?;
            total += size;
            if size == 0 {
                return Some(total);
            }
        }
    }
    let length = value("Content-Length").map_or(Ok(0), |(_, length)| length.parse()).ok()?;
    skip(reader, length)?;
    Some(length)
}

fn skip(reader: &mut impl Read, count: usize) -> Option<()> {
    let copied = std::io::copy(&mut reader.take(count as u64), &mut std::io::sink()).ok()?;
    (copied == count as u64).then_some(())
}

fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok().filter(|&count| count > 0)?;
    while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        line.pop();
    }
    // Bytes that are no text are told one by one, for tests of what the application gets exactly.
    Some(String::from_utf8(line).unwrap_or_else(|no| no.as_bytes().escape_ascii().to_string()))
}
