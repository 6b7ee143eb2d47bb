//! The gRPC listener under HTTP/2 frames that no good client sends: it lives, holds little, answers others.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use vouchsafe::domain::limits::{CHECKS_AT_ONCE, GRPC_CONNECTIONS, GRPC_HEAD_BYTES, GRPC_STREAMS};

use super::grpc::{Asked, Here, told};
use super::support::{DEADLINE, wait_for};
use super::*;

/// How much more than before the flood the daemon may hold at any time.
const GROWTH_KIB: u64 = 150 << 10;

// Kinds and flags of frames, RFC 9113.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// One connection of an attacker, who reads what comes and keeps to flow control only.
struct Attacker {
    stream: TcpStream,
    /// What the daemon said, and a bell that rings when it says more.
    heard: Arc<(Mutex<Heard>, Condvar)>,
}

struct Heard {
    /// How many bytes of DATA it still takes on this connection.
    window: i64,
    /// Heads of answers.
    answers: usize,
    /// Streams that it refused.
    resets: usize,
}

impl Attacker {
    fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        let heard = Heard { window: 65_535, answers: 0, resets: 0 };
        let heard = Arc::new((Mutex::new(heard), Condvar::new()));
        let (reader, told) = (stream.try_clone().unwrap(), Arc::clone(&heard));
        thread::spawn(move || read_frames(reader, &told));
        let mut attacker = Self { stream, heard };
        attacker.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        attacker.frame(SETTINGS, 0, 0, b"");
        attacker
    }

    /// Whether the connection still takes bytes: one that was closed has refused the flood.
    fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.send(&frame(kind, flags, stream, payload))
    }

    /// Opens a check on `stream`.
    fn open(&mut self, stream: u32) -> bool {
        self.frame(HEADERS, END_HEADERS, stream, &head())
    }

    /// Sends DATA as soon as the connection's window allows; false if it does not for long.
    fn data(&mut self, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let size = i64::try_from(payload.len()).unwrap();
        if !self.hears(Duration::from_secs(2), |heard| heard.window >= size) {
            return false;
        }
        self.heard.0.lock().unwrap().window -= size;
        self.frame(DATA, flags, stream, payload)
    }

    /// Whether that is so within this time.
    fn hears(&self, within: Duration, what: impl Fn(&Heard) -> bool) -> bool {
        let (heard, bell) = &*self.heard;
        let until = |heard: &mut Heard| !what(heard);
        let waited = bell.wait_timeout_while(heard.lock().unwrap(), within, until);
        !waited.unwrap().1.timed_out()
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // Ends the reader too.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn read_frames(mut stream: TcpStream, (heard, bell): &(Mutex<Heard>, Condvar)) {
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let size = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; size];
        if stream.read_exact(&mut payload).is_err() {
            return;
        }
        let mut heard = heard.lock().unwrap();
        match head[3] {
            WINDOW_UPDATE if head[5..] == [0; 4] => {
                heard.window += i64::from(u32::from_be_bytes(payload.try_into().unwrap()));
            }
            HEADERS => heard.answers += 1,
            RST_STREAM => heard.resets += 1,
            _ => {}
        }
        bell.notify_all();
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![size[1], size[2], size[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The header block of a check, by HPACK's static table and literals.
fn head() -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let mut literal = |name: &[u8], value: &str| {
        block.extend(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
    };
    literal(&[0x04], "/envoy.service.auth.v3.Authorization/Check");
    literal(&[0x01], "x");
    literal(&[0x0f, 0x10], "application/grpc");
    literal(b"\x00\x02te", "trailers");
    block
}

/// The start of a message of `size` bytes.
fn message(size: u32) -> Vec<u8> {
    [&[0][..], &size.to_be_bytes()].concat()
}

/// The ids that a client may give its streams, in order.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|stream| 2 * stream + 1)
}

/// Lets `attack` run on so many connections, while a good client is answered and memory is watched.
#[track_caller]
fn survives(connections: usize, attack: impl Fn(&mut Attacker) + Sync) {
    let here = Here::start();
    let good = || {
        let answer = here.ask(&Asked::about("/page").headers(MASTER));
        assert_eq!(told(&answer).0, 200, "{answer:?}");
    };
    good();
    let before = here.daemon.resident_kib();
    let mut most = before;
    thread::scope(|scope| {
        let attacks: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    let mut attacker = Attacker::connect(here.grpc);
                    attack(&mut attacker);
                    attacker
                })
            })
            .collect();
        while !attacks.iter().all(thread::ScopedJoinHandle::is_finished) {
            good();
            most = most.max(here.daemon.resident_kib());
        }
        // They stay connected, and whatever they got the daemon to hold, it holds.
        let connected: Vec<_> = attacks.into_iter().map(|attack| attack.join().unwrap()).collect();
        good();
        most = most.max(here.daemon.resident_kib());
        drop(connected);
    });
    good();
    eprintln!("{} MiB before, {} MiB at most", before >> 10, most >> 10);
    assert!(most < before + GROWTH_KIB, "{before} KiB became {most} KiB");
    let ready = Request::new("GET", "x", "/readyz").send(here.daemon.admin);
    assert_eq!(ready.status, 200, "{ready}");
    assert_eq!(here.daemon.terminate(), Some(0), "{}", here.daemon.log());
}

#[test]
fn streams_that_are_opened_and_reset_at_once() {
    survives(2, |attacker| {
        let cancel = 8_u32.to_be_bytes();
        for stream in streams(20_000) {
            let both = [
                frame(HEADERS, END_HEADERS, stream, &head()),
                frame(RST_STREAM, 0, stream, &cancel),
            ];
            if !attacker.send(&both.concat()) {
                return;
            }
        }
    });
}

#[test]
fn settings_and_pings_without_end() {
    survives(2, |attacker| {
        let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]);
        let frames = [settings, frame(PING, 0, 0, &[7; 8])].concat().repeat(100);
        let _ = (0..1_000).all(|_| attacker.send(&frames));
    });
}

#[test]
fn headers_that_never_end() {
    survives(2, |attacker| {
        // Literals that are no header of anybody, in one block.
        let filler =
            b"\x00\x01x\x7d".iter().copied().chain([b'y'; 0x7d]).collect::<Vec<_>>().repeat(100);
        attacker.frame(HEADERS, 0, 1, &head());
        let _ = (0..4_000).all(|_| attacker.frame(CONTINUATION, 0, 1, &filler));
    });
}

#[test]
fn ten_thousand_checks_that_say_nothing() {
    survives(2, |attacker| {
        let _ = streams(10_000).all(|stream| attacker.open(stream));
    });
}

#[test]
fn messages_that_never_end() {
    survives(3, |attacker| {
        let parts = [message(200_000), vec![b'x'; 12_000]].concat();
        for stream in streams(1_000) {
            if !attacker.open(stream) || !attacker.data(0, stream, &parts) {
                return;
            }
        }
        for stream in streams(1_000) {
            for _ in 0..4 {
                if !attacker.data(0, stream, &[b'x'; 12_000]) {
                    return;
                }
            }
        }
    });
}

#[test]
fn messages_of_four_megabytes_on_many_streams() {
    survives(3, |attacker| {
        let start = [message(4 << 20), vec![b'x'; 12_000]].concat();
        for stream in streams(1_000) {
            if !attacker.open(stream) || !attacker.data(0, stream, &start) {
                return;
            }
        }
    });
}

#[test]
fn messages_that_are_no_protobuf() {
    survives(1, |attacker| {
        for stream in streams(300) {
            let garbage = [message(64), vec![0xff; 64]].concat();
            if !attacker.open(stream) || !attacker.data(END_STREAM, stream, &garbage) {
                return;
            }
        }
    });
}

#[test]
fn a_connection_has_so_many_streams_and_a_check_so_much_time() {
    let here = Here::start();
    let mut attacker = Attacker::connect(here.grpc);
    assert!(streams(u32::try_from(GRPC_STREAMS).unwrap()).all(|stream| attacker.open(stream)));
    // No check was given up before the last of them is refused.
    assert!(attacker.open(9_999));
    assert!(attacker.hears(DEADLINE, |heard| heard.resets + heard.answers > 0));
    assert_eq!(attacker.heard.0.lock().unwrap().resets, 1);
    assert!(attacker.hears(DEADLINE, |heard| heard.answers == GRPC_STREAMS));
}

#[test]
fn checks_wait_for_those_that_take_all_places_and_say_nothing() {
    let here = Here::start();
    let silent: Vec<_> = (0..CHECKS_AT_ONCE / GRPC_STREAMS)
        .map(|_| {
            let mut attacker = Attacker::connect(here.grpc);
            let count = u32::try_from(GRPC_STREAMS).unwrap();
            assert!(streams(count).all(|stream| attacker.open(stream)));
            attacker
        })
        .collect();
    // Once the silent ones were all taken in, a check waits until they are given up.
    wait_for("a check waits for its turn", || {
        let asked = Instant::now();
        let answer = here.ask(&Asked::about("/page").headers(MASTER));
        assert_eq!(told(&answer).0, 200, "{answer:?}");
        (asked.elapsed() > Duration::from_secs(1)).then_some(())
    });
    drop(silent);
}

#[test]
fn a_call_with_large_headers_of_its_own_is_refused() {
    let here = Here::start();
    let ask = |bytes: usize| {
        let mut request = tonic::Request::new(Asked::about("/page").headers(MASTER).request());
        request.metadata_mut().insert("x", "x".repeat(bytes).parse().unwrap());
        here.check(request)
    };
    assert!(ask(GRPC_HEAD_BYTES / 2).is_ok());
    assert!(ask(GRPC_HEAD_BYTES).is_err());
    assert!(ask(0).is_ok());
}

#[test]
fn connections_that_say_nothing_are_closed_and_make_room() {
    let here = Here::start();
    let silent: Vec<_> =
        (0..GRPC_CONNECTIONS + 50).map(|_| TcpStream::connect(here.grpc).unwrap()).collect();
    // The last ones find no place and are closed at once, before a word.
    assert_eq!(ends_after(silent.last().unwrap()), 0);
    let page = Asked::about("/page").headers(MASTER);
    wait_for("there is room again", || here.try_ask(&page).ok());
    // Those who had a place were greeted.
    assert_ne!(ends_after(&silent[0]), 0);
    let told = || here.daemon.log().contains("too many gRPC connections").then_some(());
    wait_for("the log tells of too many connections", told);
}

/// How many bytes come until the daemon closes.
fn ends_after(mut stream: &TcpStream) -> usize {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => bytes.len(),
    }
}
