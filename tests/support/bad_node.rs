//! An MFA node that does what no good one does, over bare sockets.
//!
//! It counts what reaches it, so that a test can tell that a secret was sent once, or never.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use socket2::SockRef;

use super::client::find;

/// What it does with a connection.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Answers each request with this, and keeps the connection.
    Says(Vec<u8>),
    /// The same, and closes the connection afterwards without having said so.
    SaysAndCloses(Vec<u8>),
    /// Sends the answer one byte a second.
    Drips(Vec<u8>),
    /// Sends the beginning of an answer and then spaces, two gigabytes of them; says so first, or sends chunks.
    Floods { says_so: bool },
    /// Reads the request and never answers.
    Hangs,
    /// Accepts the connection and never reads: no answer, no handshake of TLS.
    NeverReads,
    /// Resets the connection before it has read anything.
    ResetsAtOnce,
    /// Resets the connection once it has read the request.
    ResetsUnanswered,
    /// Sends a part of this and resets the connection.
    ResetsWithin(Vec<u8>),
    /// Closes the connection once it has read the request.
    Closes,
}

/// A running bad node. Dropping it closes its port; what hangs then is let go.
pub struct BadNode {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    manner: Mutex<Manner>,
    requests: Mutex<Vec<Vec<u8>>>,
    connections: AtomicUsize,
    is_over: AtomicBool,
}

impl BadNode {
    /// Starts one.
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.is_over() {
                    return;
                }
                let (stream, shared) = (stream.unwrap(), Arc::clone(&of_thread));
                shared.connections.fetch_add(1, Ordering::SeqCst);
                // What goes wrong on one connection is what it is here for.
                std::thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Self { address, shared }
    }

    /// Behaves otherwise from the next request on; on a new connection from its beginning on.
    pub fn change(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its URL where it is asked to speak TLS, which it cannot.
    pub fn url_with_tls(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The requests that it has read as a whole, head and body.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().map(|request| String::from_utf8_lossy(request).into_owned()).collect()
    }

    /// The connections that it has accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for BadNode {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address)); // wakes the listener up
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn manner(&self) -> Manner {
        self.manner.lock().unwrap().clone()
    }

    /// Nothing happens until the node is dropped or the time is over.
    fn wait(&self, time: Duration) -> std::io::Result<()> {
        const STEP: Duration = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        while waited < time {
            if self.is_over() {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            std::thread::sleep(STEP);
            waited += STEP;
        }
        Ok(())
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        match self.manner() {
            Manner::NeverReads => return self.wait(Duration::MAX),
            Manner::ResetsAtOnce => return reset(&stream),
            Manner::Says(_)
            | Manner::SaysAndCloses(_)
            | Manner::Drips(_)
            | Manner::Floods { .. }
            | Manner::Hangs
            | Manner::ResetsUnanswered
            | Manner::ResetsWithin(_)
            | Manner::Closes => {}
        }
        while self.read_request(&mut stream)? {
            match self.manner() {
                Manner::Says(answer) => stream.write_all(&answer)?,
                Manner::SaysAndCloses(answer) => return stream.write_all(&answer),
                Manner::Drips(answer) => {
                    for byte in answer {
                        stream.write_all(&[byte])?;
                        self.wait(Duration::from_secs(1))?;
                    }
                }
                Manner::Floods { says_so } => return self.flood(&mut stream, says_so),
                Manner::Hangs | Manner::NeverReads => return self.wait(Duration::MAX),
                Manner::ResetsAtOnce | Manner::ResetsUnanswered => return reset(&stream),
                Manner::ResetsWithin(answer) => {
                    stream.write_all(&answer[..answer.len() / 2])?;
                    self.wait(Duration::from_millis(100))?; // for it to be read
                    return reset(&stream);
                }
                Manner::Closes => return Ok(()),
            }
        }
        Ok(())
    }

    fn flood(&self, stream: &mut TcpStream, says_so: bool) -> std::io::Result<()> {
        const BYTES: usize = 2 << 30;
        const PIECE: usize = 1 << 16;
        let spaces = vec![b' '; PIECE];
        let framing = if says_so {
            format!("Content-Length: {BYTES}")
        } else {
            "Transfer-Encoding: chunked".to_owned()
        };
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{framing}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        for _ in 0..BYTES / PIECE {
            if self.is_over() {
                break;
            }
            if !says_so {
                stream.write_all(format!("{PIECE:x}\r\n").as_bytes())?;
            }
            stream.write_all(&spaces)?;
            if !says_so {
                stream.write_all(b"\r\n")?;
            }
        }
        Ok(())
    }

    /// Reads and keeps one request; false if the other end has closed.
    fn read_request(&self, stream: &mut TcpStream) -> std::io::Result<bool> {
        let mut request = Vec::new();
        let mut piece = [0; 4096];
        loop {
            if let Some(at) = find(&request, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&request[..at]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
                let length = length.map_or(0, |length| length.trim().parse().unwrap());
                if request.len() >= at + 4 + length {
                    self.requests.lock().unwrap().push(request);
                    return Ok(true);
                }
            }
            match stream.read(&mut piece)? {
                0 => return Ok(false),
                count => request.extend_from_slice(&piece[..count]),
            }
        }
    }
}

/// Lets the connection be reset as soon as it is dropped.
fn reset(stream: &TcpStream) -> std::io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

/// A whole HTTP answer.
pub fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = match status {
        204 => String::new(),
        _ => format!("Content-Length: {}\r\n", body.len()),
    };
    let head = format!("HTTP/1.1 {status} -\r\n{length}{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// The same with JSON in it.
pub fn json_answer(status: u16, body: &Value) -> Vec<u8> {
    answer(status, "Content-Type: application/json\r\n", body.to_string())
}

/// What eduMFA says where a token of this serial was right.
pub fn accepted(serial: &str) -> Value {
    json!({
        "id": 2, "jsonrpc": "2.0", "version": "eduMFA 2.9.5", "versionnumber": "2.9.5", "time": 1.5,
        "result": { "status": true, "value": true, "authentication": "ACCEPT" },
        "detail": {
            "message": "matching 1 tokens", "serial": serial, "type": "hotp", "otplen": 6, "threadid": 1,
        },
        "signature": "rsa_sha256_pss:00",
    })
}
