//! Futures that were untied from their handle, and outlive it or are dropped before they began.

use std::time::Duration;

use crate::common::{laps, pair, pends, read_all, run, sleep};

#[test]
fn the_end_comes_behind_an_owned_write_that_is_still_awaited() {
    run(async {
        let (ours, mut peer) = pair().await;
        let (_read, write) = ours.into_split();
        let mut big = write.write_all(vec![3; 8 << 20]).into_owned();
        pends(&mut big).await;
        laps(2).await;
        drop(write);
        let reader = std::thread::spawn(move || read_all(&mut peer).len());
        big.await.0.unwrap();
        assert_eq!(reader.join().unwrap(), 8 << 20);
    });
}

#[test]
fn into_std_goes_on_when_an_unsubmitted_future_of_the_descriptor_is_dropped() {
    run(async {
        let (ours, _peer) = pair().await;
        let read = ours.read(Vec::with_capacity(8)).into_owned();
        let dropper = async move {
            sleep(Duration::from_millis(20)).await;
            drop(read);
        };
        let (released, ()) = futures_util::join!(ours.into_std(), dropper);
        released.unwrap();
    });
}
