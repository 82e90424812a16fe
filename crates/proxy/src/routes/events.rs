//! What happens, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::App;
use crate::error::ApiError;
use crate::state::told_to_stop;

/// How often a silent stream shows that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// How long one stream may last; who still listens asks again.
const LONGEST: Duration = Duration::from_secs(3_600);

struct Listener {
    until: Instant,
    events: Receiver<Arc<str>>,
    stopping: watch::Receiver<bool>,
    /// One of the places for listeners, free again when this listener leaves.
    _place: OwnedSemaphorePermit,
}

pub(super) async fn events(
    Shared(app): Shared<App>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let place = Arc::clone(&app.listeners).try_acquire_owned().map_err(|_| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "proxy/busy", "As many listen to events as the proxy serves.")
            .next("Try again later.")
    })?;
    let listener = Listener {
        until: Instant::now() + LONGEST,
        events: app.events.subscribe(),
        stopping: app.stopping.clone(),
        _place: place,
    };
    Ok(Sse::new(unfold(listener, next)).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE)))
}

async fn next(mut listener: Listener) -> Option<(Result<Event, Infallible>, Listener)> {
    let data = tokio::select! {
        event = listener.events.recv() => match event {
            Ok(event) => event,
            // It read too slowly: what it missed is gone, so it must look at everything again.
            Err(RecvError::Lagged(_)) => r#"{"event":"missed"}"#.into(),
            Err(RecvError::Closed) => return None,
        },
        () = told_to_stop(&mut listener.stopping) => return None,
        () = sleep_until(listener.until) => return None,
    };
    Some((Ok(Event::default().data(data)), listener))
}
