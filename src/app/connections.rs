//! Connections with a bound on their number, and on how long one may be silent at its beginning.
//!
//! For the gRPC listener, whose library accepts whatever comes and waits for it for ever; actix has such
//! bounds of its own.

use std::future::{Future as _, Pending, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Timeout, timeout};
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::server::Connected;

use crate::domain::limits::{GRPC_CONNECTIONS, GRPC_GREETING_SECONDS};

/// The first words of an HTTP/2 client; the start of a TLS one is longer.
const GREETING_BYTES: usize = 24;
const GREETING_DEADLINE: Duration = Duration::from_secs(GRPC_GREETING_SECONDS as u64);

/// Those of `incoming` for which there is room; the others are closed at once.
pub fn bounded<IO>(
    incoming: impl Stream<Item = io::Result<IO>>,
) -> impl Stream<Item = io::Result<Bounded<IO>>> {
    let places = Arc::new(Semaphore::new(GRPC_CONNECTIONS));
    let mut is_full = false;
    incoming.filter_map(move |accepted| {
        let io = match accepted {
            Ok(io) => io,
            Err(error) => return Some(Err(error)),
        };
        let place = Arc::clone(&places).try_acquire_owned().ok();
        let was_full = std::mem::replace(&mut is_full, place.is_none());
        if is_full && !was_full {
            tracing::warn!(
                connections = GRPC_CONNECTIONS,
                "there are too many gRPC connections, so new ones are closed; who opens them?"
            );
        }
        place.map(|place| Ok(Bounded::new(io, place)))
    })
}

/// A connection that has a place, until it is dropped.
#[derive(Debug)]
pub struct Bounded<IO> {
    io: IO,
    _place: OwnedSemaphorePermit,
    /// `None` once it was said.
    greeting: Option<Greeting>,
}

#[derive(Debug)]
struct Greeting {
    missing_bytes: usize,
    deadline: Pin<Box<Timeout<Pending<()>>>>,
}

impl<IO> Bounded<IO> {
    fn new(io: IO, place: OwnedSemaphorePermit) -> Self {
        let deadline = Box::pin(timeout(GREETING_DEADLINE, pending()));
        let greeting = Some(Greeting { missing_bytes: GREETING_BYTES, deadline });
        Self { io, _place: place, greeting }
    }
}

impl<IO: Connected> Connected for Bounded<IO> {
    type ConnectInfo = IO::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Bounded<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if let Some(greeting) = &mut self.greeting {
            let came = buffer.filled().len() - before;
            greeting.missing_bytes = greeting.missing_bytes.saturating_sub(came);
            if greeting.missing_bytes == 0 {
                self.greeting = None;
            } else if greeting.deadline.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Bounded<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
