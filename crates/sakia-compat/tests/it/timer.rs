//! hyper's timer is sakia's clock, also while that stands still.

use std::time::{Duration, Instant};

use hyper::rt::Timer;
use sakia_compat::SakiaTimer;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn hypers_clock_and_its_sleeps_follow_a_clock_that_is_paused_and_jumps() {
    let runtime = sakia::Runtime::builder()
        .start_paused(true)
        .build()
        .unwrap();
    let real = Instant::now();
    runtime.block_on(async {
        let start = SakiaTimer.now();
        assert_eq!(start, sakia::time::now());
        SakiaTimer.sleep(HOUR).await;
        assert!(SakiaTimer.now() - start >= HOUR);
        SakiaTimer.sleep_until(start + 2 * HOUR).await;
        assert!(SakiaTimer.now() - start >= 2 * HOUR);
        // One sleep, put off and brought forward again.
        let mut sleep = SakiaTimer.sleep(HOUR);
        SakiaTimer.reset(&mut sleep, start + 9 * HOUR);
        SakiaTimer.reset(&mut sleep, start + 4 * HOUR);
        sleep.await;
        let took = SakiaTimer.now() - start;
        assert!(took >= 4 * HOUR && took < 9 * HOUR, "{took:?}");
    });
    assert!(real.elapsed() < Duration::from_secs(30));
    assert!(runtime.shutdown(Duration::from_secs(5)).is_clean());
}
