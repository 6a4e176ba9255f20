//! Where in the source descriptors and tasks come from: with the feature `track-origin` each way to make one tells its caller's line, without it
//! nothing is kept.

#[cfg(not(feature = "track-origin"))]
#[test]
fn without_the_feature_nothing_is_kept() {
    assert_eq!(size_of::<sakia_driver::Origin>(), 0);
    crate::support::run_clean(async {
        let _file = sakia::fs::File::open("/dev/null")
            .await
            .expect("it is there");
        assert!(sakia::fds().iter().all(|fd| fd.origin.is_none()));
    });
}

#[cfg(feature = "track-origin")]
mod on {
    use std::cell::RefCell;
    use std::io::{self, Write as _};
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::panic::Location;
    use std::rc::Rc;
    use std::time::Duration;

    use sakia::fs::{Dir, File, OpenOptions};
    use sakia::net::{
        TcpListener, TcpSocket, TcpStream, UdpSocket, UnixAddr, UnixDatagram, UnixListener,
        UnixSeqpacket, UnixSeqpacketListener, UnixStream, pipe,
    };
    use sakia::op::Receipt;
    use sakia::{FdInfo, FdState, Handle, JoinSet, Kind, Runtime};

    use crate::support::{poll_once, quiet_panics, run_clean, until};

    fn is_here(place: &Location<'_>, line: u32) -> bool {
        place.file().ends_with("it/origins.rs") && place.line() == line
    }

    /// The descriptors that a line of this file has asked for.
    fn of(line: u32) -> Vec<FdInfo> {
        let here = |fd: &FdInfo| fd.origin.is_some_and(|place| is_here(place, line));
        sakia::fds().into_iter().filter(here).collect()
    }

    /// Makes something on this line, and holds the kinds of the descriptors that came of it against what must be.
    macro_rules! made {
        ($made:expr, $($kind:ident)*) => {{
            let made = $made;
            let kinds: Vec<Kind> = of(line!()).iter().map(|fd| fd.kind).collect();
            assert_eq!(kinds, [$(Kind::$kind),*], "{:?}", sakia::fds());
            made
        }};
    }

    #[test]
    fn files_tell_who_has_opened_them() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        run_clean(async {
            made!(File::create(&one).await?, File);
            made!(File::open(&one).await?, File);
            made!(File::create_new(&two).await?, File);
            made!(File::options().read(true).open(&one).await?, File);
            let std = std::fs::File::open(&one)?;
            made!(File::from_std(std)?, File);
            let fd = OwnedFd::from(std::fs::File::open(&one)?);
            made!(File::from(fd), File);
            let root = made!(Dir::open(dir.path()).await?, Directory);
            made!(root.open_dir(".").await?, Directory);
            let mut options = OpenOptions::new();
            options.read(true);
            made!(root.open_file("one", &options).await?, File);
            Ok(())
        })
    }

    #[test]
    fn an_open_that_is_inside_another_function_is_its_caller_s() {
        run_clean(async {
            let (reader, mut writer) = io::pipe().expect("a descriptor is free");
            let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
            let mut read = sakia::fs::read(&path);
            let line = line!() - 1;
            // There is nothing to read yet, so it is open and waits.
            until(|| {
                assert!(poll_once(&mut read).is_pending());
                of(line).iter().any(|fd| fd.state == FdState::OpInFlight)
            })
            .await;
            writer.write_all(b"x").expect("the pipe has room");
            drop(writer);
            assert_eq!(read.await.expect("it is read"), b"x");
            assert!(of(line).is_empty());
        });
    }

    #[test]
    fn sockets_of_ip_tell_who_has_made_bound_connected_or_accepted_them() -> io::Result<()> {
        run_clean(async {
            let listener = made!(TcpListener::bind("127.0.0.1:0").await?, TcpListener);
            let addr = listener.local_addr()?;
            let _a = made!(TcpStream::connect(addr).await?, TcpStream);
            made!(listener.accept().await?, TcpStream);
            let b = TcpStream::connect(addr).await?;
            let mut incoming = listener.incoming();
            made!(incoming.next().await.expect("no end")?, TcpStream);
            let _c = TcpStream::connect(addr).await?;
            let mut accept = listener.accept();
            let line = line!() - 1;
            assert!(poll_once(&mut accept).is_pending());
            crate::support::laps(3).await;
            // Its future has not looked yet.
            let accepted = accept.cancel().await;
            assert!(matches!(accepted, Receipt::Completed(Ok(_), ())));
            assert_eq!(of(line).len(), 1);
            let (std, _) = b.into_std().await?;
            made!(TcpStream::from_std(std)?, TcpStream);
            let (std, _) = listener.into_std().await?;
            made!(TcpListener::from_std(std)?, TcpListener);
            let socket = made!(TcpSocket::new_v4()?, Socket);
            socket.bind("127.0.0.1:0".parse().expect("an address"))?;
            made!(socket.listen(1)?,);
            made!(TcpSocket::new_v6()?, Socket);
            let udp = made!(UdpSocket::bind("127.0.0.1:0").await?, UdpSocket);
            let (std, _) = udp.into_std().await?;
            made!(UdpSocket::from_std(std)?, UdpSocket);
            Ok(())
        })
    }

    #[test]
    fn unix_sockets_and_pipes_tell_it_too() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = |name: &str| dir.path().join(name);
        run_clean(async {
            let listener = made!(UnixListener::bind(path("s")).await?, UnixListener);
            let _a = made!(UnixStream::connect(path("s")).await?, UnixStream);
            made!(listener.accept().await?, UnixStream);
            made!(UnixStream::pair()?, UnixStream UnixStream);
            let name = UnixAddr::from_abstract_name(path("n").as_os_str().as_encoded_bytes())?;
            let _named = made!(UnixListener::bind_addr(&name).await?, UnixListener);
            made!(UnixStream::connect_addr(&name).await?, UnixStream);
            let records = UnixSeqpacketListener::bind(path("r"));
            let line = line!() - 1;
            let records = records.await?;
            assert_eq!(
                of(line).len(),
                1,
                "it is the future's maker, not who awaits it"
            );
            let _b = made!(UnixSeqpacket::connect(path("r")).await?, UnixSeqpacket);
            made!(records.accept().await?, UnixSeqpacket);
            made!(UnixSeqpacket::pair()?, UnixSeqpacket UnixSeqpacket);
            made!(UnixDatagram::bind(path("d")).await?, UnixDatagram);
            made!(UnixDatagram::unbound()?, UnixDatagram);
            made!(UnixDatagram::pair()?, UnixDatagram UnixDatagram);
            made!(pipe::pipe()?, Pipe Pipe);
            let (reader, writer) = io::pipe()?;
            made!(pipe::Receiver::from_std(reader)?, Pipe);
            made!(pipe::Sender::from(OwnedFd::from(writer)), Pipe);
            Ok(())
        })
    }

    #[test]
    fn a_close_that_takes_long_still_tells_it() -> io::Result<()> {
        run_clean(async {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            let stream = TcpStream::connect(listener.local_addr()?).await?;
            let line = line!() - 1;
            let (peer, _) = listener.accept()?;
            stream.set_linger(Some(Duration::from_secs(600)))?;
            while stream.try_write(&[0; 1 << 16]).is_ok() {}
            drop(stream);
            let told = of(line);
            assert_eq!(told.len(), 1, "{:?}", sakia::fds());
            assert_eq!(told[0].state, FdState::Closing);
            drop(peer);
            until(|| of(line).is_empty()).await;
            Ok(())
        })
    }

    #[test]
    fn the_report_says_where_what_is_still_held_was_opened() {
        let runtime = crate::support::runtime();
        let (line, open) = (line!(), File::open("/dev/null"));
        let file = runtime.block_on(open).expect("it is there");
        let report = runtime.shutdown(Duration::from_secs(5));
        assert!(report.is_clean(), "{report}");
        let held = report.still_held();
        assert!(held[0].origin.is_some_and(|place| is_here(place, line)));
        let from = format!("it/origins.rs:{line}:");
        assert!(report.to_string().contains(&from), "{report}");
        drop(file);
    }

    #[test]
    fn a_runtime_that_is_told_not_to_keeps_none() {
        let builder = Runtime::builder().entries(64).track_origin(false);
        let runtime = builder.build().expect("a ring can be made here");
        runtime.block_on(async {
            let _file = File::open("/dev/null").await.expect("it is there");
            let _pair = UnixStream::pair().expect("descriptors are free");
            let fds = sakia::fds();
            assert!(fds.len() >= 3 && fds.iter().all(|fd| fd.origin.is_none()));
        });
    }

    #[test]
    fn tasks_that_panic_tell_who_has_spawned_them() {
        sakia_tests::in_child(|| {
            quiet_panics();
            let hooked = Rc::new(RefCell::new(Vec::new()));
            let sink = hooked.clone();
            let builder = Runtime::builder().entries(64).on_task_panic(move |panic| {
                assert!(panic.origin().file().ends_with("it/origins.rs"));
                sink.borrow_mut().push(panic.origin().line());
            });
            let runtime = builder.build().expect("a ring can be made here");
            let mut lines = Vec::new();
            let on_runtime = runtime.spawn(async { panic!() });
            lines.push(line!() - 1);
            runtime.block_on(async {
                let spawned = sakia::spawn(async { panic!() });
                lines.push(line!() - 1);
                let handle = Handle::current();
                let elsewhere = std::thread::spawn(move || {
                    let spawned = handle.spawn(async { panic!() });
                    let spawned_with = handle.spawn_with(|| async { panic!() });
                    (spawned, spawned_with, line!())
                });
                let (sent, sent_with, line) = elsewhere.join().expect("no panic there");
                lines.extend([line - 2, line - 1]);
                let mut set = JoinSet::new();
                set.spawn(async { panic!() });
                lines.push(line!() - 1);
                let mut errors: Vec<sakia::JoinError> = Vec::new();
                for task in [on_runtime, spawned, sent, sent_with] {
                    errors.push(task.await.map(|never: ()| never).expect_err("it panics"));
                }
                let of_set: Result<(), _> = set.join_next().await.expect("there is one");
                errors.push(of_set.expect_err("it panics"));
                let told: Vec<u32> = errors.iter().map(|error| error.origin().line()).collect();
                assert_eq!(told, lines);
            });
            let mut hooked = hooked.take();
            hooked.sort_unstable();
            assert_eq!(hooked, lines);
        });
    }
}
