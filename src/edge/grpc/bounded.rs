//! How many checks are read at a time, and for how long (SEMANTICS D6).
//!
//! A message is read as a whole before anybody looks at it, so each check that has begun may hold up to
//! [`CHECK_BYTES`](crate::domain::limits::CHECK_BYTES); here that is paid for once, for all connections.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;

use crate::domain::limits::{CHECK_SECONDS, CHECKS_AT_ONCE};

/// In that time a check is read, waits for its turn, and is answered.
const DEADLINE: Duration = Duration::from_secs(CHECK_SECONDS as u64);

/// A service whose calls take places, of which there are [`CHECKS_AT_ONCE`].
#[derive(Debug, Clone)]
pub struct Bounded<S> {
    service: S,
    places: Arc<Semaphore>,
}

impl<S> Bounded<S> {
    /// All clones of it share the places.
    pub fn new(service: S) -> Self {
        Self { service, places: Arc::new(Semaphore::new(CHECKS_AT_ONCE)) }
    }
}

impl<S: NamedService> NamedService for Bounded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    /// Whoever waits does so in the call, where the deadline runs.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (mut service, places) = (self.service.clone(), Arc::clone(&self.places));
        Box::pin(async move {
            let answered = async {
                // Nobody closes it, so this only waits.
                let _place = places.acquire().await;
                service.call(request).await
            };
            // Envoy counts an error and lets nobody pass, unless its operator wants otherwise.
            timeout(DEADLINE, answered).await.unwrap_or_else(|_| {
                Ok(Status::deadline_exceeded("the check took too long").into_http())
            })
        })
    }
}
