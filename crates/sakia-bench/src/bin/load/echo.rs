//! What both clients know of a connection: what is under way on it, and since when.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::Duration;

use crate::Job;
use crate::connect::connect;
use crate::tally::Tally;

pub struct Connection {
    pub stream: TcpStream,
    /// How much of the next message is back already.
    got: usize,
    sent: VecDeque<Duration>,
    /// Whether a message has come back while it was counted.
    served: bool,
}

impl Connection {
    /// So many connections, each with `depth` messages that are about to be sent.
    pub fn all(job: &Job) -> Vec<Self> {
        let one = |_| Self {
            stream: connect(job.port),
            got: 0,
            sent: std::iter::repeat_n(Duration::ZERO, job.depth).collect(),
            served: false,
        };
        (0..job.connections).map(one).collect()
    }

    /// The messages that are about to be sent go now.
    pub fn begin(&mut self, now: Duration) {
        self.sent.iter_mut().for_each(|sent| *sent = now);
    }

    /// So many bytes are back: how many messages are whole, and so are to be sent again?
    #[inline]
    pub fn received(&mut self, n: usize, bytes: usize, now: Duration, tally: &mut Tally) -> usize {
        self.got += n;
        let whole = self.got / bytes;
        self.got %= bytes;
        for _ in 0..whole {
            let sent = self
                .sent
                .pop_front()
                .expect("no more comes back than was sent");
            tally.latency(now - sent);
            self.sent.push_back(now);
        }
        tally.count(whole as u64);
        if whole > 0 && !self.served {
            self.served = tally.serves_one();
        }
        whole
    }
}
