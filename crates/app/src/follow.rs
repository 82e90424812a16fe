//! Following the proxy: where the chain is, what the miner does, and when to look at the wallet's coins again.
//!
//! In:    the proxy's events, a bell for "look now".
//! Out:   news of the connection, the miner and the fees; the wallet is synchronised on the way.
//! Never: an end. A lost connection is tried again after 1, 2, 4, 8, 15, then every 30 seconds, and the window counts down.
//!
//! Start at [`follow`].

use std::time::Duration;

use mycoin_light::{LightError, MinerState, ProxyEvent, Readiness};
use mycoin_primitives::Height;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::backend::{News, Shared, SyncFault, synchronise};
use crate::present::sentence;

/// How things stand with the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Connection {
    /// Nothing is known yet.
    Connecting,
    /// Everything up to this block is known.
    UpToDate {
        /// The tip.
        height: Height,
    },
    /// The proxy reads blocks that it does not know yet.
    CatchingUp {
        /// How far it is.
        height: Height,
    },
    /// The proxy answers, its base server does not.
    ServerAway,
    /// No answer; the next try comes in so many seconds.
    Offline {
        /// Seconds until then.
        retry_in: u64,
    },
    /// It answers, but not as it should; why, and the seconds until the next try.
    Trouble {
        /// A sentence.
        why: String,
        /// Seconds until then.
        retry_in: u64,
    },
}

/// The waits between tries, in seconds; the last one repeats.
const WAITS: [u64; 6] = [1, 2, 4, 8, 15, 30];
/// Events come in bursts (a block removes what it confirms): one look serves all that come within this time.
const BURST: Duration = Duration::from_millis(150);
/// How often the miner is asked while it works, so that its figures move.
const MINING_BEAT: Duration = Duration::from_millis(400);
/// How often everything is looked at although nothing was heard.
const IDLE_BEAT: Duration = Duration::from_secs(20);

/// Why a connection ended.
enum Lost {
    Unreachable,
    ServerAway,
    Trouble(String),
}

impl From<LightError> for Lost {
    fn from(error: LightError) -> Self {
        match error {
            LightError::Unreachable { .. } | LightError::TimedOut { .. } => Self::Unreachable,
            error => Self::Trouble(sentence(&error)),
        }
    }
}

/// Follows the proxy for ever.
pub(crate) async fn follow(shared: Shared) {
    let mut tries = 0;
    shared.news.send(News::Connection(Connection::Connecting));
    loop {
        let began = Instant::now();
        let lost = match connected(&shared).await {
            Ok(never) => match never {},
            Err(lost) => lost,
        };
        // A connection that held for a while starts the waits anew.
        tries = if began.elapsed() > Duration::from_secs(20) { 0 } else { tries };
        let wait = WAITS.get(tries).or(WAITS.last()).copied().unwrap_or(30);
        tries += 1;
        count_down(&shared, &lost, wait).await;
    }
}

/// Waits before the next try and says how long it still is; "look now" ends the wait.
async fn count_down(shared: &Shared, lost: &Lost, seconds: u64) {
    for retry_in in (1..=seconds).rev() {
        shared.news.send(News::Connection(match lost {
            Lost::Unreachable => Connection::Offline { retry_in },
            Lost::ServerAway => Connection::ServerAway,
            Lost::Trouble(why) => Connection::Trouble { why: why.clone(), retry_in },
        }));
        tokio::select! {
            () = sleep(Duration::from_secs(1)) => {}
            () = shared.look.notified() => return,
        }
    }
}

/// One connection, until it is lost.
async fn connected(shared: &Shared) -> Result<std::convert::Infallible, Lost> {
    // Listening begins before the first look, so that nothing falls between them.
    let mut events = listen(shared).await?;
    let mut mining = look(shared).await?;
    loop {
        let pause = if mining { MINING_BEAT } else { IDLE_BEAT };
        tokio::select! {
            event = events.receiver.recv() => match event {
                None => return Err(Lost::Unreachable),
                Some(Err(error)) => return Err(error.into()),
                Some(Ok(ProxyEvent::Mining(info))) => {
                    mining = info.state == MinerState::Mining;
                    continue;
                }
                Some(Ok(_)) => {
                    sleep(BURST).await;
                    while let Ok(Ok(_)) = events.receiver.try_recv() {}
                }
            },
            () = shared.look.notified() => {}
            () = sleep(pause) => {
                if mining {
                    mining = ask_miner(shared).await?;
                    continue;
                }
            }
        }
        mining = look(shared).await?;
    }
}

/// Looks at everything once; returns whether the miner works.
async fn look(shared: &Shared) -> Result<bool, Lost> {
    let status = shared.proxy.status().await?;
    match status.readiness {
        Readiness::Ready => {}
        Readiness::CatchingUp | Readiness::NotReady => {
            shared.news.send(News::Connection(Connection::CatchingUp { height: status.tip.height }));
        }
        Readiness::ServerAway => return Err(Lost::ServerAway),
    }
    synchronise(shared).await.map_err(|fault| match fault {
        SyncFault::Proxy(error) => error.into(),
        SyncFault::Distrust(why) => Lost::Trouble(why),
    })?;
    let mining = ask_miner(shared).await?;
    shared.news.send(News::Fees(shared.proxy.fee_estimates().await?));
    if status.readiness == Readiness::Ready {
        shared.news.send(News::Connection(Connection::UpToDate { height: status.tip.height }));
    }
    Ok(mining)
}

async fn ask_miner(shared: &Shared) -> Result<bool, Lost> {
    match shared.proxy.mining().await {
        Ok(info) => {
            let works = info.state == MinerState::Mining;
            shared.news.send(News::Mining(info));
            Ok(works)
        }
        // Another program's proxy may not tell; everything else works without it.
        Err(LightError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The proxy's events, read by a task of their own: a wait for them can then be broken off without losing half an event,
/// and the miner is seen at work while the wallet is synchronised.
struct Events {
    receiver: mpsc::Receiver<Result<ProxyEvent, LightError>>,
    reader: tokio::task::JoinHandle<()>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn listen(shared: &Shared) -> Result<Events, Lost> {
    let mut stream = shared.proxy.events().await?;
    let (sender, receiver) = mpsc::channel(64);
    let news = shared.news.clone();
    let reader = tokio::spawn(async move {
        while let Some(event) = stream.next().await {
            match &event {
                Ok(ProxyEvent::Mining(info)) => news.send(News::Mining(info.clone())),
                Ok(ProxyEvent::BlockConnected { height, .. }) => news.send(News::Block { height: *height }),
                _ => {}
            }
            if sender.send(event).await.is_err() {
                return;
            }
        }
    });
    Ok(Events { receiver, reader })
}
