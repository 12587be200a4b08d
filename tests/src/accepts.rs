//! Clients that count which worker takes their connections: of `worker_accepts`, which tells its slot in one byte.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

/// How many connections each worker has taken.
#[derive(Debug, Clone)]
pub struct Shares(Vec<usize>);

impl Shares {
    /// None yet.
    pub fn of(workers: usize) -> Self {
        Self(vec![0; workers])
    }

    /// The largest share, in smallest shares: 1 is even, infinity is a worker that took nothing.
    pub fn max_to_min(&self) -> f64 {
        let largest = self.0.iter().max().map_or(0, |share| *share);
        let smallest = self.0.iter().min().map_or(0, |share| *share);
        largest as f64 / smallest as f64
    }

    /// All of them.
    pub fn sum(&self) -> usize {
        self.0.iter().sum()
    }

    /// Makes `connections` in bursts of `burst`, with `pause` between them, and counts who takes them.
    ///
    /// # Errors
    ///
    /// A connection that is refused, or ends without an answer.
    pub fn count(
        &mut self,
        to: SocketAddr,
        connections: usize,
        burst: usize,
        pause: Duration,
    ) -> io::Result<()> {
        for _ in 0..connections / burst {
            let clients: Vec<_> = (0..burst).map(|_| TcpStream::connect(to)).collect();
            for client in clients {
                let mut client = client?;
                let mut slot = [0];
                client.read_exact(&mut slot)?;
                self.0[usize::from(slot[0])] += 1;
                // Closed by a reset: thousands of ports would else wait for a minute each.
                setsockopt(&client.as_fd(), sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })?;
            }
            #[expect(clippy::disallowed_methods, reason = "how far apart they come is what is asked for")]
            std::thread::sleep(pause);
        }
        Ok(())
    }
}
