//! The queue by itself, where the public API does not reach.

use super::*;
use crate::ThreadPark;
use crate::task::outcome::new_task;

#[test]
fn a_push_after_the_end_is_taken_out_by_the_pusher_and_nothing_leaks() {
    let unpark = Arc::new(ThreadPark::new());
    let home = Home::new(unpark.clone());
    let (listed, queued, joiner) = new_task(async {}, &home, home.anchor());
    drop(joiner);
    listed.drop_future(&home);
    listed.finish(None, &home);
    home.end();
    drop(home);
    assert_eq!(Arc::strong_count(&unpark), 2, "the task keeps the core");
    // What a thread does that claimed the way before the end and was held up.
    std::thread::spawn(move || CoreRef::push(queued))
        .join()
        .unwrap();
    assert_eq!(Arc::strong_count(&unpark), 1, "task and core are gone");
}
