//! Entries in one growing vector, and the lists that thread through it. Knows no time.
//!
//! An entry is free, or held by its owner alone (who may note a place of its own there), or on exactly one list. Lists are rings: the head's `prev` is the tail, so that a push
//! at the end needs no second table. An entry is named by its place and a number that is never used twice, so the name of an
//! entry that has gone can never be taken for its successor in the same place.

/// Names an entry: its place, and its number among all that ever were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    index: u32,
    number: u64,
}

/// Names a list.
pub(crate) type List = u16;

/// Where no entry is.
const NIL: u32 = u32::MAX;
/// The list of an entry that is on none.
const NONE: List = List::MAX;
/// The list of an entry that its owner keeps at a place of its own.
const KEPT: List = List::MAX - 1;
/// The number of a free place.
const FREE: u64 = 0;

struct Entry<T> {
    value: Option<T>,
    /// What the owner of the lists sorts by.
    when: u64,
    number: u64,
    next: u32,
    prev: u32,
    list: List,
}

/// Entries, and so many lists.
pub(crate) struct Arena<T, const LISTS: usize> {
    entries: Vec<Entry<T>>,
    heads: Box<[u32; LISTS]>,
    /// The first free place; the others follow by `next`.
    free: u32,
    len: usize,
    last_number: u64,
}

impl<T, const LISTS: usize> Arena<T, LISTS> {
    pub(crate) fn new() -> Self {
        Arena {
            entries: Vec::new(),
            heads: Box::new([NIL; LISTS]),
            free: NIL,
            len: 0,
            last_number: FREE,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Says whether the next insert must take new memory.
    pub(crate) fn is_full(&self) -> bool {
        self.free == NIL && self.entries.len() == self.entries.capacity()
    }

    /// Stores a value in an entry that is on no list yet.
    #[inline]
    pub(crate) fn insert(&mut self, value: T, when: u64) -> (u32, Key) {
        if self.free == NIL {
            self.grow();
        }
        self.last_number += 1;
        let (index, number) = (self.free, self.last_number);
        let entry = &mut self.entries[index as usize];
        self.free = entry.next;
        // A free entry has no value: nothing is dropped, and nothing looks whether it must be.
        std::mem::forget(entry.value.replace(value));
        entry.when = when;
        entry.number = number;
        self.len += 1;
        (index, Key { index, number })
    }

    /// Makes a free place.
    #[cold]
    fn grow(&mut self) {
        self.free = u32::try_from(self.entries.len())
            .ok()
            .filter(|&index| index != NIL)
            .expect("more than four thousand million timers at once");
        self.entries.push(Entry {
            value: None,
            when: 0,
            number: FREE,
            next: NIL,
            prev: NIL,
            list: NONE,
        });
    }

    /// Frees an entry that is on no list.
    #[inline]
    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let entry = &mut self.entries[index as usize];
        debug_assert_eq!(entry.list, NONE, "an entry is unlinked before it is freed");
        entry.number = FREE;
        entry.next = self.free;
        self.free = index;
        self.len -= 1;
        entry.value.take()
    }

    /// Finds the place of an entry that is still there.
    #[inline]
    pub(crate) fn resolve(&self, key: Key) -> Option<u32> {
        let entry = self.entries.get(key.index as usize)?;
        (entry.number == key.number).then_some(key.index)
    }

    pub(crate) fn value_mut(&mut self, index: u32) -> Option<&mut T> {
        self.entries[index as usize].value.as_mut()
    }

    pub(crate) fn when(&self, index: u32) -> u64 {
        self.entries[index as usize].when
    }

    pub(crate) fn set_when(&mut self, index: u32, when: u64) {
        self.entries[index as usize].when = when;
    }

    #[inline]
    pub(crate) fn is_list_empty(&self, list: List) -> bool {
        self.heads[usize::from(list)] == NIL
    }

    /// Puts an entry that is on no list at the end of one.
    #[inline]
    pub(crate) fn push_back(&mut self, index: u32, list: List) {
        let head = self.heads[usize::from(list)];
        let (prev, next) = if head == NIL {
            self.heads[usize::from(list)] = index;
            (index, index)
        } else {
            let tail = self.entries[head as usize].prev;
            self.entries[head as usize].prev = index;
            self.entries[tail as usize].next = index;
            (tail, head)
        };
        let entry = &mut self.entries[index as usize];
        debug_assert_eq!(entry.list, NONE, "an entry is on one list at most");
        entry.prev = prev;
        entry.next = next;
        entry.list = list;
    }

    /// Notes where the owner keeps an entry that is on no list.
    #[inline]
    pub(crate) fn keep(&mut self, index: u32, place: u32) {
        let entry = &mut self.entries[index as usize];
        debug_assert_eq!(entry.list, NONE, "an entry is on one list at most");
        entry.list = KEPT;
        entry.prev = place;
    }

    /// Says where the owner keeps an entry, which is nowhere from now on; `None` if it is on a list, or nowhere.
    #[inline]
    pub(crate) fn unkeep(&mut self, index: u32) -> Option<u32> {
        let entry = &mut self.entries[index as usize];
        if entry.list != KEPT {
            return None;
        }
        entry.list = NONE;
        Some(entry.prev)
    }

    /// Takes an entry off its list and says which that was.
    #[inline]
    pub(crate) fn unlink(&mut self, index: u32) -> List {
        let entry = &mut self.entries[index as usize];
        let (prev, next, list) = (entry.prev, entry.next, entry.list);
        entry.list = NONE;
        let head = &mut self.heads[usize::from(list)];
        if next == index {
            *head = NIL;
        } else {
            if *head == index {
                *head = next;
            }
            self.entries[prev as usize].next = next;
            self.entries[next as usize].prev = prev;
        }
        list
    }

    /// Takes the first entry off a list.
    #[inline]
    pub(crate) fn pop_front(&mut self, list: List) -> Option<u32> {
        let head = self.heads[usize::from(list)];
        if head == NIL {
            return None;
        }
        self.unlink(head);
        Some(head)
    }

    /// Looks at the `when` of the entries of a list, first to last.
    pub(crate) fn list_whens(&self, list: List) -> impl Iterator<Item = u64> + '_ {
        let head = self.heads[usize::from(list)];
        let mut at = head;
        std::iter::from_fn(move || {
            if at == NIL {
                return None;
            }
            let entry = &self.entries[at as usize];
            at = if entry.next == head { NIL } else { entry.next };
            Some(entry.when)
        })
    }

    /// Empties everything and gives the memory back. Keys from before stay stale for ever.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = T> + use<T, LISTS> {
        self.heads.fill(NIL);
        self.free = NIL;
        self.len = 0;
        std::mem::take(&mut self.entries)
            .into_iter()
            .filter_map(|entry| entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_48_bytes() {
        assert_eq!(size_of::<Entry<std::task::Waker>>(), 48);
    }

    #[test]
    fn a_key_outlives_its_entry_without_naming_the_next_one_in_its_place() {
        let mut arena = Arena::<_, 1>::new();
        let (first, old) = arena.insert('a', 0);
        assert_eq!(arena.remove(first), Some('a'));
        let (second, new) = arena.insert('b', 0);
        assert_eq!(first, second, "the place is used again");
        assert_eq!(arena.resolve(old), None);
        assert_eq!(arena.resolve(new), Some(second));
    }

    #[test]
    fn a_list_keeps_its_order_whichever_entry_leaves() {
        for gone in 0..4 {
            let mut arena = Arena::<_, 1>::new();
            for n in 0..4 {
                let (index, _) = arena.insert(n, n);
                arena.push_back(index, 0);
            }
            assert_eq!(arena.unlink(gone), 0);
            let left: Vec<u64> = arena.list_whens(0).collect();
            let want: Vec<u64> = (0..4).filter(|&n| n != u64::from(gone)).collect();
            assert_eq!(left, want);
            arena.remove(gone);
            let mut popped = Vec::new();
            while let Some(index) = arena.pop_front(0) {
                popped.extend(arena.remove(index));
            }
            assert_eq!(popped, want);
            assert!(arena.is_list_empty(0));
            assert_eq!(arena.len(), 0);
        }
    }
}
