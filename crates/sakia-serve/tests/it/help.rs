//! What the tests have in common: the program as a child, and a client that sees every byte.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a test waits for what ought to come at once.
pub const SOON: Duration = Duration::from_secs(20);

/// The program, serving.
pub struct Server {
    child: Child,
    said: Option<(BufReader<ChildStdout>, ChildStderr)>,
    pub addr: SocketAddr,
}

/// What the program said, and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

/// The program on these arguments, not started.
pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sakia-serve"));
    command.arg(dir).args(["--addr", "127.0.0.1:0"]).args(args);
    command
}

impl Server {
    pub fn start(dir: &Path, args: &[&str]) -> Self {
        Self::of(&mut command(dir, args))
    }

    /// Runs a command that becomes the program.
    pub fn of(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let err = child.stderr.take().unwrap();
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let url = line
            .split("http://")
            .nth(1)
            .unwrap_or_else(|| panic!("no URL in {line:?}"));
        let addr = url.split('/').next().unwrap().parse().unwrap();
        Self {
            child,
            said: Some((out, err)),
            addr,
        }
    }

    pub fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    /// Asks with a request line and further header lines, on a connection of its own.
    pub fn ask(&self, line: &str, headers: &[&str]) -> Response {
        self.ask_bytes(line.as_bytes(), headers)
    }

    pub fn ask_bytes(&self, line: &[u8], headers: &[&str]) -> Response {
        let mut stream = self.dial();
        let mut request = line.to_vec();
        request.extend(b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for header in headers {
            request.extend(header.as_bytes());
            request.extend(b"\r\n");
        }
        request.extend(b"\r\n");
        stream.write_all(&request).unwrap();
        Response::read(&mut stream, line.starts_with(b"HEAD"))
    }

    pub fn get(&self, path: &str) -> Response {
        self.ask(&format!("GET {path}"), &[])
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the end and reads what was said.
    pub fn wait(mut self) -> Ended {
        let (mut out, mut err) = (String::new(), String::new());
        let (mut from_out, mut from_err) = self.said.take().unwrap();
        from_out.read_to_string(&mut out).unwrap();
        from_err.read_to_string(&mut err).unwrap();
        let status = self.child.wait().unwrap();
        Ended { status, out, err }
    }

    /// Stops it with Ctrl-C; its end must be clean.
    pub fn stop(self) -> Ended {
        self.signal("INT");
        let ended = self.wait();
        ended.assert_clean();
        ended
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }

    /// Waits until it has this many descriptors again.
    pub fn wait_for_descriptors(&self, count: usize) {
        eventually(
            || self.descriptors() == count,
            || format!("{} of {count}", self.descriptors()),
        );
    }

    /// The most memory that it has had so far, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub fn assert_clean(&self) {
        assert!(self.status.success(), "{self:?}");
        assert!(self.out.contains("sakia: shutdown clean"), "{self:?}");
        assert_eq!(self.err, "");
    }
}

/// Waits for something to become true.
pub fn eventually(is: impl Fn() -> bool, what: impl Fn() -> String) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < SOON, "{}", what());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A response, taken apart.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Response {
    /// Reads one response; its body is as long as it says, or nothing where HTTP has none.
    pub fn read(stream: &mut TcpStream, is_head: bool) -> Self {
        let head = read_head(stream);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response = Self {
            status,
            head,
            body: Vec::new(),
        };
        if !is_head && status != 304 {
            let length = response.length().expect("every body has its length told");
            response.body = vec![0; length as usize];
            stream.read_exact(&mut response.body).unwrap();
        }
        response
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn length(&self) -> Option<u64> {
        self.header("content-length")
            .map(|length| length.parse().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Reads a head, byte by byte, so as to read nothing beyond it.
pub fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap_or_else(|error| {
            panic!("{error} after {:?}", String::from_utf8_lossy(&head));
        });
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

pub fn send(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).unwrap();
}

/// Asks on a connection that is kept.
pub fn send_get(stream: &mut TcpStream, path: &str) {
    send(stream, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
}

/// Whether the connection ends now, by an end or a reset, without another byte.
pub fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(n) => n == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// A directory with these files.
pub fn tree<N: AsRef<OsStr>>(files: &[(N, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name.as_ref());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

/// A file of zeroes that takes no room.
pub fn sparse(dir: &Path, name: &str, len: u64) {
    std::fs::File::create(dir.join(name))
        .unwrap()
        .set_len(len)
        .unwrap();
}
