//! What a program of the benchmarks is told: words on its command line, and which variant of its system it is.

/// The words after the program's name.
pub struct Words(Vec<String>);

impl Words {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// The mode.
    pub fn mode(&self) -> &str {
        self.0.first().map_or("", |word| word.as_str())
    }

    /// The word at this place behind the mode, counted from 0.
    pub fn word(&self, at: usize) -> &str {
        match self.0.get(at + 1) {
            Some(word) => word,
            None => panic!("{} wants more words than {:?}", self.mode(), self.0),
        }
    }

    /// The number at this place behind the mode.
    pub fn number(&self, at: usize) -> u64 {
        let word = self.word(at);
        match word.parse() {
            Ok(number) => number,
            Err(_) => panic!("{} wants a number, not {word:?}", self.mode()),
        }
    }

    /// The same as a count of things.
    pub fn count(&self, at: usize) -> usize {
        self.number(at) as usize
    }
}

/// The environment variable that says which variant of a system a program is to be: the floor with epoll, a peer with its best flags.
pub const VARIANT: &str = "BENCH_VARIANT";

/// Which variant this program is; empty if there is nothing to choose.
pub fn variant() -> String {
    std::env::var(VARIANT).unwrap_or_default()
}

/// Is this a peer with the ring's best flags, instead of its defaults?
pub fn tuned() -> bool {
    variant() == "tuned"
}
