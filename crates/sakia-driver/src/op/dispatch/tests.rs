//! What follows from an answer to a cancel.

use std::task::Waker;

use super::*;
use crate::SimConfig;
use crate::on_model::driver;
use crate::op::adopt::Adopts;

#[test]
fn only_a_cancel_that_has_found_nothing_is_a_reason_to_look_again() {
    for (res, again) in [
        (-libc::ENOENT, true),
        (-libc::EALREADY, false),
        (libc::ENOENT, false),
        (0, false),
    ] {
        let (driver, _) = driver(SimConfig::new(1));
        let tag = {
            let mut core = driver.core();
            let tag = core.table.insert(
                0,
                Holds::none(),
                Adopts::new(crate::Yields::Nothing, 0),
                None,
                Waker::noop().clone(),
            );
            let tag = tag.expect("there is room");
            assert!(core.table.cancel_once(tag));
            tag
        };
        let answer = Cqe {
            user_data: Tag::own(Own::Cancel(tag.index32())),
            res,
            flags: 0,
        };
        driver.own_completion(Own::Cancel(tag.index32()), answer);
        assert_eq!(!driver.cancels().is_empty(), again, "{res}");
    }
}
