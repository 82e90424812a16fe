//! A slow line between two servers: it passes so many bytes a second in each direction.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// The time between two portions.
const STEP: Duration = Duration::from_millis(20);

/// The line's near end; whoever connects to it is connected with the far end. It works until the test ends.
pub(crate) struct SlowWire {
    pub(crate) address: SocketAddr,
}

impl SlowWire {
    /// A line to `far` that passes `rate` bytes a second each way.
    pub(crate) fn to(far: &str, rate: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (far, portion) = (far.to_owned(), rate * STEP.as_millis() as usize / 1_000);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // Nobody listens at the far end: the near end sees the same.
                let Ok(far) = TcpStream::connect(&far) else { continue };
                let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { continue };
                std::thread::spawn(move || pass(near, far, portion));
                std::thread::spawn(move || pass(far_too, near_too, portion));
            }
        });
        Self { address }
    }
}

/// Passes on until one side ends; then the other one does, too.
fn pass(mut from: TcpStream, mut to: TcpStream, portion: usize) {
    let mut bytes = vec![0; portion.max(1)];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
        std::thread::sleep(STEP);
    }
    let _already_closed = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
