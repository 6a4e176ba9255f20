//! What moves between sockets: connections, bytes, ends, resets, datagrams; and the wire on which they are late.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::socket::{Id, Name, PIPE, Role, Socket, Stream};
use super::world::{Event, Thing, World};

/// A result, `EAGAIN` where one would have to wait.
type Errno<T> = Result<T, i32>;

const WAIT: i32 = libc::EAGAIN;
/// How many datagrams a socket holds.
const DATAGRAMS: usize = 64;
/// How long a connect waits before it knocks again at a listener whose backlog is full, and how often.
const KNOCK: u64 = 200_000_000;

impl World {
    // Names.

    pub(super) fn bind(&mut self, id: Id, name: Option<Name>) -> Errno<()> {
        let (domain, kind, bound) = {
            let socket = self.socket(id)?;
            (socket.domain, socket.kind, socket.name.is_some())
        };
        if bound {
            return Err(libc::EINVAL);
        }
        let name = match name {
            Some(Name::Ip(ip)) if domain != libc::AF_UNIX => Name::Ip(self.free_port(kind, ip)?),
            Some(name @ Name::Abstract(_)) if domain == libc::AF_UNIX => {
                if self.names.contains_key(&(kind, name.clone())) {
                    return Err(libc::EADDRINUSE);
                }
                name
            }
            Some(Name::Path(path)) if domain == libc::AF_UNIX => {
                self.make_socket_file(path.as_os_str().as_encoded_bytes())?;
                Name::Path(path)
            }
            Some(_) => return Err(libc::EAFNOSUPPORT),
            None => return Err(libc::EINVAL),
        };
        self.names.insert((kind, name.clone()), id);
        self.socket(id)?.name = Some(name);
        Ok(())
    }

    fn free_port(&mut self, kind: i32, ip: SocketAddr) -> Errno<SocketAddr> {
        if ip.port() != 0 {
            let taken = self.names.keys().any(|(other, name)| match name {
                Name::Ip(bound) => {
                    *other == kind
                        && bound.port() == ip.port()
                        && (bound.ip() == ip.ip()
                            || bound.ip().is_unspecified()
                            || ip.ip().is_unspecified())
                }
                Name::Path(_) | Name::Abstract(_) => false,
            });
            return if taken { Err(libc::EADDRINUSE) } else { Ok(ip) };
        }
        for _ in 0..u16::MAX {
            self.next_port = self.next_port.checked_add(1).unwrap_or(40_000);
            let wanted = SocketAddr::new(ip.ip(), self.next_port);
            if let Ok(free) = self.free_port(kind, wanted) {
                return Ok(free);
            }
        }
        Err(libc::EADDRINUSE)
    }

    /// A name for a socket that is to send and has none.
    fn name_self(&mut self, id: Id, to: &Name) {
        let Ok(socket) = self.socket(id) else { return };
        if socket.name.is_some() || socket.is_unix() {
            return;
        }
        if let Name::Ip(to) = to {
            let local = match to {
                SocketAddr::V4(_) => SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0)),
                SocketAddr::V6(_) => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0)),
            };
            let _ = self.bind(id, Some(Name::Ip(local)));
        }
    }

    /// Who has bound this name, or the wildcard of its port.
    fn who(&self, kind: i32, name: &Name) -> Option<Id> {
        if let Some(id) = self.names.get(&(kind, name.clone())) {
            return Some(*id);
        }
        let Name::Ip(ip) = name else { return None };
        let any: [SocketAddr; 2] = [
            (std::net::Ipv4Addr::UNSPECIFIED, ip.port()).into(),
            (std::net::Ipv6Addr::UNSPECIFIED, ip.port()).into(),
        ];
        any.into_iter()
            .find_map(|any| self.names.get(&(kind, Name::Ip(any))).copied())
    }

    // Connections.

    pub(super) fn listen(&mut self, id: Id, backlog: i32) -> Errno<()> {
        let socket = self.socket(id)?;
        if socket.kind != libc::SOCK_STREAM {
            return Err(libc::EOPNOTSUPP);
        }
        let most = usize::try_from(backlog).unwrap_or(4096).clamp(1, 4096);
        match &mut socket.role {
            Role::Fresh => socket.role = Role::Listener(VecDeque::new(), most),
            Role::Listener(_, old) => *old = most,
            _ => return Err(libc::EINVAL),
        }
        Ok(())
    }

    /// Tries to connect, for the `knocks`th time. What has to be waited for is `Err(EAGAIN)` and the time to come again.
    pub(super) fn connect(&mut self, id: Id, to: &Name, knocks: usize) -> Result<(), (i32, u64)> {
        let (kind, domain) = match self.socket(id) {
            Ok(socket) if socket.kind == PIPE => return Err((libc::ENOTSOCK, 0)),
            Ok(socket) => match socket.role {
                Role::Stream(_) => return Err((libc::EISCONN, 0)),
                Role::Listener(..) => return Err((libc::EINVAL, 0)),
                _ => (socket.kind, socket.domain),
            },
            Err(errno) => return Err((errno, 0)),
        };
        if kind == libc::SOCK_DGRAM {
            self.name_self(id, to);
            if domain == libc::AF_UNIX && self.who(kind, to).is_none() {
                return Err((libc::ECONNREFUSED, 0));
            }
            if let Ok(socket) = self.socket(id) {
                socket.peer = Some(to.clone());
            }
            return Ok(());
        }
        let Some(listener) = self.who(kind, to) else {
            let missing = domain == libc::AF_UNIX && !self.is_socket_file(to);
            return Err((
                if missing {
                    libc::ENOENT
                } else {
                    libc::ECONNREFUSED
                },
                0,
            ));
        };
        match self.socket(listener).map(|socket| &socket.role) {
            Ok(Role::Listener(backlog, most)) if backlog.len() < *most => {}
            Ok(Role::Listener(..)) if knocks < 30 => return Err((WAIT, KNOCK)),
            Ok(Role::Listener(..)) => return Err((libc::ETIMEDOUT, 0)),
            _ => return Err((libc::ECONNREFUSED, 0)),
        }
        self.name_self(id, to);
        self.establish(id, listener, to.clone());
        Ok(())
    }

    fn establish(&mut self, client: Id, listener: Id, to: Name) {
        let Ok(from) = self.socket(client).map(|socket| socket.name.clone()) else {
            return;
        };
        let Ok(accepting) = self.socket(listener) else {
            return;
        };
        let mut served = Socket::new(accepting.domain, accepting.kind);
        served.options = accepting.options.clone();
        served.name = Some(to.clone());
        served.peer = from;
        served.role = Role::Stream(Stream {
            peer: Some(client),
            ..Stream::default()
        });
        let served = self.make(Thing::Socket(served));
        // The backlog's own reference, which the accept takes over.
        self.hold(served);
        if let Ok(socket) = self.socket(listener)
            && let Role::Listener(backlog, _) = &mut socket.role
        {
            backlog.push_back(served);
        }
        if let Ok(socket) = self.socket(client) {
            socket.peer = Some(to);
            socket.role = Role::Stream(Stream {
                peer: Some(served),
                ..Stream::default()
            });
        }
        self.touched(listener);
        self.touched(client);
    }

    /// Takes the oldest connection of a backlog; the caller owns its reference.
    pub(super) fn accept(&mut self, id: Id) -> Errno<Id> {
        let full = !self.has_room();
        match &mut self.socket(id)?.role {
            Role::Listener(backlog, _) if backlog.is_empty() => Err(WAIT),
            Role::Listener(..) if full => Err(libc::EMFILE),
            Role::Listener(backlog, _) => backlog.pop_front().ok_or(WAIT),
            _ => Err(libc::EINVAL),
        }
    }

    /// Connects two sockets that nobody has named (socketpair(2)).
    pub(super) fn pair(&mut self, one: Id, other: Id) {
        for (id, peer) in [(one, other), (other, one)] {
            let Ok(socket) = self.socket(id) else {
                continue;
            };
            if socket.kind == libc::SOCK_DGRAM {
                socket.twin = Some(peer);
            } else {
                socket.role = Role::Stream(Stream {
                    peer: Some(peer),
                    ..Stream::default()
                });
            }
        }
    }

    // Bytes.

    /// How many bytes a stream takes now.
    fn room(&mut self, id: Id) -> Errno<usize> {
        let most = self.config.buffer;
        let socket = self.socket(id)?;
        if let Some(errno) = socket.take_error() {
            return Err(errno);
        }
        let unix = socket.is_unix();
        let Role::Stream(stream) = &socket.role else {
            return Err(if unix { libc::ENOTCONN } else { libc::EPIPE });
        };
        if stream.shut_write || stream.reset {
            return Err(libc::EPIPE);
        }
        let Some(peer) = stream.peer else {
            // TCP learns from the answer to what it sends that nobody is there.
            return if unix { Err(libc::EPIPE) } else { Ok(most) };
        };
        let Some(other) = self.socket(peer)?.stream() else {
            return Err(libc::EPIPE);
        };
        Ok(most.saturating_sub(other.arrived.len() + other.coming))
    }

    /// Sends as many bytes as the stream takes; `EAGAIN` if it takes none.
    pub(super) fn send(&mut self, id: Id, data: &[u8]) -> Errno<usize> {
        let room = self.room(id)?;
        if data.is_empty() {
            return Ok(0);
        }
        if room == 0 {
            return Err(WAIT);
        }
        let most = data.len().min(room);
        let n = self.shortened(most);
        let socket = self.socket(id)?;
        let was_told = socket.stream().is_some_and(|stream| stream.ended);
        match socket.stream().and_then(|stream| stream.peer) {
            Some(peer) => self.send_packet(peer, Event::Bytes(peer, data[..n].to_vec()), n),
            None => {
                let errno = if was_told {
                    libc::EPIPE
                } else {
                    libc::ECONNRESET
                };
                self.soon(Event::Error(id, errno));
            }
        }
        Ok(n)
    }

    /// What a short read or write makes of a number of bytes; never none of some.
    pub(super) fn shortened(&mut self, n: usize) -> usize {
        if n > 1 && self.random.happens(self.config.short) {
            1 + self.random.below(n as u64 - 1) as usize
        } else {
            n
        }
    }

    fn send_packet(&mut self, to: Id, packet: Event, bytes: usize) {
        let time = self.now() + self.some_time();
        let Ok(socket) = self.socket(to) else { return };
        let Some(stream) = socket.stream() else {
            return;
        };
        stream.coming += bytes;
        stream.last = stream.last.max(time);
        let time = stream.last;
        self.at(time, packet);
    }

    pub(super) fn send_end(&mut self, to: Id) {
        self.send_packet(to, Event::End(to), 0);
    }

    pub(super) fn send_reset(&mut self, to: Id) {
        self.send_packet(to, Event::Reset(to), 0);
    }

    /// Resets a connection at both ends, at once.
    pub(super) fn reset(&mut self, id: Id) {
        let peer = self
            .socket(id)
            .ok()
            .and_then(|socket| socket.stream())
            .and_then(|stream| stream.peer);
        for end in [Some(id), peer].into_iter().flatten() {
            self.reset_arrived(end);
        }
    }

    fn reset_arrived(&mut self, id: Id) {
        let Ok(socket) = self.socket(id) else { return };
        let Some(stream) = socket.stream() else {
            return;
        };
        if stream.reset {
            return;
        }
        (stream.reset, stream.ended, stream.peer) = (true, true, None);
        socket.error = libc::ECONNRESET;
        self.touched(id);
    }

    /// Receives what has arrived; an empty answer is the end, `EAGAIN` says that nothing is there yet.
    pub(super) fn receive(&mut self, id: Id, most: usize, peek: bool) -> Errno<Vec<u8>> {
        let socket = self.socket(id)?;
        let unix = socket.is_unix();
        let Some(stream) = socket.stream() else {
            return Err(if unix { libc::EINVAL } else { libc::ENOTCONN });
        };
        if stream.arrived.is_empty() || most == 0 {
            let over = stream.ended || stream.shut_read;
            return match socket.take_error() {
                Some(errno) => Err(errno),
                None if most == 0 || over => Ok(Vec::new()),
                None => Err(WAIT),
            };
        }
        let there = stream.arrived.len().min(most);
        let n = self.shortened(there);
        let stream = self.socket(id)?.stream().ok_or(libc::ENOTCONN)?;
        let bytes: Vec<u8> = if peek {
            stream.arrived.iter().take(n).copied().collect()
        } else {
            stream.arrived.drain(..n).collect()
        };
        if !peek && let Some(peer) = stream.peer {
            self.touched(peer);
        }
        Ok(bytes)
    }

    /// Makes a stream go one way, without telling the peer: an end of a pipe.
    pub(super) fn half(&mut self, id: Id, how: i32) {
        if let Ok(socket) = self.socket(id)
            && let Some(stream) = socket.stream()
        {
            match how {
                libc::SHUT_WR => stream.shut_write = true,
                _ => stream.shut_read = true,
            }
        }
    }

    pub(super) fn shut(&mut self, id: Id, how: i32) -> Errno<()> {
        if self.socket(id)?.kind == PIPE {
            return Err(libc::ENOTSOCK);
        }
        let socket = self.socket(id)?;
        let unix = socket.is_unix();
        let Some(stream) = socket.stream() else {
            return Err(libc::ENOTCONN);
        };
        // A TCP connection that has ended both ways is none any more.
        if !unix && (stream.reset || stream.ended && stream.shut_write) {
            return Err(libc::ENOTCONN);
        }
        if how != libc::SHUT_WR {
            stream.shut_read = true;
        }
        let tell = how != libc::SHUT_RD && !std::mem::replace(&mut stream.shut_write, true);
        if let (true, Some(peer)) = (tell, stream.peer) {
            self.send_end(peer);
        }
        self.touched(id);
        Ok(())
    }

    // Datagrams.

    pub(super) fn send_datagram(
        &mut self,
        id: Id,
        data: Vec<u8>,
        to: Option<Name>,
    ) -> Errno<usize> {
        let socket = self.socket(id)?;
        if let Some(errno) = socket.take_error() {
            return Err(errno);
        }
        let (unix, kind, connected) = (socket.is_unix(), socket.kind, socket.peer.is_some());
        if let (Some(twin), None) = (socket.twin, &to) {
            return self.send_record(twin, data, None);
        }
        let Some(to) = to.or_else(|| socket.peer.clone()) else {
            return Err(if unix {
                libc::ENOTCONN
            } else {
                libc::EDESTADDRREQ
            });
        };
        if data.len() > 65_507 {
            return Err(libc::EMSGSIZE);
        }
        self.name_self(id, &to);
        let from = self.socket(id)?.name.clone();
        let n = data.len();
        let Some(there) = self.who(kind, &to) else {
            if unix {
                return Err(libc::ECONNREFUSED);
            }
            if connected {
                self.soon(Event::Error(id, libc::ECONNREFUSED));
            }
            return Ok(n);
        };
        if unix {
            return self.send_record(there, data, from);
        }
        if !self.random.happens(self.config.loss) {
            self.soon(Event::Datagram(there, data, from));
        }
        Ok(n)
    }

    /// Unix datagrams are never lost and never overtake each other: whoever sends to a full socket waits.
    fn send_record(&mut self, to: Id, data: Vec<u8>, from: Option<Name>) -> Errno<usize> {
        match self.socket(to).map(|socket| &socket.role) {
            Ok(Role::Datagrams(list)) if list.len() >= 10 => return Err(WAIT),
            Ok(Role::Datagrams(_)) => {}
            _ => return Err(libc::ECONNREFUSED),
        }
        let n = data.len();
        self.datagram_arrived(to, data, from);
        Ok(n)
    }

    fn datagram_arrived(&mut self, id: Id, data: Vec<u8>, from: Option<Name>) {
        let Ok(socket) = self.socket(id) else { return };
        let stranger = socket.peer.is_some() && !socket.is_unix() && socket.peer != from;
        if let Role::Datagrams(list) = &mut socket.role
            && list.len() < DATAGRAMS
            && !stranger
        {
            list.push_back((data, from));
            self.touched(id);
        }
    }

    /// Takes the oldest datagram, or looks at it.
    pub(super) fn receive_datagram(
        &mut self,
        id: Id,
        peek: bool,
    ) -> Errno<(Vec<u8>, Option<Name>)> {
        let socket = self.socket(id)?;
        if let Some(errno) = socket.take_error() {
            return Err(errno);
        }
        let Role::Datagrams(list) = &mut socket.role else {
            return Err(libc::EINVAL);
        };
        if peek {
            return list.front().cloned().ok_or(WAIT);
        }
        let message = list.pop_front().ok_or(WAIT)?;
        // Who waits for room cannot be known from here: all may look again.
        self.all_touched();
        Ok(message)
    }

    // What poll(2) says.

    pub(super) fn ready(&mut self, id: Id) -> i16 {
        let most = self.config.buffer;
        let mut mask = 0;
        let (mut peer, mut writable) = (None, true);
        match self.thing(id) {
            Some(Thing::Socket(socket)) => {
                if socket.error != 0 {
                    mask |= libc::POLLERR | libc::POLLIN;
                }
                match &socket.role {
                    Role::Fresh => mask |= libc::POLLHUP,
                    Role::Listener(backlog, _) => {
                        writable = false;
                        if !backlog.is_empty() {
                            mask |= libc::POLLIN;
                        }
                    }
                    Role::Stream(stream) => {
                        if stream.ended || stream.shut_read {
                            mask |= libc::POLLIN | libc::POLLRDHUP;
                        }
                        if !stream.arrived.is_empty() {
                            mask |= libc::POLLIN;
                        }
                        if stream.reset {
                            mask |= libc::POLLHUP;
                        }
                        peer = stream.peer;
                    }
                    Role::Datagrams(list) => {
                        if !list.is_empty() {
                            mask |= libc::POLLIN;
                        }
                    }
                }
            }
            Some(Thing::Eventfd(count)) => {
                if *count > 0 {
                    mask |= libc::POLLIN;
                }
            }
            Some(Thing::File { .. }) => mask |= libc::POLLIN,
            Some(Thing::Ring) | None => {}
        }
        if let Some(peer) = peer
            && let Ok(socket) = self.socket(peer)
            && let Some(other) = socket.stream()
        {
            writable = other.arrived.len() + other.coming < most;
        }
        if writable {
            mask |= libc::POLLOUT;
        }
        mask
    }

    // The wire.

    pub(super) fn arrived(&mut self, event: Event) {
        match event {
            Event::Bytes(id, bytes) => {
                let Some(stream) = self.socket(id).ok().and_then(|socket| socket.stream()) else {
                    return;
                };
                stream.coming -= bytes.len();
                if !stream.reset && !stream.shut_read {
                    stream.arrived.extend(bytes);
                }
                self.touched(id);
            }
            Event::End(id) => {
                if let Some(stream) = self.socket(id).ok().and_then(|socket| socket.stream()) {
                    stream.ended = true;
                    self.touched(id);
                }
            }
            Event::Reset(id) => self.reset_arrived(id),
            Event::Datagram(id, data, from) => self.datagram_arrived(id, data, from),
            Event::Error(id, errno) => {
                if let Ok(socket) = self.socket(id) {
                    socket.error = errno;
                    if let Some(stream) = socket.stream() {
                        stream.reset = true;
                        stream.ended = true;
                    }
                    self.touched(id);
                }
            }
            Event::Try(_) | Event::Post(_) => {}
        }
    }
}
