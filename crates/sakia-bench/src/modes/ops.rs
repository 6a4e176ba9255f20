//! The cheapest ops there are: what the way through a runtime and the ring costs by itself.

use std::rc::Rc;

use super::{cannot, shared_out};
use crate::Rt;
use crate::data::ZERO;
use crate::words::Words;

/// `TIMES DEPTH`: a byte of /dev/zero, the cheapest op that every runtime can be asked for.
pub fn zero<R: Rt>(words: &Words) {
    let (times, depth) = (words.number(0), words.count(1));
    R::block_on(async move {
        let file = Rc::new(R::open(ZERO.into(), false).await);
        shared_out::<R, _>(times, depth, |_, times| {
            let file = file.clone();
            async move {
                let mut buf = vec![7; 1];
                for _ in 0..times {
                    let n;
                    (n, buf) = R::read_at(&file, buf, 0).await;
                    assert_eq!(n, 1);
                }
            }
        })
        .await;
    });
}

/// `TIMES DEPTH`
pub fn nop<R: Rt>(words: &Words) {
    if !R::NOP {
        return cannot();
    }
    let (times, depth) = (words.number(0), words.count(1));
    R::block_on(shared_out::<R, _>(times, depth, |_, times| async move {
        for _ in 0..times {
            R::nop().await;
        }
    }));
}
